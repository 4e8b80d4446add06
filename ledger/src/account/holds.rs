//! Holds of an account.

use quipu_core::machines::account::{self as machine, Command, HOLD_LETTER, hold_key};
use quipu_core::words::{Amount, Id};

use super::{Account, HoldView};
use crate::call::{Call, Read};
use crate::error::Error;
use crate::words::Given;

/// A hold of an account: money that is set aside, and then charged or freed, once.
#[derive(Clone)]
pub struct Hold {
    account: Account,
    id: Result<Id, Error>,
}

impl Hold {
    pub(super) fn new(account: &Account, id: impl Given<Id>) -> Self {
        Self { account: account.clone(), id: id.word() }
    }

    /// Charges this much of it; what is over is freed. Refused: `not_found`, `wrong_state`,
    /// `expired`, `exceeds_held`.
    pub fn capture(&self, amount: impl Given<Amount>) -> Call<HoldView> {
        self.capture_of(amount.word().map(Some))
    }

    /// Charges all of it.
    pub fn capture_all(&self) -> Call<HoldView> {
        self.capture_of(Ok(None))
    }

    fn capture_of(&self, amount: Result<Option<Amount>, Error>) -> Call<HoldView> {
        let hold = self.id.clone();
        let command = hold.and_then(|hold| Ok(Command::Capture { hold, amount: amount? }));
        self.account.call(command, HoldView::shape)
    }

    /// Frees it. Refused: `not_found`, `wrong_state`, `expired`.
    pub fn release(&self) -> Call<HoldView> {
        let command = self.id.clone().map(|hold| Command::Release { hold });
        self.account.call(command, HoldView::shape)
    }

    /// Reads it.
    pub fn get(&self) -> Read<HoldView> {
        let found = self.id.clone();
        let found = found.and_then(|id| self.account.item_of(id, HOLD_LETTER, hold_key));
        let (id, keys) = match found {
            Ok((id, keys)) => (Ok(id), keys),
            Err(error) => (Err(error), Vec::new()),
        };
        Read::new::<machine::Account>(&self.account.book, id, keys, |shown| {
            let items = shown.items::<machine::Account>()?;
            Ok(items.into_iter().find_map(|(key, item)| HoldView::of(&key, item)))
        })
    }
}
