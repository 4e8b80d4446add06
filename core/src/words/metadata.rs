//! Metadata: a few pairs of text that callers hang on a stream or an event.

use core::fmt;

use rkyv::{Archive, Deserialize, Serialize};

use super::Malformed;

/// Up to 32 pairs of text, 4 KiB together, in the order of their names.
///
/// Kept as one text in a canonical form (`3:key5:value…`), so equal pairs are equal bytes.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Default)]
pub struct Metadata(Box<str>);

impl Metadata {
    /// The most pairs.
    pub const PAIRS_MAX: usize = 32;
    /// The most bytes of all names and values together.
    pub const BYTES_MAX: usize = 4096;

    /// Metadata of these pairs; a name that comes twice is malformed.
    pub fn new<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, Malformed> {
        let mut sorted: Vec<(&str, &str)> = Vec::new();
        let mut bytes = 0;
        for (name, value) in pairs {
            bytes += name.len() + value.len();
            if sorted.len() == Self::PAIRS_MAX || bytes > Self::BYTES_MAX {
                return Err(Malformed::Metadata);
            }
            sorted.push((name, value));
        }
        sorted.sort_unstable();
        if sorted.windows(2).any(|two| two[0].0 == two[1].0) {
            return Err(Malformed::Metadata);
        }
        let mut text = String::with_capacity(bytes + 6 * sorted.len());
        for (name, value) in sorted {
            for part in [name, value] {
                text.push_str(&part.len().to_string());
                text.push(':');
                text.push_str(part);
            }
        }
        Ok(Self(text.into_boxed_str()))
    }

    /// Whether there are no pairs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The canonical text, for fingerprints.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The pairs in the order of their names. Stops early at bytes that no `new` has written.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut rest = &*self.0;
        core::iter::from_fn(move || Some((take_part(&mut rest)?, take_part(&mut rest)?)))
    }

    /// The bytes it keeps.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.0.len()
    }
}

fn take_part<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let (len, tail) = rest.split_once(':')?;
    let (part, tail) = tail.split_at_checked(len.parse().ok()?)?;
    *rest = tail;
    Some(part)
}

impl fmt::Debug for Metadata {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_map().entries(self.pairs()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_come_back_sorted_whatever_they_hold() {
        let metadata = Metadata::new([("z", "1:2"), ("", ""), ("a:b", "é")]).expect("small");
        let pairs: Vec<_> = metadata.pairs().collect();
        assert_eq!(pairs, [("", ""), ("a:b", "é"), ("z", "1:2")]);
    }

    #[test]
    fn limits_and_repeats_are_refused() {
        let long = "x".repeat(Metadata::BYTES_MAX);
        assert!(Metadata::new([("", &*long)]).is_ok());
        assert_eq!(Metadata::new([("k", &*long)]), Err(Malformed::Metadata));
        assert_eq!(Metadata::new([("k", "1"), ("k", "2")]), Err(Malformed::Metadata));
        let names: Vec<String> = (0..33).map(|number| number.to_string()).collect();
        assert_eq!(Metadata::new(names.iter().map(|name| (&**name, ""))), Err(Malformed::Metadata));
    }

    #[test]
    fn bytes_that_nobody_wrote_do_no_harm() {
        for text in ["9", "9:x", "1:a", "1:a9:b", "99999999999999999999:x", "1:é1:a"] {
            assert!(Metadata(text.into()).pairs().count() <= 1, "{text:?}");
        }
    }
}
