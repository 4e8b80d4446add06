//! What stands behind the question mark of a request, checked and used up.

use core::fmt;
use core::str::FromStr;

use crate::problem::Problem;

/// The longest name that a problem shows.
const NAME_LEN_MAX: usize = 32;

/// The parameters of a request. One that nobody takes is refused by [`end`](Self::end), so that
/// a filter that is misspelled does not list everything.
pub(crate) struct Query {
    given: Vec<(String, String)>,
}

impl Query {
    pub(crate) fn new(text: &str) -> Result<Self, Problem> {
        let mut given: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            if given.iter().any(|(known, _)| *known == name) {
                let name = shown(&name);
                return Err(Problem::malformed(format!("{name}: it comes more than once")));
            }
            given.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self { given })
    }

    /// A parameter as it is, where it was given.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        let at = self.given.iter().position(|(known, _)| known == name)?;
        Some(self.given.swap_remove(at).1)
    }

    /// A parameter, where it was given.
    pub(crate) fn get<T: FromStr<Err: fmt::Display>>(
        &mut self,
        name: &str,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let read = text.parse().map(Some);
        read.map_err(|why| Problem::malformed(format!("{name}: {why}")))
    }

    /// A parameter that is one of these words.
    pub(crate) fn one_of<T: Copy>(
        &mut self,
        name: &str,
        words: &[(&str, T)],
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Ok(Some(*value));
        }
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        Err(Problem::malformed(format!("{name}: it is one of {}", known.join(", "))))
    }

    /// The parameter whose name begins so, with the rest of its name, where there is one.
    pub(crate) fn begins(&mut self, front: &str) -> Option<(String, String)> {
        let at = self.given.iter().position(|(name, _)| name.starts_with(front))?;
        let (name, value) = self.given.swap_remove(at);
        Some((name[front.len()..].to_owned(), value))
    }

    /// What is left of it, whatever its order, as a part of a hash.
    pub(crate) fn bind(&self, hash: &mut blake3::Hasher) {
        let mut sorted: Vec<&(String, String)> = self.given.iter().collect();
        sorted.sort_unstable();
        for (name, value) in sorted {
            hash.update(&(name.len() as u64).to_le_bytes()).update(name.as_bytes());
            hash.update(&(value.len() as u64).to_le_bytes()).update(value.as_bytes());
        }
    }

    /// Nothing else was given.
    pub(crate) fn end(self) -> Result<(), Problem> {
        match self.given.first() {
            None => Ok(()),
            Some((name, _)) => {
                let name = shown(name);
                Err(Problem::malformed(format!("{name}: there is no such parameter here")))
            }
        }
    }
}

/// The name of a parameter as a problem shows it. One that is too long for a name may be a key.
fn shown(name: &str) -> &str {
    if name.len() <= NAME_LEN_MAX { name } else { "in the query" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_takes_is_refused() {
        let mut query = Query::new("limit=5&state=open").expect("each comes once");
        assert_eq!(query.get::<u32>("limit").ok().flatten(), Some(5));
        assert!(query.end().is_err());
        assert!(Query::new("a=1&a=2").is_err());
        assert!(Query::new("").is_ok_and(|query| query.end().is_ok()));
    }
}
