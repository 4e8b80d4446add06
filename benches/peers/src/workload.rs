//! What everybody is asked: fresh tickets, or units of one drop; and how an answer is checked.

use std::fmt;
use std::str::FromStr;

use anyhow::{Result, bail, ensure};

/// One in so many asks wants what is gone already.
pub(crate) const RIVALS: u64 = 100;

/// Which of the two workloads is run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Work {
    /// Each ask wants a ticket of its own.
    Claims,
    /// All asks want a unit of the same drop.
    Hot,
}

impl Work {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Claims => "claims",
            Self::Hot => "hot",
        }
    }

    pub(crate) fn about(self) -> &'static str {
        match self {
            Self::Claims => "each claim sets the claimant of one unclaimed ticket, exactly once",
            Self::Hot => "each claim takes one numbered unit of the same drop of limited stock",
        }
    }
}

impl FromStr for Work {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "claims" => Ok(Self::Claims),
            "hot" => Ok(Self::Hot),
            _ => bail!("there is no work called {text}: claims, hot"),
        }
    }
}

/// What a contestant prepares: so many unclaimed tickets, or a drop of so many units and one that
/// is sold out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stock {
    pub(crate) work: Work,
    pub(crate) count: u32,
}

impl Stock {
    /// The ids of all tickets, in order: that is how trees are filled best.
    pub(crate) fn tickets(self) -> impl ExactSizeIterator<Item = Text> {
        let mut scattered: Vec<u64> = (0..self.count).map(|at| scatter(u64::from(at))).collect();
        scattered.sort_unstable();
        scattered.into_iter().map(hex)
    }

    /// The two drops, with what is taken of each and how much there is.
    pub(crate) fn drops(self) -> [(&'static str, u64, u64); 2] {
        [(OPEN, 0, u64::from(self.count)), (SOLD_OUT, 1_000, 1_000)]
    }
}

/// The drop that has units left.
pub(crate) const OPEN: &str = "drop-open";
/// The drop that has none.
const SOLD_OUT: &str = "drop-sold-out";

/// A ticket by its place in the order in which they are claimed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ticket(pub(crate) u32);

impl Ticket {
    /// Its id. Neighbours in the order of claims have nothing in common: claims are spread evenly.
    pub(crate) fn id(self) -> Text {
        hex(scatter(u64::from(self.0)))
    }
}

/// One number to one number, with every bit of it stirred (splitmix64).
pub(crate) fn scatter(number: u64) -> u64 {
    let mut bits = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// A short text in place: ids and claimants cost no allocation that a contestant would pay for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Text {
    bytes: [u8; Self::LEN_MAX],
    len: u8,
}

impl Text {
    const LEN_MAX: usize = 16;

    /// A text that a contestant gave back.
    pub(crate) fn new(text: &str) -> Result<Self> {
        ensure!(text.len() <= Self::LEN_MAX, "nobody here has the name {text:?}");
        let mut bytes = [0; Self::LEN_MAX];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Ok(Self { bytes, len: text.len() as u8 })
    }

    pub(crate) fn as_str(&self) -> &str {
        str::from_utf8(&self.bytes[..usize::from(self.len)]).expect("made of a text")
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

fn hex(number: u64) -> Text {
    let digit = |at: usize| b"0123456789abcdef"[(number >> (60 - 4 * at)) as usize & 15];
    Text { bytes: std::array::from_fn(digit), len: 16 }
}

/// Who asks: twelve characters, another one for each ticket.
fn claimant(first: u8, client: usize, ticket: Ticket) -> Text {
    let mut bytes = [0; Text::LEN_MAX];
    bytes[0] = first;
    let mut put = |from: usize, to: usize, mut number: usize| {
        for byte in bytes[from..to].iter_mut().rev() {
            *byte = b'0' + (number % 10) as u8;
            number /= 10;
        }
    };
    put(1, 4, client);
    put(4, 12, ticket.0 as usize);
    Text { bytes, len: 12 }
}

/// What a contestant is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ask {
    /// This ticket for this claimant.
    Claim { ticket: Text, claimant: Text },
    /// A unit of this drop.
    Take { drop: &'static str },
}

/// What it answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Answer {
    /// The ticket was free, and now it is whose.
    Claimed(Text),
    /// The ticket is somebody's already, and whose.
    Taken(Text),
    /// The number of the unit.
    Unit(u64),
    /// No unit is left.
    SoldOut,
    /// It was written down. Only from those who decide nothing.
    Written,
}

/// An ask, and the answer that is right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Expected {
    pub(crate) ask: Ask,
    /// The ticket, if the ask should get it.
    fresh: Option<Ticket>,
    holder: Text,
}

impl Expected {
    /// An ask for a ticket that nobody has, or for a unit that is there.
    pub(crate) fn fresh(work: Work, client: usize, ticket: Ticket) -> Self {
        let claimant = claimant(b'c', client, ticket);
        let ask = match work {
            Work::Claims => Ask::Claim { ticket: ticket.id(), claimant },
            Work::Hot => Ask::Take { drop: OPEN },
        };
        Self { ask, fresh: Some(ticket), holder: claimant }
    }

    /// An ask for a ticket that this client has, by somebody else; or for what is sold out.
    pub(crate) fn rival(work: Work, client: usize, ticket: Ticket) -> Self {
        let holder = claimant(b'c', client, ticket);
        let ask = match work {
            Work::Claims => {
                Ask::Claim { ticket: ticket.id(), claimant: claimant(b'r', client, ticket) }
            }
            Work::Hot => Ask::Take { drop: SOLD_OUT },
        };
        Self { ask, fresh: None, holder }
    }

    /// What an answer says, if it is right.
    pub(crate) fn check(&self, answer: Answer) -> Result<Outcome> {
        match (answer, self.ask, self.fresh) {
            (Answer::Claimed(by), Ask::Claim { .. }, Some(ticket)) if by == self.holder => {
                Ok(Outcome::Granted { ticket, unit: None })
            }
            (Answer::Unit(unit), Ask::Take { .. }, Some(ticket)) => {
                Ok(Outcome::Granted { ticket, unit: Some(unit) })
            }
            (Answer::Taken(by), Ask::Claim { .. }, None) if by == self.holder => {
                Ok(Outcome::Refused)
            }
            (Answer::SoldOut, Ask::Take { .. }, None) => Ok(Outcome::Refused),
            (Answer::Written, ..) => Ok(Outcome::Written),
            _ => bail!("wrong: {answer:?} is no answer to {self:?}"),
        }
    }
}

/// A right answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    Granted { ticket: Ticket, unit: Option<u64> },
    Refused,
    Written,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ticket_that_is_claimed_was_prepared() {
        let stock = Stock { work: Work::Claims, count: 1_000 };
        let prepared: Vec<Text> = stock.tickets().collect();
        assert!(prepared.is_sorted_by(|a, b| a.as_str() < b.as_str()));
        for at in 0..stock.count {
            assert!(prepared.contains(&Ticket(at).id()));
        }
    }

    #[test]
    fn an_answer_is_wrong_if_another_has_the_ticket() {
        let fresh = Expected::fresh(Work::Claims, 3, Ticket(7));
        let rival = Expected::rival(Work::Claims, 3, Ticket(7));
        let (Ask::Claim { claimant, .. }, Ask::Claim { claimant: other, .. }) =
            (fresh.ask, rival.ask)
        else {
            panic!("both are claims");
        };
        assert!(fresh.check(Answer::Claimed(claimant)).is_ok());
        assert!(fresh.check(Answer::Claimed(other)).is_err());
        assert!(fresh.check(Answer::Taken(claimant)).is_err());
        assert!(rival.check(Answer::Taken(claimant)).is_ok());
        assert!(rival.check(Answer::Taken(other)).is_err());
        assert!(rival.check(Answer::Claimed(other)).is_err());
    }
}
