//! One seat, and what may be asked of a hall.

use core::fmt;
use core::str::FromStr;

use quipu::machine::{Canon, Canonical, Said};
use quipu::words::{Id, Malformed};
use rkyv::{Archive, Deserialize, Serialize};

/// A seat by its row and its place in it, both from 1; as text `row-place`.
#[derive(
    Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug,
)]
pub struct Seat {
    /// The row.
    pub row: u16,
    /// Its place in the row.
    pub place: u16,
}

impl Seat {
    /// The seat in this row and place.
    #[must_use]
    pub const fn new(row: u16, place: u16) -> Self {
        Self { row, place }
    }

    /// Four bytes that sort as the seats lie.
    #[must_use]
    pub fn bytes(self) -> [u8; 4] {
        let ([a, b], [c, d]) = (self.row.to_be_bytes(), self.place.to_be_bytes());
        [a, b, c, d]
    }
}

impl fmt::Display for Seat {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}-{}", self.row, self.place)
    }
}

impl FromStr for Seat {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let (row, place) = text.split_once('-').ok_or(Malformed::Id)?;
        let number = |text: &str| text.parse().map_err(|_| Malformed::Id);
        Ok(Self::new(number(row)?, number(place)?))
    }
}

impl Canonical for Seat {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bytes());
    }
}

/// What may be asked of a hall.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// There is a hall of so many rows with so many seats each.
    Open {
        /// The rows.
        rows: u16,
        /// The seats of each row.
        places: u16,
        /// How long a seat is held.
        hold_seconds: u64,
    },
    /// Nobody else gets this seat for a while.
    Hold {
        /// Which one.
        seat: Seat,
        /// For whom.
        who: Id,
    },
    /// It is theirs, until they give it back. To have held it is not needed.
    Book {
        /// Which one.
        seat: Seat,
        /// For whom.
        who: Id,
    },
    /// They give back what they held or booked.
    Release {
        /// Which one.
        seat: Seat,
        /// Who has it.
        who: Id,
    },
    /// They have booked one seat, and take another instead.
    Move {
        /// The one that they have.
        from: Seat,
        /// The one that they want.
        to: Seat,
        /// Who has it.
        who: Id,
    },
    /// Time: a hold is over.
    Lapse {
        /// Which one.
        seat: Seat,
    },
}

impl Said for Command {
    fn operation(&self) -> u8 {
        match self {
            Self::Open { .. } => 1,
            Self::Hold { .. } => 2,
            Self::Book { .. } => 3,
            Self::Release { .. } => 4,
            Self::Move { .. } => 5,
            Self::Lapse { .. } => 6,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Open { .. } => "open",
            Self::Hold { .. } => "hold",
            Self::Book { .. } => "book",
            Self::Release { .. } => "release",
            Self::Move { .. } => "move",
            Self::Lapse { .. } => "lapse",
        }
    }

    fn is_leg(&self) -> bool {
        matches!(self, Self::Lapse { .. })
    }

    fn canon(&self, canon: &mut Canon) {
        match self {
            Self::Open { rows, places, hold_seconds } => {
                canon.field(1, &u64::from(*rows));
                canon.field(2, &u64::from(*places));
                canon.field(3, hold_seconds);
            }
            Self::Hold { seat, who } | Self::Book { seat, who } | Self::Release { seat, who } => {
                canon.field(1, seat);
                canon.field(2, who);
            }
            Self::Move { from, to, who } => {
                canon.field(1, from);
                canon.field(2, who);
                canon.field(3, to);
            }
            Self::Lapse { seat } => canon.field(1, seat),
        }
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Self::Hold { who, .. }
            | Self::Book { who, .. }
            | Self::Release { who, .. }
            | Self::Move { who, .. } => who.heap_bytes(),
            Self::Open { .. } | Self::Lapse { .. } => 0,
        }
    }
}
