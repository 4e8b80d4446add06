//! The auditor: it sees asks and answers, and the log where there is one, and trusts neither.
//!
//! It keeps its own naive account of every stream, and holds the answers against it. The account
//! is made from the events of the log ([`Audit::check`]), or from nothing but what callers were
//! told ([`Audit::check_told`]). What it finds is a [`Breach`] that names one of eight
//! [checks](Check).
//!
//! # Which check is named
//!
//! One bug often breaks several promises. The first of these counts, so that a breach is named
//! by what is nearest to the bug.
//!
//! 1. When an answer leaves: liveness (it is the only one), durability, replay, linearizability
//!    (its time).
//! 2. What the log says by itself, in the order of positions. Within one entry: durability (it
//!    can be read, and follows what is before it), double spend, linearizability (its time),
//!    conservation.
//! 3. The answers against the account: durability and double spend for all of them, then what
//!    each shows and the order of each stream (linearizability), then what several streams show
//!    together (atomicity).
//!
//! A check that is [left out](Audit::without) says nothing, and the account goes on as well as it
//! can behind what it would have said.

mod asked;
mod book;
mod check;
mod told;
mod witness;

use std::collections::BTreeMap;

use quipu_core::commit::Published;
use quipu_core::log::Frame;
use quipu_core::machine::Registry;
use quipu_core::shard::{CallId, Key, Reply};
use quipu_core::words::{Epoch, Id, Name, Position, Timestamp};

use self::asked::{Answered, essence, is_replayed, rests_on};
pub use self::asked::{Expected, Sent};
use self::book::Book;
use self::check::Checks;
pub use self::check::{Breach, Check};
use self::witness::Witness;

/// For so long a key gives what it gave first.
const DAY_MS: u64 = 24 * 3_600_000;

/// What callers asked and were told, and what they hold against each other.
#[derive(Default)]
pub struct Audit {
    checks: Checks,
    open: BTreeMap<CallId, Sent>,
    answered: Vec<Answered>,
    /// Counts asks and answers.
    tick: u64,
    acked: Position,
    told: BTreeMap<Name, Timestamp>,
    keys: BTreeMap<(Key, String), (Reply, Timestamp)>,
    fences: Vec<(Position, Epoch)>,
    made: BTreeMap<char, Vec<u64>>,
    payouts: Vec<(Id, u64, u64)>,
    counts: Counts,
}

/// What an auditor has looked at.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counts {
    /// Answers that were given their place in the order of their stream by their version, in all
    /// checks together.
    pub witnessed: u64,
    /// Ends of entries at which all money of each book and asset was looked for, in all checks
    /// together.
    pub prefixes: u64,
}

impl Audit {
    /// Asks all but this question.
    #[must_use]
    pub fn without(mut self, check: Check) -> Self {
        self.checks.leave_out(check);
        self
    }

    /// What it has looked at so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Takes note of an ask, before it is sent.
    ///
    /// # Panics
    /// Where another ask is under way as that call.
    pub fn sent(&mut self, call: CallId, mut sent: Sent) {
        self.tick += 1;
        (sent.tick, sent.acked) = (self.tick, self.acked);
        if let Some(stream) = &sent.stream {
            sent.told_at = self.told.get(stream).copied().unwrap_or_default();
        }
        let other = self.open.insert(call, sent);
        assert!(other.is_none(), "{call:?} is under way: {other:?}");
    }

    /// Takes an answer at the moment it leaves, with what is durable then.
    pub fn answered(
        &mut self,
        call: CallId,
        reply: Reply,
        durable: Published,
    ) -> Result<(), Breach> {
        let sent = self.open.remove(&call);
        let what = || format!("{call:?} is answered, and was before: {reply:?}");
        let Some(sent) = self.checks.there(Check::Liveness, sent, what)? else { return Ok(()) };
        let Some((position, at)) = rests_on(&reply) else { return Ok(()) };
        let Published { watermark, now_limit } = durable;
        self.checks.ensure(Check::Durability, position <= watermark, || {
            format!("{sent:?}: {reply:?} left when {watermark} was durable")
        })?;
        self.checks.ensure(Check::Durability, at <= now_limit, || {
            format!("{sent:?}: {reply:?} shows a time above {now_limit}, which was durable")
        })?;
        if sent.abandoned {
            return Ok(());
        }
        self.check_key(&sent, &reply)?;
        self.acked = self.acked.max(position);
        if !is_replayed(&reply)
            && let Some(stream) = &sent.stream
        {
            self.checks.ensure(Check::Linearizability, at >= sent.told_at, || {
                format!("{sent:?}: {reply:?}: time ran back from {}", sent.told_at)
            })?;
            let told = self.told.entry(stream.clone()).or_default();
            *told = (*told).max(at);
        }
        self.tick += 1;
        self.answered.push(Answered { sent, reply, tick: self.tick });
        Ok(())
    }

    /// The same key gives the same answer; another command under it is refused.
    fn check_key(&mut self, sent: &Sent, reply: &Reply) -> Result<(), Breach> {
        let Some((key, what)) = &sent.key else { return Ok(()) };
        let is_stored = match reply {
            Reply::Done(_) => true,
            Reply::Refused(refused) => refused.refusal.code.is_stored(),
            Reply::Failed(_) => false,
        };
        let (true, Some((_, at))) = (is_stored, rests_on(reply)) else { return Ok(()) };
        let place = (key.clone(), what.clone());
        let is_old = is_replayed(reply) && sent.now.ms_since(at) >= DAY_MS;
        self.checks.ensure(Check::Replay, !is_old, || {
            format!("{sent:?}: {reply:?} was kept for more than a day")
        })?;
        // Answers a day apart are those of two lives of the key. They may leave in either order:
        // a repeat of the first life may have waited for its time while the second began.
        if let Some((first, first_at)) = self.keys.get(&place) {
            let is_one_life = at.ms_since(*first_at) < DAY_MS && first_at.ms_since(at) < DAY_MS;
            let is_repeat = is_one_life && (is_replayed(reply) || is_replayed(first));
            let is_same = !is_repeat || essence(first) == essence(reply);
            self.checks.ensure(Check::Replay, is_same, || {
                format!("{sent:?}: one key was answered {first:?}, and {reply:?}")
            })?;
        }
        self.keys.insert(place, (reply.clone(), at));
        Ok(())
    }

    /// Whoever sent it has gone: it happened, or it did not, and nobody hears of it.
    ///
    /// # Panics
    /// Where no such ask is under way.
    pub fn gone(&mut self, call: CallId) {
        self.open.remove(&call).expect("an ask that is not answered");
    }

    /// Every call that is under way is lost with its answer.
    pub fn crashed(&mut self) {
        self.open.clear();
    }

    /// From here on only frames of this epoch or a later one may be written.
    pub fn fenced(&mut self, next: Position, epoch: Epoch) {
        self.fences.push((next, epoch));
    }

    /// The asks that have no answer.
    #[must_use]
    pub fn unanswered(&self) -> Vec<&Sent> {
        self.open.values().collect()
    }

    /// The account, the position and the newest fence of every payout that is not finished, as
    /// far as the last check of a log saw.
    #[must_use]
    pub fn payouts(&self) -> &[(Id, u64, u64)] {
        &self.payouts
    }

    /// Positions at which holds, claims and payouts were made, as far as the last check saw.
    #[must_use]
    pub fn made(&self, letter: char) -> &[u64] {
        self.made.get(&letter).map_or(&[], Vec::as_slice)
    }

    /// Reads the whole log, and holds every answer against it.
    pub fn check(&mut self, frames: &[Frame], registry: &Registry) -> Result<(), Breach> {
        for (next, epoch) in &self.fences {
            let late = frames.iter().find(|frame| frame.last() >= *next && frame.epoch < *epoch);
            self.checks.ensure(Check::Durability, late.is_none(), || {
                let at = late.map(|frame| frame.first);
                format!("a writer that was fenced off at {next} has written at {at:?}")
            })?;
        }
        let checks = self.checks.clone();
        let book = Book::of_log(&checks, frames, registry)?;
        self.counts.prefixes += book.prefixes();
        self.hold_against(&book, Some(registry))?;
        self.payouts = book.payouts();
        self.made = book.made;
        Ok(())
    }

    /// Puts together what the answers say has happened, and holds every answer against it. All
    /// that was asked has an answer by now, from itself or from a repeat under its key, and
    /// nothing has happened that nobody asked for. `before` is the last position that was taken
    /// before the first ask. Accounts, tickets and drops are looked at.
    ///
    /// # Panics
    /// Where an ask came without its legs, or with commands whose effect their answers do not
    /// tell: accounts are opened, paid to, charged and paid from, hold without an end, and
    /// capture and release the whole; tickets are issued, claimed and revoked; drops are created,
    /// claimed from, and take claims back.
    pub fn check_told(&mut self, before: Position) -> Result<(), Breach> {
        let checks = self.checks.clone();
        let book = told::book_of(&checks, &self.answered, before)?;
        self.hold_against(&book, None)?;
        self.made = book.made;
        Ok(())
    }

    fn hold_against(&mut self, book: &Book<'_>, registry: Option<&Registry>) -> Result<(), Breach> {
        let witness = Witness { checks: &self.checks, book, answered: &self.answered };
        witness.check_kept(registry)?;
        witness.check_shown()?;
        self.counts.witnessed += witness.check_order()?;
        witness.check_together()
    }
}
