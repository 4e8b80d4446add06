//! What a program tests its own machines with.
//!
//! | with | what is shown |
//! |---|---|
//! | [`Solo`] | the rules: one stream, commands in, events and refusals out. It panics where a decision reads an item that [`needs`](crate::machine::Machine::needs) did not name, where an event reads one that [`reads`](crate::machine::Machine::reads) did not, where a replay gives another state, and where index rows are not those of the items |
//! | [`Driver`] | the whole: a ledger in memory on this thread, of as many shards as a test wants. Whoever drives it picks each next [`Move`], the time, how an append ends, and when power is lost. The same picks give the same run |
//! | [`findings`] | that log and store are sound: the chain of frames, every row and index, the trial balance, and a replay that must come out at the same rows |
//! | [`pack_into`] | that the bytes of a record are what they were, for ever |
//! | [`events()`] | what has happened, for a model that knows nothing of the machine's code |
//!
//! Nothing in it knows a clock, a disk or chance, so a seed is all that a failure needs to come
//! again. `examples/seat-map/tests` is the whole of it for one machine.
//!
//! ```
//! use quipu::machine::kinds::ticket::{Command, Ticket};
//! use quipu::machine::{Command as Any, kinds, registry};
//! use quipu::proof::{Ask, Driver, Finish, Move, Reply, Setup, findings, leg};
//! use quipu::words::{Code, Id};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let issue = Command::Issue {
//!     amount: None,
//!     asset: None,
//!     reference: None,
//!     expires_at: None,
//!     metadata: Default::default(),
//!     batch: false,
//! };
//! let claim = |who| -> Result<Ask, quipu::Error> {
//!     let command = Command::Claim { claimant: Id::new(who)? };
//!     Ok(Ask::Command(leg::<Ticket>("seat-14", command)?, None))
//! };
//!
//! let mut ledger = Driver::create(Setup::new(registry(), kinds::genesis(), 2))?;
//! ledger.ask(Ask::Command(leg::<Ticket>("seat-14", issue)?, None));
//!
//! // Alice asks, step by step, until her claim is on its way to the log; and the sync fails.
//! ledger.submit(claim("alice")?);
//! while let Some(step) = ledger.moves().into_iter().find(|step| *step != Move::Settle) {
//!     ledger.step(step);
//! }
//! ledger.settle(Finish::Failed, false);
//! let (_, reply) = ledger.reply().expect("she is told");
//! assert!(matches!(reply, Reply::Failed(_)), "the outcome is unknown");
//!
//! // The disk never got it, so after the restart somebody else may have it.
//! let now = ledger.now();
//! let mut ledger = ledger.crash(false, now)?;
//! assert!(matches!(ledger.ask(claim("bob")?), Reply::Done(_)));
//! let Reply::Refused(no) = ledger.ask(claim("alice")?) else { panic!("it is his") };
//! assert_eq!(no.refusal.code, Code::AlreadyClaimed);
//! assert_eq!(findings(&ledger)?, []);
//! # Ok(())
//! # }
//! ```

pub use quipu_core::driver::{Driver, Filters, Move, Setup};
pub use quipu_core::log::Finish;
pub use quipu_core::machine::{Solo, Told};
pub use quipu_core::records::pack_into;
pub use quipu_core::shard::{
    Ask, CallId, Config, Key, Leg, Options, Outcome, Reading, Refused, Reply, Sweep,
};
pub use quipu_core::verify::{Error as VerifyError, Finding};

use quipu_core::log::Reader as _;
use quipu_core::machine::{Command, Machine};
use quipu_core::recovery::Limits;
use quipu_core::store::MemoryStore;
use quipu_core::verify::{self, Flaw, Outside, Place};
use quipu_core::words::{Book, Name, Position};

use crate::error::Error;
use crate::events::{self, Event};
use crate::words::{Given, Id};

/// The name of a stream of machine `M` in the book `default`.
pub fn name<M: Machine>(id: impl Given<Id>) -> Result<Name, Error> {
    Ok(Name::new(Book::DEFAULT, M::KIND, id.word()?))
}

/// A command for a stream of machine `M` in the book `default`.
pub fn leg<M: Machine>(id: impl Given<Id>, command: M::Command) -> Result<Leg, Error> {
    let command = Command::of::<M>(command);
    Ok(Leg { stream: name::<M>(id)?, command, options: Options::default() })
}

/// Everything that has happened in a driven ledger and is durable, oldest first.
pub fn events(ledger: &Driver) -> Result<Vec<Event>, Error> {
    events::all(ledger.log(), ledger.store())
}

/// What is wrong with the log and the store of a driven ledger that has nothing under way.
pub fn findings(ledger: &Driver) -> Result<Vec<Finding>, VerifyError> {
    let (log, store, registry) = (ledger.log(), ledger.store(), ledger.registry());
    let chain = verify::chain(log, Position::ZERO, &[log.anchor()], &mut |_| {})?;
    let mut report = chain.report;
    report.append(verify::rows(store, registry, &mut |_| {})?.report);
    report.append(verify::balance(log, store, registry, Outside::default(), &mut |_| {})?.report);
    let mut scratch = MemoryStore::new(registry.clone());
    let (limits, now) = (Limits::default(), log.now_limit());
    let replayed = verify::replayed(log, store, registry, &mut scratch, &limits, now, &mut |_| {})?;
    let mut findings = report.findings().to_vec();
    if let Some(difference) = replayed.difference {
        let place = Place::Row(difference.table, difference.key.clone());
        findings.push(Finding { place, flaw: Flaw::Differs(difference.describe(registry)) });
    }
    Ok(findings)
}
