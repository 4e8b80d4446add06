//! What is kept of a hall: its head, its items and its events. Every struct is frozen.

use quipu::machine::{ItemKey, record, records};
use quipu::words::{Id, Timestamp};
use rkyv::{Archive, Deserialize, Serialize};

use crate::seat::Seat;

/// The index of halls: one byte, a [`Sale`].
pub const INDEX_SALE: u8 = 1;
/// The index of seats by who has them: their id, a zero, and the hall's id.
pub const INDEX_WHO: u8 = 2;

const SEAT: u8 = b'S';

/// The key of a seat's item: in the order in which the seats lie.
#[must_use]
pub fn seat_key(seat: Seat) -> ItemKey {
    ItemKey::only(SEAT).then(&seat.bytes())
}

/// The seat of an item's key.
#[must_use]
pub fn seat_of(key: &ItemKey) -> Option<Seat> {
    let [SEAT, a, b, c, d] = *key.as_bytes() else { return None };
    Some(Seat::new(u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
}

/// A hall.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// How long a seat is held.
    pub hold_seconds: u64,
    /// How many seats are held.
    pub held: u32,
    /// How many are booked.
    pub booked: u32,
    /// The rows.
    pub rows: u16,
    /// The seats of each row.
    pub places: u16,
}

record!(Head = (1, 1));

/// Whether there is anything left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Sale {
    /// At least one seat is not booked.
    Open = 1,
    /// Every seat is booked.
    SoldOut = 2,
}

impl Head {
    /// How many seats there are.
    #[must_use]
    pub fn seats(&self) -> u32 {
        u32::from(self.rows) * u32::from(self.places)
    }

    /// Whether there is anything left.
    #[must_use]
    pub fn sale(&self) -> Sale {
        if self.booked >= self.seats() { Sale::SoldOut } else { Sale::Open }
    }

    pub(crate) fn has(&self, seat: Seat) -> bool {
        (1..=self.rows).contains(&seat.row) && (1..=self.places).contains(&seat.place)
    }

    /// The count of seats in this state.
    pub(crate) fn count(&mut self, state: State) -> &mut u32 {
        match state {
            State::Held { .. } => &mut self.held,
            State::Booked => &mut self.booked,
        }
    }
}

/// How somebody has a seat.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Nobody else gets it for a while.
    Held {
        /// When it is free again.
        until: Timestamp,
    },
    /// It is theirs, until they give it back.
    Booked,
}

/// A seat that is not free. Of a free one nothing is kept.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Taken {
    /// Who has it.
    pub who: Id,
    /// And how.
    pub state: State,
}

record!(Taken = (1, 1));

records! {
    /// What happens in a hall.
    pub enum Event {
        /// There is a hall.
        Opened = (1, 1),
        /// Somebody holds a seat.
        Held = (2, 1),
        /// Somebody has booked a seat.
        Booked = (3, 1),
        /// Whoever had a seat has given it back.
        Released = (4, 1),
        /// Somebody took another seat than the one that they had booked.
        Moved = (5, 1),
        /// A hold was over.
        Lapsed = (6, 1),
    }
}

/// There is a hall.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Opened {
    /// The rows.
    pub rows: u16,
    /// The seats of each row.
    pub places: u16,
    /// How long a seat is held.
    pub hold_seconds: u64,
}

/// Somebody holds a seat.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Held {
    /// Which one.
    pub seat: Seat,
    /// Who.
    pub who: Id,
    /// When it is free again.
    pub until: Timestamp,
}

/// Somebody has booked a seat.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Booked {
    /// Which one.
    pub seat: Seat,
    /// Who.
    pub who: Id,
}

/// Whoever had a seat has given it back.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Released {
    /// Which one.
    pub seat: Seat,
    /// Who had it.
    pub who: Id,
}

/// Somebody took another seat than the one that they had booked.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Moved {
    /// The one that they had.
    pub from: Seat,
    /// The one that they have now.
    pub to: Seat,
    /// Who.
    pub who: Id,
}

/// A hold was over.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Lapsed {
    /// Which one.
    pub seat: Seat,
}
