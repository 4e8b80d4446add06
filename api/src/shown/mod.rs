//! What answers show: a body for each thing that the ledger tells, in JSON.

mod account;
mod drop;
mod event;
mod flow;
mod record;
mod ticket;

pub(crate) use account::{
    ACCOUNT_STATES, AccountShown, CHARGE, ChargeShown, DEPOSIT, DepositShown, EntryShown,
    HOLD_STATES, HoldShown, RefundShown, TransferShown, WITHDRAWAL_STATES, WithdrawalShown,
};
pub(crate) use drop::{DropClaimShown, DropShown, STATES as DROP_STATES, TakenShown};
pub(crate) use event::{EventShown, KINDS, StreamName, TYPES};
pub(crate) use flow::{FlowShown, MovedShown, STATES as FLOW_STATES};
pub(crate) use record::{CollectionShown, DeletedShown, PutShown, RecordShown, Value};
pub(crate) use ticket::{
    ClaimShown, EvidenceShown, IssuedShown, STATES as TICKET_STATES, SourceShown, TicketShown,
    TokenShown,
};

use quipu_ledger::words::{Position, Timestamp, Version};
use serde::Serialize;

use crate::reply;

/// What is told beside the thing itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    /// What the answer rests on.
    pub(crate) position: Position,
    /// As of when.
    pub(crate) at: Timestamp,
    /// The version of the stream.
    pub(crate) version: Version,
}

/// What an operation shows, and with which status.
pub(crate) struct Body {
    status: Status,
    write: Write,
}

/// Writes a body as JSON behind what is there.
type Write = Box<dyn FnOnce(&Told, &mut Vec<u8>) + Send>;

/// The status of a success.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Status {
    /// Something is new.
    Created,
    /// Something has changed, or was read.
    Ok,
    /// Something is new where something happened, and else it was so already.
    New,
    /// Something is new where something happened. A repeat is told what the first was.
    Once,
}

impl Body {
    fn new<S: Serialize>(status: Status, show: impl FnOnce(&Told) -> S + Send + 'static) -> Self {
        Self { status, write: Box::new(move |told, out| reply::write(&show(told), out)) }
    }

    /// Something new.
    pub(crate) fn created<S: Serialize>(show: impl FnOnce(&Told) -> S + Send + 'static) -> Self {
        Self::new(Status::Created, show)
    }

    /// Something that has changed, or was read.
    pub(crate) fn ok<S: Serialize>(show: impl FnOnce(&Told) -> S + Send + 'static) -> Self {
        Self::new(Status::Ok, show)
    }

    /// Something that was put: new, or in the place of what was there before.
    pub(crate) fn put<S: Serialize>(
        is_new: bool,
        show: impl FnOnce(&Told) -> S + Send + 'static,
    ) -> Self {
        Self::new(if is_new { Status::New } else { Status::Ok }, show)
    }

    /// Something that happens once, whoever repeats it.
    pub(crate) fn once<S: Serialize>(show: impl FnOnce(&Told) -> S + Send + 'static) -> Self {
        Self::new(Status::Once, show)
    }

    /// The status, where something has changed or not.
    pub(crate) fn status(&self, changed: bool) -> u16 {
        match self.status {
            Status::Created => 201,
            Status::New | Status::Once if changed => 201,
            Status::New | Status::Once | Status::Ok => 200,
        }
    }

    /// Whether it says the same as an earlier answer.
    pub(crate) fn repeats(&self, changed: bool) -> bool {
        self.status == Status::Once && !changed
    }

    /// Writes the JSON.
    pub(crate) fn write(self, told: &Told, out: &mut Vec<u8>) {
        (self.write)(told, out);
    }
}
