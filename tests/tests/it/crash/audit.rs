//! The auditor: it sees asks, answers and the log, and trusts none of them.
//!
//! It makes its own naive account of every stream from the events of the log, and holds against
//! it every answer that was ever given, whatever has happened to the disk since.

use std::collections::{BTreeMap, BTreeSet};

use quipu_core::log::{Anchor, Frame, LogError, Reader};
use quipu_core::machine::{Machine, Registry};
use quipu_core::machines::account::{self, Account};
use quipu_core::machines::drop::{self, Drop};
use quipu_core::machines::record::Record as Note;
use quipu_core::machines::ticket::{self, Ticket};
use quipu_core::records::{Entries, Part, Record as _};
use quipu_core::shard::{Ask, Key, Reply};
use quipu_core::words::{Code, Fact, Name, Position, Timestamp};
use quipu_sim::disk::SimDisk;

use super::found::{anchors, frames};
use super::work::{essence, rests_on};
use crate::say::*;

/// An ask, and how the event that an acceptance led to must be described.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) ask: Ask,
    pub(super) event: String,
}

impl Asked {
    fn stream(&self) -> Option<&Name> {
        match &self.ask {
            Ask::Command(leg, _) => Some(&leg.stream),
            Ask::Read(reading) => Some(&reading.stream),
            _ => None,
        }
    }

    pub(super) fn is_of(&self, who: &str) -> bool {
        self.stream().is_some_and(|stream| stream.id.as_str() == who)
    }

    pub(super) fn key(&self) -> Option<&Key> {
        match &self.ask {
            Ask::Command(_, key) | Ask::Transaction(_, key) => key.as_ref(),
            _ => None,
        }
    }
}

/// What is known of a ledger from outside.
#[derive(Default)]
pub(super) struct Auditor {
    answered: Vec<(Asked, Reply)>,
    /// What each key was answered for good.
    keys: BTreeMap<Key, String>,
    /// What the last opening showed.
    shown: Option<Anchor>,
    now_limit: Timestamp,
    last: Position,
}

impl Auditor {
    /// Takes an answer at the moment it leaves.
    pub(super) fn answered(&mut self, asked: Asked, reply: Reply, ledger: &Ledger<SimDisk>) {
        let Some((position, at)) = rests_on(&reply) else { return };
        let durable = ledger.durable();
        assert!(position <= durable.watermark, "{asked:?}: {reply:?} at {durable:?}");
        assert!(at <= durable.now_limit, "{asked:?}: {reply:?} at {durable:?}");
        let is_kept = match &reply {
            Reply::Done(_) => true,
            Reply::Refused(refused) => refused.refusal.code.is_stored(),
            Reply::Failed(_) => false,
        };
        if let Some(key) = asked.key()
            && is_kept
        {
            let answer = essence(&reply);
            let first = self.keys.entry(key.clone()).or_insert_with(|| answer.clone());
            assert_eq!(*first, answer, "{asked:?}: one key, one answer");
        }
        self.now_limit = self.now_limit.max(at);
        self.last = self.last.max(position);
        self.answered.push((asked, reply));
    }

    /// Whether a ledger has to be there: its making was told, or shown by an answer.
    pub(super) fn knows_a_ledger(&self) -> bool {
        self.shown.is_some()
    }

    /// Holds what an opening shows against every answer, and against what the last one showed.
    /// An error says that the disk could not be read.
    pub(super) fn opened(&mut self, log: &dyn Reader, registry: &Registry) -> Result<(), LogError> {
        let frames = frames(log)?;
        let anchors = anchors(&frames);
        assert_eq!(anchors.last(), Some(&log.anchor()));
        if let Some(shown) = &self.shown {
            assert!(anchors.contains(shown), "what was shown once is gone: {shown:?}");
        }
        let now_limit = log.now_limit();
        assert!(
            now_limit >= self.now_limit,
            "time ran back from {} to {now_limit}",
            self.now_limit
        );
        let book = Book::read(&frames, registry);
        assert!(book.last >= self.last, "{} was answered, {} is there", self.last, book.last);
        let mut owners = BTreeSet::new();
        for (asked, reply) in &self.answered {
            book.check(asked, reply, &mut owners);
        }
        (self.shown, self.now_limit) = (Some(log.anchor()), now_limit);
        Ok(())
    }
}

/// A stream as the events say.
#[derive(Clone, Default, Debug)]
struct State {
    balance: i128,
    /// What unfinished payouts have set aside.
    held: i128,
    claimant: Option<String>,
    stock: u64,
    taken: u64,
    claims: u64,
}

/// The naive account of all that the log says.
#[derive(Default)]
struct Book {
    last: Position,
    names: BTreeMap<u64, Name>,
    history: BTreeMap<Name, BTreeMap<Position, State>>,
    events: BTreeMap<Position, Vec<(Name, String)>>,
    outside: i128,
}

impl Book {
    fn read(frames: &[Frame], registry: &Registry) -> Self {
        let mut book = Self::default();
        for frame in frames {
            for entry in Entries::new(&frame.bytes, frame.first) {
                let entry = entry.expect("a readable entry");
                assert_eq!(entry.first, book.last.plus(1), "entries are dense");
                entry.parts.iter().for_each(|part| book.part(part, registry));
                book.last = entry.first.plus(u64::from(entry.events) - 1);
                let now = book.history.values().filter_map(|history| history.values().last());
                let held: i128 = now.map(|state| state.balance).sum();
                assert_eq!(held + book.outside, 0, "money came or went at {}", book.last);
            }
        }
        book
    }

    fn part(&mut self, part: &Part<'_>, registry: &Registry) {
        let head = &part.head;
        if let Some(name) = &head.created {
            let before = self.names.insert(head.number.get(), name.clone());
            assert_eq!(before, None, "two streams have one number");
        }
        let name = self.names.get(&head.number.get()).expect("a known stream").clone();
        let rules = registry.rules(head.kind).expect("a known kind");
        let text = rules.describe_event(head.tag, part.payload).expect("a readable event");
        let history = self.history.entry(name.clone()).or_default();
        let mut state = history.values().last().cloned().unwrap_or_default();
        match head.kind {
            Account::KIND => {
                let event = account::Event::unpack(head.tag, part.payload).expect("readable");
                self.outside -= money(&mut state, &event);
            }
            Ticket::KIND => {
                let event = ticket::Event::unpack(head.tag, part.payload).expect("readable");
                if let ticket::Event::Claimed(claimed) = event {
                    assert_eq!(state.claimant, None, "{name:?} is claimed once");
                    state.claimant = Some(claimed.claimant.to_string());
                }
            }
            Drop::KIND => {
                let event = drop::Event::unpack(head.tag, part.payload).expect("readable");
                units(&mut state, &event);
            }
            _ => {}
        }
        assert!(state.balance >= 0, "{name:?} is overdrawn at {}", head.position);
        self.history.entry(name.clone()).or_default().insert(head.position, state);
        self.events.entry(head.position).or_default().push((name, text));
    }

    /// Holds an answer against the account. `owners` are the events that have led to one.
    fn check(&self, asked: &Asked, reply: &Reply, owners: &mut BTreeSet<Position>) {
        match reply {
            Reply::Failed(_) => {}
            Reply::Refused(refused) => {
                let fact = refused.refusal.fact;
                if let (Code::InsufficientFunds, Fact::Available(available)) =
                    (refused.refusal.code, fact)
                    && let Some(state) = self.at(asked, refused.version)
                {
                    let available_then = state.balance - state.held;
                    assert_eq!(available.get(), available_then, "{asked:?}: {reply:?}");
                }
            }
            Reply::Done(outcome) => {
                if outcome.changed && !outcome.replayed {
                    assert!(owners.insert(outcome.position), "{asked:?} shares its event");
                    let events = self.events.get(&outcome.position).expect("it happened");
                    let is_it = |(name, event): &(Name, String)| {
                        asked.stream().is_none_or(|stream| stream == name)
                            && event.starts_with(&asked.event)
                    };
                    assert!(events.iter().any(is_it), "{asked:?}: another event");
                }
                let Ask::Read(_) = &asked.ask else { return };
                let state = self.at(asked, outcome.version).expect("a version that there was");
                if let Ok(head) = outcome.answer.head::<Account>() {
                    assert_eq!(head.balance.get(), state.balance, "{asked:?} at {reply:?}");
                }
                if let Ok(head) = outcome.answer.head::<Drop>() {
                    assert_eq!((head.stock, head.taken), (state.stock, state.taken), "{asked:?}");
                }
            }
        }
    }

    fn at(&self, asked: &Asked, version: Position) -> Option<&State> {
        self.history.get(asked.stream()?)?.get(&version)
    }
}

/// What an event does to an account. Gives what came from outside.
fn money(state: &mut State, event: &account::Event) -> i128 {
    use account::Event as E;
    let (moved, is_outside, after) = match event {
        E::Deposited(e) => (e.amount.get() as i128, true, e.balance_after),
        E::Charged(e) => (-(e.amount.get() as i128), true, e.balance_after),
        E::Sent(e) => (-(e.amount.get() as i128), false, e.balance_after),
        E::Received(e) => (e.amount.get() as i128, false, e.balance_after),
        E::WithdrawalPlanned(e) => {
            state.held += e.amount.get() as i128;
            return 0;
        }
        E::Opened(_) | E::WithdrawalLeased(_) | E::LeaseExpired(_) => return 0,
        other => panic!("nobody asked for {other:?}"),
    };
    state.balance += moved;
    assert_eq!(after.get(), state.balance, "{event:?}");
    if is_outside { moved } else { 0 }
}

fn units(state: &mut State, event: &drop::Event) {
    match event {
        drop::Event::Created(e) => state.stock = e.stock,
        drop::Event::Claimed(e) => {
            state.claims += 1;
            state.taken += u64::from(e.quantity);
            assert_eq!(e.number, state.claims, "numbers have no gap");
            assert!(state.taken <= state.stock, "more is claimed than there is");
            assert_eq!(e.remaining, state.stock - state.taken);
        }
        drop::Event::Opened(_) => {}
        other => panic!("nobody asked for {other:?}"),
    }
}

/// A record that takes room.
pub(super) fn bulky(which: &str, len: usize) -> Ask {
    use quipu_core::machines::record::Command;
    let value = format!("\"{}\"", "x".repeat(len));
    let (ttl_ms, must_be_absent, fields) = (None, false, Vec::new());
    command::<Note>(which, Command::Put { value, ttl_ms, must_be_absent, fields, era: 0 })
}
