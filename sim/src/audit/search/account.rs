//! Accounts, for the search: a balance with a floor and a cap, and holds without an end.

use super::Fact as Any;
use super::scratch::{Item, Model, Scratch};

/// What an ask did to an account, or was refused for.
#[derive(Clone, Debug)]
pub(super) enum Fact {
    Opened {
        floor: i128,
        cap: Option<i128>,
    },
    /// It could not be opened: it was there.
    Exists,
    Absent,
    /// Money came in. What comes back asks no cap.
    In {
        amount: i128,
        is_back: bool,
        after: Option<i128>,
    },
    Out {
        amount: i128,
        after: Option<i128>,
    },
    /// It was too little for that.
    Short {
        amount: i128,
        available: i128,
    },
    /// That would have been too much.
    Full {
        amount: i128,
    },
    Held {
        hold: u64,
        amount: i128,
    },
    /// A hold was charged: all of it, so much of it, or nothing.
    Ended {
        hold: u64,
        charged: Charged,
    },
    NoHold {
        hold: u64,
    },
    /// The hold had ended before.
    Over {
        hold: u64,
    },
    Seen {
        balance: i128,
        held: i128,
    },
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Charged {
    All,
    Part(i128),
    Nothing,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Core {
    exists: bool,
    floor: i128,
    cap: Option<i128>,
    balance: i128,
    held: i128,
}

impl Core {
    fn available(&self) -> i128 {
        self.balance - self.held - self.floor
    }
}

pub(super) struct Account;

impl Model for Account {
    type Core = Core;

    fn happens(stream: &mut Scratch<Core>, fact: &Any) -> bool {
        let Any::Account(fact) = fact else { return false };
        let exists = stream.core.exists;
        match *fact {
            Fact::Opened { floor, cap } => {
                stream.core = Core { exists: true, floor, cap, ..Core::default() };
                !exists
            }
            Fact::Exists => exists,
            Fact::Absent => !exists,
            Fact::In { amount, is_back, after } => {
                let core = &mut stream.core;
                core.balance += amount;
                let fits = is_back || core.cap.is_none_or(|cap| core.balance <= cap);
                exists && fits && after.is_none_or(|after| after == core.balance)
            }
            Fact::Out { amount, after } => {
                let core = &mut stream.core;
                let fits = amount <= core.available();
                core.balance -= amount;
                exists && fits && after.is_none_or(|after| after == core.balance)
            }
            Fact::Short { amount, available } => {
                exists && stream.core.available() == available && amount > available
            }
            Fact::Full { amount } => {
                let sum = stream.core.balance + amount;
                exists && stream.core.cap.is_some_and(|cap| sum > cap)
            }
            Fact::Held { hold, amount } => {
                let is_new = stream.item(hold).is_none();
                let fits = amount <= stream.core.available();
                stream.core.held += amount;
                stream.set(hold, Item { units: amount, who: 0, has_ended: false });
                exists && is_new && fits
            }
            Fact::Ended { hold, charged } => {
                let Some(item) = stream.item(hold).filter(|item| !item.has_ended) else {
                    return false;
                };
                let amount = match charged {
                    Charged::All => item.units,
                    Charged::Part(amount) => amount,
                    Charged::Nothing => 0,
                };
                stream.core.held -= item.units;
                stream.core.balance -= amount;
                stream.set(hold, Item { has_ended: true, ..item });
                amount <= item.units
            }
            Fact::NoHold { hold } => stream.item(hold).is_none(),
            Fact::Over { hold } => stream.item(hold).is_some_and(|item| item.has_ended),
            Fact::Seen { balance, held } => {
                exists && (stream.core.balance, stream.core.held) == (balance, held)
            }
        }
    }
}
