//! Changes of metadata, of which what is not named stays.

use std::collections::BTreeMap;

use super::{Malformed, Metadata};

/// Names that get a value, and names that are taken away: 32 of each at most, 4 KiB of each
/// together. No name comes twice.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Merge {
    set: Metadata,
    /// In their order.
    removed: Vec<Box<str>>,
}

impl Merge {
    /// A name with a value gets it; one without is taken away.
    pub fn new<'a>(
        changes: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
    ) -> Result<Self, Malformed> {
        let (mut set, mut removed) = (Vec::new(), Vec::<&str>::new());
        let mut bytes = 0;
        for (name, value) in changes {
            if let Some(value) = value {
                if set.len() == Metadata::PAIRS_MAX {
                    return Err(Malformed::Metadata);
                }
                set.push((name, value));
                continue;
            }
            bytes += name.len();
            if removed.len() == Metadata::PAIRS_MAX || bytes > Metadata::BYTES_MAX {
                return Err(Malformed::Metadata);
            }
            removed.push(name);
        }
        removed.sort_unstable();
        let is_twice = removed.windows(2).any(|two| two[0] == two[1]);
        if is_twice || set.iter().any(|(name, _)| removed.binary_search(name).is_ok()) {
            return Err(Malformed::Metadata);
        }
        let removed = removed.into_iter().map(Box::from).collect();
        Ok(Self { set: Metadata::new(set)?, removed })
    }

    /// Whether it changes nothing, whatever is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.removed.is_empty()
    }

    /// The names that get a value, with it.
    #[must_use]
    pub fn set(&self) -> &Metadata {
        &self.set
    }

    /// The names that are taken away, in their order.
    #[must_use]
    pub fn removed(&self) -> &[Box<str>] {
        &self.removed
    }

    /// What these pairs become, unless that is more than metadata may be.
    pub fn onto(&self, metadata: &Metadata) -> Result<Metadata, Malformed> {
        let mut pairs: BTreeMap<&str, &str> = metadata.pairs().collect();
        for name in &self.removed {
            pairs.remove(&**name);
        }
        pairs.extend(self.set.pairs());
        Metadata::new(pairs)
    }

    /// The bytes it keeps.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let names = self.removed.iter().map(|name| size_of_val(name) + name.len());
        self.set.heap_bytes() + names.sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(pairs: &[(&str, &str)]) -> Metadata {
        Metadata::new(pairs.iter().copied()).expect("small")
    }

    #[test]
    fn what_is_not_named_stays() {
        let before = metadata(&[("a", "1"), ("b", "2"), ("c", "3")]);
        let merge = Merge::new([("b", None), ("d", Some("4")), ("a", Some("")), ("x", None)]);
        let merge = merge.expect("small");
        assert_eq!(merge.onto(&before), Ok(metadata(&[("a", ""), ("c", "3"), ("d", "4")])));
        assert_eq!(merge.onto(&Metadata::default()), Ok(metadata(&[("a", ""), ("d", "4")])));
        assert!(!merge.is_empty() && Merge::default().is_empty());
        assert_eq!(Merge::default().onto(&before), Ok(before));
    }

    #[test]
    fn the_order_of_names_is_none_of_it() {
        let one = Merge::new([("b", None), ("a", None), ("d", Some("1")), ("c", Some("2"))]);
        let two = Merge::new([("c", Some("2")), ("a", None), ("d", Some("1")), ("b", None)]);
        assert_eq!(one, two);
    }

    #[test]
    fn limits_hold_for_the_merge_and_for_what_it_makes() {
        for twice in [[("k", None), ("k", None)], [("k", None), ("k", Some("1"))]] {
            assert_eq!(Merge::new(twice), Err(Malformed::Metadata));
        }
        assert_eq!(Merge::new([("k", Some("1")), ("k", Some("2"))]), Err(Malformed::Metadata));
        let names: Vec<String> = (0..66).map(|number| number.to_string()).collect();
        let named = |count: usize, value: Option<&'static str>| {
            names.iter().take(count).map(move |name| (&**name, value))
        };
        assert!(Merge::new(named(32, None).chain([("k", Some("1"))])).is_ok());
        assert_eq!(Merge::new(named(33, None)), Err(Malformed::Metadata));
        assert_eq!(Merge::new(named(33, Some(""))), Err(Malformed::Metadata));
        let long = "x".repeat(Metadata::BYTES_MAX);
        assert!(Merge::new([(&*long, None)]).is_ok());
        assert_eq!(Merge::new([(&*long, None), ("k", None)]), Err(Malformed::Metadata));
        assert_eq!(Merge::new([("k", Some(&*long))]), Err(Malformed::Metadata));

        let full = Metadata::new(names.iter().take(32).map(|name| (&**name, ""))).expect("32");
        let one_more = Merge::new([("k", Some("1"))]).expect("small");
        assert_eq!(one_more.onto(&full), Err(Malformed::Metadata));
        let instead = Merge::new([("k", Some("1")), ("7", None)]).expect("small");
        assert!(instead.onto(&full).is_ok());
        let large = metadata(&[("l", &long[1..])]);
        assert_eq!(one_more.onto(&large), Err(Malformed::Metadata));
    }
}
