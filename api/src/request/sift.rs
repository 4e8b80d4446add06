//! One operation among several: the members that say what it is about, and the rest, which is what
//! its own route takes.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::value::BorrowedStrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, IntoDeserializer, MapAccess, Visitor,
};
use serde::forward_to_deserialize_any;

/// A member that says what an operation is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Member {
    /// Which stream; a record's is `collection/key`.
    Id,
    /// Which hold of an account.
    Hold,
    /// Which claim of a drop.
    Claim,
    /// Which collection a record is of.
    Collection,
    /// The key of a record, or the idempotency key of an operation.
    Key,
    /// The version that the stream has to be at.
    IfVersion,
}

impl Member {
    const ALL: [Self; 6] =
        [Self::Id, Self::Hold, Self::Claim, Self::Collection, Self::Key, Self::IfVersion];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Hold => "hold",
            Self::Claim => "claim",
            Self::Collection => "collection",
            Self::Key => "key",
            Self::IfVersion => "if_version",
        }
    }
}

/// The members that were sifted out.
#[derive(Default)]
pub(crate) struct Sifted<'a> {
    /// The texts of those that were there, by member.
    texts: [Option<Cow<'a, str>>; Member::ALL.len()],
    seen: [bool; Member::ALL.len()],
    pub(crate) if_version: Option<u64>,
    /// The one that is being read.
    place: Option<&'static str>,
}

/// Reads an object: these members of it, and what the rest is. What is wrong comes with its place,
/// which begins with a point, or is empty where it is the object itself.
pub(crate) fn sift<'a, T: Deserialize<'a>>(
    text: &'a str,
    members: &[Member],
) -> Result<(T, Sifted<'a>), (String, String)> {
    let mut sifted = Sifted::default();
    let mut reader = serde_json::Deserializer::from_str(text);
    let sifter = Sifter { inner: &mut reader, members, sifted: &mut sifted };
    if let Ok(rest) = T::deserialize(sifter) {
        return Ok((rest, sifted));
    }
    // Once more, and slower, for the place.
    let mut sifted = Sifted::default();
    let mut reader = serde_json::Deserializer::from_str(text);
    let sifter = Sifter { inner: &mut reader, members, sifted: &mut sifted };
    match serde_path_to_error::deserialize::<_, T>(sifter) {
        Ok(rest) => Ok((rest, sifted)),
        Err(error) => {
            let place = match (sifted.place, error.path().to_string().as_str()) {
                (Some(member), _) => format!(".{member}"),
                (None, "." | "" | "?") => String::new(),
                (None, place) => format!(".{place}"),
            };
            let error = error.into_inner();
            // The line and the column are those of the object, and not of the body.
            let place_in_object = format!(" at line {} column {}", error.line(), error.column());
            let why = error.to_string();
            let why = why.strip_suffix(&place_in_object).unwrap_or(&why);
            Err((place, why.to_owned()))
        }
    }
}

impl<'a> Sifted<'a> {
    /// The text of a member, where it was there.
    pub(crate) fn text(&self, member: Member) -> Option<&str> {
        self.texts[member as usize].as_deref()
    }

    /// Reads the value of a member, where the name is one of these.
    fn take<A: MapAccess<'a>>(
        &mut self,
        members: &[Member],
        name: &str,
        map: &mut A,
    ) -> Result<bool, A::Error> {
        // It was read before, to know what the rest is.
        if name == "op" {
            return map.next_value::<IgnoredAny>().map(|_| true);
        }
        let Some(member) = members.iter().find(|member| member.name() == name) else {
            return Ok(false);
        };
        self.place = Some(member.name());
        if core::mem::replace(&mut self.seen[*member as usize], true) {
            return Err(A::Error::custom("it comes more than once"));
        }
        match member {
            Member::IfVersion => self.if_version = map.next_value()?,
            member => {
                let text = map.next_value::<Option<Word<'a>>>()?;
                self.texts[*member as usize] = text.map(|Word(text)| text);
            }
        }
        self.place = None;
        Ok(true)
    }
}

/// A text, out of the body itself wherever nothing in it is escaped.
#[derive(Deserialize)]
struct Word<'a>(#[serde(borrow)] Cow<'a, str>);

/// Reads an object, and shows the one who asks for it what is left of it.
struct Sifter<'s, 'a, I> {
    inner: I,
    members: &'s [Member],
    sifted: &'s mut Sifted<'a>,
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Sifter<'_, 'de, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let Self { inner, members, sifted } = self;
        inner.deserialize_map(Sifter { inner: visitor, members, sifted })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier
        ignored_any
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Sifter<'_, 'de, V> {
    type Value = V::Value;

    fn expecting(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let Self { inner: visitor, members, sifted } = self;
        visitor.visit_map(Sifter { inner, members, sifted })
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Sifter<'_, 'de, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        while let Some(Word(name)) = self.inner.next_key()? {
            if self.sifted.take(self.members, &name, &mut self.inner)? {
                continue;
            }
            let key = match name {
                Cow::Borrowed(name) => seed.deserialize(BorrowedStrDeserializer::new(name)),
                Cow::Owned(name) => seed.deserialize(name.into_deserializer()),
            };
            return key.map(Some);
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.next_value_seed(seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize, PartialEq, Debug)]
    #[serde(deny_unknown_fields)]
    struct Rest {
        amount: u64,
        list: Option<Vec<u64>>,
    }

    fn read(text: &str) -> Result<(Rest, Sifted<'_>), (String, String)> {
        sift(text, &[Member::Id, Member::IfVersion])
    }

    #[test]
    fn members_are_taken_out_wherever_they_stand() {
        let text = r#"{"id":"a\u0062","amount":5,"op":{"x":[1]},"if_version":7,"list":[1]}"#;
        let (rest, sifted) = read(text).expect("it is one");
        assert_eq!(rest, Rest { amount: 5, list: Some(vec![1]) });
        assert_eq!((sifted.text(Member::Id), sifted.if_version), (Some("ab"), Some(7)));
        assert!(
            read(r#"{"id":null,"amount":5}"#).is_ok_and(|(_, of)| of.text(Member::Id).is_none())
        );
    }

    #[test]
    fn what_is_wrong_comes_with_its_place() {
        for (text, place, why) in [
            (r#"{"id":5,"amount":5}"#, ".id", "invalid type"),
            (r#"{"id":"a","amount":5,"id":"a"}"#, ".id", "more than once"),
            (r#"{"id":null,"amount":5,"id":"a"}"#, ".id", "more than once"),
            (r#"{"if_version":-1,"amount":5}"#, ".if_version", "invalid value"),
            (r#"{"amount":"5"}"#, ".amount", "invalid type"),
            (r#"{"amount":5,"list":[1,"2"]}"#, ".list[1]", "invalid type"),
            (r#"{"amount":5,"amount":5}"#, "", "duplicate field `amount`"),
            (r#"{"amount":5,"hold":"h"}"#, ".hold", "unknown field `hold`"),
            (r#"{}"#, "", "missing field `amount`"),
            ("[5]", "", "expected an object"),
            ("5", "", "expected an object"),
        ] {
            let (at, said) = read(text).err().expect(text);
            assert_eq!(at, place, "{text}: {said}");
            assert!(said.contains(why) && !said.contains("column"), "{text}: {said}");
        }
    }
}
