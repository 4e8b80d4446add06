//! Records, for the search: there with a value, or not there. None of them lives for a while.

use super::Fact as Any;
use super::scratch::{Model, Scratch};

/// What an ask did to a record, or was refused for. Values have numbers.
#[derive(Clone, Debug)]
pub(super) enum Fact {
    Put {
        value: u32,
        len: u32,
        is_new: bool,
    },
    /// It was there, and should not have been.
    Present,
    Deleted,
    Absent,
    /// Its length is always shown, the value where it was asked for.
    Seen {
        value: Option<u32>,
        len: u32,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Core {
    value: Option<(u32, u32)>,
}

pub(super) struct Record;

impl Model for Record {
    type Core = Core;

    fn happens(stream: &mut Scratch<Core>, fact: &Any) -> bool {
        let Any::Record(fact) = fact else { return false };
        let there = stream.core.value;
        match *fact {
            Fact::Put { value, len, is_new } => {
                stream.core.value = Some((value, len));
                !is_new || there.is_none()
            }
            Fact::Present => there.is_some(),
            Fact::Deleted => stream.core.value.take().is_some(),
            Fact::Absent => there.is_none(),
            Fact::Seen { value, len } => there.is_some_and(|(own, own_len)| {
                own_len == len && value.is_none_or(|value| value == own)
            }),
        }
    }
}
