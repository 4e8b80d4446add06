//! What a list may be limited to: a state, an asset, a field.

use quipu_core::machine::Machine;
use quipu_core::machines;
use quipu_core::words::{Asset, Id};

use super::{List, Of};
use crate::account::{self, Account, Payouts};
use crate::book::Book;
use crate::drop::{self, Drop};
use crate::error::Error;
use crate::flow::{self, Flow};
use crate::record::Record;
use crate::stream::{ItemsOf, Stream};
use crate::ticket::{self, Ticket};
use crate::words::Given;

impl List<Account> {
    /// Only those in this state.
    pub fn state(self, state: account::State) -> Self {
        self.by(machines::account::INDEX_STATE, vec![state.byte()])
    }

    /// Only those that hold this asset.
    pub fn asset(mut self, asset: impl Given<Asset>) -> Self {
        match asset.word() {
            Ok(asset) => self.by(machines::account::INDEX_ASSET, asset.bytes().to_vec()),
            Err(error) => {
                self.of = Err(error);
                self
            }
        }
    }
}

impl List<Flow> {
    /// Only those in this state.
    pub fn state(self, state: flow::State) -> Self {
        self.by(machines::flow::INDEX_STATE, vec![state.number()])
    }
}

impl List<Ticket> {
    /// Only those in this state.
    pub fn state(self, state: ticket::State) -> Self {
        self.by(machines::ticket::INDEX_STATE, vec![state as u8])
    }
}

impl List<Drop> {
    /// Only those in this state.
    pub fn state(self, state: drop::State) -> Self {
        self.by(machines::drop::INDEX_STATE, vec![state as u8])
    }
}

impl List<Record> {
    pub(crate) fn of_collection(book: &Book, collection: Result<Id, Error>) -> Self {
        Self::make(book, collection.map(|id| Of::Ids { front: format!("{id}/") }))
    }

    /// Only those whose keys begin so.
    pub fn prefix(mut self, prefix: &str) -> Self {
        match &mut self.of {
            Ok(Of::Ids { front }) => front.push_str(prefix),
            Ok(Of::Indexed { front, .. }) => front.extend_from_slice(prefix.as_bytes()),
            _ => {}
        }
        self
    }

    /// Only those whose field has this value: a text, or a number, `true`, `false` or `null` as it
    /// is spelled. The field has to be [indexed](crate::Collection::define).
    pub fn field(mut self, field: impl Given<Id>, value: &str) -> Self {
        self.of = self.of.and_then(|of| {
            let (Of::Ids { front }, field) = (of, field.word()?) else {
                return Err(Error::form("a list goes by one field"));
            };
            let (collection, prefix) = front.split_once('/').unwrap_or((&front, ""));
            let mut by = machines::record::by_field(collection, &field, value);
            by.extend_from_slice(prefix.as_bytes());
            let (index, collection) = (machines::record::INDEX_FIELD, Id::new(collection)?);
            Ok(Of::Indexed { index, front: by, field: Some((collection, field)) })
        });
        self
    }
}

impl List<Payouts> {
    /// All of them, by state and then in the order in which they were asked for.
    pub(crate) fn of_all(book: &Book) -> Self {
        let index = machines::account::INDEX_WITHDRAWAL_STATE;
        Self::make(book, Ok(Of::Indexed { index, front: Vec::new(), field: None }))
    }

    /// Only those in this state, in the order in which they were asked for.
    pub fn state(self, state: account::WithdrawalState) -> Self {
        let front = machines::account::by_state(state).to_vec();
        self.indexed(machines::account::INDEX_WITHDRAWAL_STATE, front)
    }

    /// Only those that this worker has now, in the order in which they were asked for.
    pub fn leased_by(mut self, worker: impl Given<Id>) -> Self {
        match worker.word() {
            Ok(worker) => {
                let front = machines::account::by_worker(&worker);
                self.indexed(machines::account::INDEX_WITHDRAWAL_WORKER, front)
            }
            Err(error) => {
                self.of = Err(error);
                self
            }
        }
    }

    fn indexed(mut self, index: u8, front: Vec<u8>) -> Self {
        self.of = self.of.map(|_| Of::Indexed { index, front, field: None });
        self
    }
}

impl<M: Machine> List<Stream<M>> {
    /// Only those that one of the machine's [indexes](Machine::indexes) lists under bytes that
    /// begin so, in the index's order.
    pub fn index(self, index: u8, front: impl Into<Vec<u8>>) -> Self {
        self.by(index, front.into())
    }
}

impl<M: Machine> List<ItemsOf<M>> {
    /// The items of all streams that an index lists under bytes that begin so.
    pub(crate) fn by_index(book: &Book, index: u8, front: Vec<u8>) -> Self {
        Self::make(book, Ok(Of::Indexed { index, front, field: None }))
    }
}
