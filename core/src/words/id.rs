//! Ids: the short names that callers give to streams, claimants, references and workers.

use core::fmt;

use compact_str::CompactString;
use rkyv::rancor::{Fallible, Source};
use rkyv::ser::Writer;
use rkyv::string::{ArchivedString, StringResolver};
use rkyv::{Archive, Deserialize, Place, Serialize};

use super::Malformed;

/// A name of 1 to 128 characters of `A-Za-z0-9._:@-`, compared exactly.
///
/// Up to 24 characters are kept in place, without an allocation.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(CompactString);

impl Id {
    /// The longest id, in bytes.
    pub const LEN_MAX: usize = 128;

    /// Checks `text` and makes an id of it.
    pub fn new(text: &str) -> Result<Self, Malformed> {
        let fits = (1..=Self::LEN_MAX).contains(&text.len()) && text.bytes().all(is_id_byte);
        if fits { Ok(Self(CompactString::new(text))) } else { Err(Malformed::Id) }
    }

    /// A stream id of two ids: `left/right`. The slash is in no id, so pairs never collide.
    #[must_use]
    pub fn pair(left: &Id, right: &Id) -> Self {
        let mut text = CompactString::with_capacity(left.0.len() + 1 + right.0.len());
        text.push_str(&left.0);
        text.push('/');
        text.push_str(&right.0);
        Self(text)
    }

    /// The two ids of a [`pair`](Self::pair), or `None` where this is a plain id.
    #[must_use]
    pub fn split(&self) -> Option<(Id, Id)> {
        let (left, right) = self.0.split_once('/')?;
        Some((Self(CompactString::new(left)), Self(CompactString::new(right))))
    }

    /// The id that a machine makes from a position: a letter for what it is, then the number.
    #[must_use]
    pub fn made(letter: char, position: super::Position) -> Self {
        Self(compact_str::format_compact!("{letter}{}", position.get()))
    }

    /// The position in an id that [`made`](Self::made) could have produced with this letter.
    #[must_use]
    pub fn position(&self, letter: char) -> Option<super::Position> {
        let digits = self.0.strip_prefix(letter)?;
        let canonical =
            !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
        if canonical { digits.parse().ok().map(super::Position::new) } else { None }
    }

    /// An id whose text a checked record or a hash already vouches for.
    pub(crate) fn trusted(text: &str) -> Self {
        Self(CompactString::new(text))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The bytes that an id keeps outside of its own 24.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        if self.0.is_heap_allocated() { self.0.capacity() } else { 0 }
    }
}

fn is_id_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'@' | b'-')
}

impl fmt::Display for Id {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), out)
    }
}

impl core::str::FromStr for Id {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        Self::new(text)
    }
}

impl Archive for Id {
    type Archived = ArchivedString;
    type Resolver = StringResolver;

    fn resolve(&self, resolver: StringResolver, out: Place<ArchivedString>) {
        ArchivedString::resolve_from_str(&self.0, resolver, out);
    }
}

impl<S> Serialize<S> for Id
where
    S: Fallible + Writer + ?Sized,
    S::Error: Source,
{
    fn serialize(&self, serializer: &mut S) -> Result<StringResolver, S::Error> {
        ArchivedString::serialize_from_str(&self.0, serializer)
    }
}

impl<D: Fallible + ?Sized> Deserialize<Id, D> for ArchivedString {
    fn deserialize(&self, _: &mut D) -> Result<Id, D::Error> {
        Ok(Id::trusted(self.as_str()))
    }
}
