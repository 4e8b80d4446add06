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
//! 2. What the log says by itself, in the order of positions. Of each entry: durability (it can be
//!    read, and follows what is before it), double spend of its key; then of each part what should
//!    have ended before it (linearizability), double spend, conservation of its own balance, and
//!    its time (linearizability); last conservation of all.
//! 3. The answers against the account: durability and double spend for all of them, then what
//!    each shows and the order of each stream (linearizability), then what several streams show
//!    together (atomicity). At last, where the auditor [hears all](Audit::hearing_all), whether
//!    there is more in the log than was asked for (durability).
//!
//! A check that is [left out](Audit::without) says nothing, and the account goes on as well as it
//! can behind what it would have said. A search ([`Audit::search`]), what became of open asks and
//! what a recovery came to are asked for by whoever drives the ledger.

mod asked;
mod book;
mod check;
mod once;
mod search;
mod told;
mod witness;

use core::ops::AddAssign;
use std::collections::BTreeMap;

use quipu_core::commit::Published;
use quipu_core::log::Frame;
use quipu_core::machine::Registry;
use quipu_core::shard::{CallId, Key, Reply};
use quipu_core::words::{Epoch, Id, Name, Position, Timestamp};

use self::asked::{Answered, Unknown, essence, is_replayed, rests_on};
pub use self::asked::{Expected, Sent};
use self::book::Book;
use self::check::Checks;
pub use self::check::{Breach, Check};
use self::witness::Witness;

/// For so long a key gives what it gave first.
const DAY_MS: u64 = 24 * 3_600_000;

/// The greatest position that was answered.
#[derive(Default)]
struct Acked {
    greatest: Position,
    /// Of which stream; none for a transaction.
    stream: Option<Name>,
    /// The greatest one of any other stream.
    other: Position,
}

impl Acked {
    fn add(&mut self, stream: Option<&Name>, position: Position) {
        if stream == self.stream.as_ref() {
            self.greatest = self.greatest.max(position);
        } else if position > self.greatest {
            self.other = core::mem::replace(&mut self.greatest, position);
            self.stream = stream.cloned();
        } else {
            self.other = self.other.max(position);
        }
    }

    /// The greatest position that was answered for any other stream, or for several.
    fn of_others(&self, stream: Option<&Name>) -> Position {
        let is_own = stream.is_some() && stream == self.stream.as_ref();
        if is_own { self.other } else { self.greatest }
    }
}

/// The digest of a whole state.
pub type Digest = [u8; 32];

/// What callers asked and were told, and what they hold against each other.
#[derive(Default)]
pub struct Audit {
    checks: Checks,
    hears_all: bool,
    open: BTreeMap<CallId, Sent>,
    answered: Vec<Answered>,
    unknown: Vec<Unknown>,
    /// Counts asks and answers.
    tick: u64,
    acked: Acked,
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
    /// Asks that a search has put in an order, one for each stream that an ask touched.
    pub searched: u64,
    /// Asks on streams that were not searched, or whose search was given up.
    pub skipped: u64,
    /// Streams whose order was found.
    pub streams_searched: u64,
    /// Streams that were not searched, or whose search was given up.
    pub streams_skipped: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.witnessed += other.witnessed;
        self.prefixes += other.prefixes;
        self.searched += other.searched;
        self.skipped += other.skipped;
        self.streams_searched += other.streams_searched;
        self.streams_skipped += other.streams_skipped;
    }
}

impl Audit {
    /// Asks all but this question.
    #[must_use]
    pub fn without(mut self, check: Check) -> Self {
        self.checks.leave_out(check);
        self
    }

    /// Hears of everything that is ever asked of the ledger, so that whatever else is in its log
    /// should not be. Asks come with [their legs](Sent::of).
    #[must_use]
    pub fn hearing_all(mut self) -> Self {
        self.hears_all = true;
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
        (sent.tick, sent.acked) = (self.tick, self.acked.of_others(sent.stream.as_ref()));
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
        let Some((position, at)) = rests_on(&reply) else {
            if !matches!(reply, Reply::Failed(fault) if fault.nothing_was_done()) {
                self.forget(sent);
            }
            return Ok(());
        };
        let Published { watermark, now_limit } = durable;
        self.checks.ensure(Check::Durability, position <= watermark, || {
            format!("{sent:?}: {reply:?} left when {watermark} was durable")
        })?;
        self.checks.ensure(Check::Durability, at <= now_limit, || {
            format!("{sent:?}: {reply:?} shows a time above {now_limit}, which was durable")
        })?;
        if sent.abandoned {
            self.forget(sent);
            return Ok(());
        }
        self.check_key(&sent, &reply)?;
        self.acked.add(sent.stream.as_ref(), position);
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
            let is_same = !is_one_life || essence(first) == essence(reply);
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
        let sent = self.open.remove(&call).expect("an ask that is not answered");
        self.forget(sent);
    }

    /// Every call that is under way is lost with its answer. It happened, or it never will.
    pub fn crashed(&mut self) {
        for (_, sent) in core::mem::take(&mut self.open) {
            self.forget(sent);
        }
        self.tick += 1;
        for unknown in &mut self.unknown {
            unknown.until = unknown.until.min(self.tick);
        }
    }

    fn forget(&mut self, sent: Sent) {
        self.unknown.push(Unknown { sent, until: u64::MAX });
    }

    /// What has no answer: it may have happened, or still happen.
    fn without_answer(&self) -> Vec<Unknown> {
        let open = self.open.values().cloned();
        let open = open.map(|sent| Unknown { sent, until: u64::MAX });
        self.unknown.iter().cloned().chain(open).collect()
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

    /// Whether every ask has its answer.
    pub fn all_answered(&self) -> Result<(), Breach> {
        self.checks.ensure(Check::Liveness, self.open.is_empty(), || {
            format!("asks without an answer: {:?}", self.unanswered())
        })
    }

    /// Whether every ask that was sent so long ago has its answer. Asked once nothing fails any
    /// more, by a clock that has not jumped since.
    pub fn overdue(&self, now: Timestamp, after_ms: u64) -> Result<(), Breach> {
        let late = self.open.values().find(|sent| now.ms_since(sent.now) > after_ms);
        self.checks.ensure(Check::Liveness, late.is_none(), || {
            format!("no answer at {now}, after more than {after_ms} ms: {late:?}")
        })
    }

    /// Whether a recovery, one behind it, and a pure replay of the log came to the same state.
    pub fn recovered(&self, once: Digest, twice: Digest, replayed: Digest) -> Result<(), Breach> {
        self.checks.ensure(Check::Recovery, once == replayed, || {
            "what was recovered is not what the log says".to_owned()
        })?;
        self.checks.ensure(Check::Recovery, once == twice, || {
            "recovering twice is not recovering once".to_owned()
        })
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
        if self.hears_all {
            once::check(&checks, &book, &self.answered, &self.without_answer())?;
        }
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

    /// Looks for an order of all that was asked of each stream, believing no version in any
    /// answer. [`Counts`] says how much was searched, and how much was not: streams that depend on
    /// time, of which something was asked without [its legs](Sent::of), or on which too much was
    /// under way at once. The ledger was new when the first ask was sent.
    pub fn search(&mut self) -> Result<(), Breach> {
        let searched = search::search(&self.checks, &self.answered, &self.without_answer())?;
        self.counts.searched += searched.asks;
        self.counts.skipped += searched.asks_skipped;
        self.counts.streams_searched += searched.streams;
        self.counts.streams_skipped += searched.streams_skipped;
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
