//! Short ways to say what tests ask of a ledger over its files.

use quipu::{AnyLog, Files, LedgerId, LogKind, OpenError, Options};
use quipu_core::digest::digest;
use quipu_core::disk::Disk;
use quipu_core::driver::{Driver, Setup};
use quipu_core::log::Reader as _;
use quipu_core::machine::{Command, Machine, Registry};
use quipu_core::machines::account::{self, Account};
use quipu_core::machines::ticket;
use quipu_core::machines::{genesis, registry};
use quipu_core::shard::{Ask, Key, Leg, Options as On, Reply};
use quipu_core::words::{Amount, Asset, Book, Id, Metadata, Name, Signed, Timestamp};
use quipu_store_redb::store::RedbStore;

pub(crate) const ID: LedgerId = LedgerId([3; 16]);
pub(crate) const START: Timestamp = Timestamp::from_ms(1_800_000_000_000);

/// A ledger over its files, one step at a time.
pub(crate) type Ledger<D> = Driver<AnyLog<D>, RedbStore<D>>;

pub(crate) fn machines() -> Registry {
    registry()
}

pub(crate) fn options(log: LogKind) -> Options {
    Options { log, ..Options::default() }
}

/// Makes a ledger, or opens the one that is there.
pub(crate) fn create_or_open<D: Disk>(disk: &D, log: LogKind) -> Result<Files<D>, OpenError> {
    let options = options(log);
    match Files::open(disk.clone(), &machines(), &options) {
        Err(OpenError::NoLedger) => Files::create(disk.clone(), ID, &machines(), &options),
        opened => opened,
    }
}

/// Drives a ledger for a while, until nothing is left to do, and seals its log.
pub(crate) fn drive<D: Disk>(files: Files<D>, act: impl FnOnce(&mut Ledger<D>)) -> Files<D> {
    let driven = files.with_log_and_store(|log, store| {
        let setup = Setup::new(machines(), genesis(), 1);
        let now = START.max(log.now_limit());
        let mut ledger = Driver::on(setup, log, store, now)?;
        act(&mut ledger);
        ledger.run();
        ledger.seal();
        Ok(ledger.into_parts())
    });
    driven.expect("it opens")
}

/// The digest of a store's state.
pub(crate) fn digest_of<D: Disk>(files: &Files<D>) -> [u8; 32] {
    digest(&files.store, &machines(), files.log.now_limit()).expect("readable")
}

pub(crate) fn id(text: &str) -> Id {
    Id::new(text).expect("a well-formed id")
}

pub(crate) fn usd() -> Asset {
    Asset::new("USD/2").expect("a well-formed asset")
}

pub(crate) fn leg<M: Machine>(stream: &str, command: M::Command) -> Leg {
    let stream = Name::new(Book::DEFAULT, M::KIND, id(stream));
    Leg { stream, command: Command::of::<M>(command), options: On::default() }
}

pub(crate) fn command<M: Machine>(stream: &str, command: M::Command) -> Ask {
    Ask::Command(leg::<M>(stream, command), None)
}

pub(crate) fn keyed<M: Machine>(key: &str, stream: &str, command: M::Command) -> Ask {
    Ask::Command(leg::<M>(stream, command), Some(Key::new(key).expect("a well-formed key")))
}

pub(crate) fn open(who: &str) -> Ask {
    command::<Account>(who, opening())
}

pub(crate) fn opening() -> account::Command {
    let metadata = Metadata::default();
    let (floor, cap, spend_cap, expires_at) = (Signed::ZERO, None, None, None);
    account::Command::Open { asset: usd(), floor, cap, spend_cap, expires_at, metadata }
}

pub(crate) fn deposit(units: u64) -> account::Command {
    let (amount, metadata) = (Amount::from(units), Metadata::default());
    account::Command::Deposit { amount, reference: None, metadata }
}

pub(crate) fn transfer(to: &str, units: u64) -> account::Command {
    let (amount, metadata) = (Amount::from(units), Metadata::default());
    account::Command::Transfer { to: id(to), amount, metadata }
}

pub(crate) fn issue() -> ticket::Command {
    let (amount, reference, expires_at) = (Some(Amount::from(42)), None, None);
    let (asset, metadata, batch) = (Some(usd()), Metadata::default(), false);
    ticket::Command::Issue { amount, asset, reference, expires_at, metadata, batch }
}

pub(crate) fn claim(claimant: &str) -> ticket::Command {
    ticket::Command::Claim { claimant: id(claimant) }
}

pub(crate) fn done(reply: Reply) {
    assert!(matches!(reply, Reply::Done(_)), "{reply:?}");
}
