//! The auditor: it sees asks and answers, and the log where there is one, and trusts neither.
//!
//! It keeps its own naive account of every stream, and holds the answers against it: each is
//! durable when it leaves, happened once, shows the state at its version, and never one older
//! than what was answered before it was asked. The account is made from the events of the log
//! ([`Audit::check`]), or from nothing but what callers were told ([`Audit::check_told`]).

mod book;
mod told;

use std::collections::BTreeMap;

use quipu_core::commit::Published;
use quipu_core::log::Frame;
use quipu_core::machine::Registry;
use quipu_core::shard::{CallId, Key, Leg, Reply};
use quipu_core::words::{Epoch, Id, Name, Position, Timestamp};

use self::book::Book;

/// What an accepted ask must have led to.
#[derive(Clone, Debug)]
pub enum Expected {
    /// Nothing that is checked by its text.
    Nothing,
    /// A read: the head must be that of its version.
    Read,
    /// An event whose description begins like this, by this claimant where there is one.
    Event(String, Option<String>),
}

impl Expected {
    /// An event whose description begins like this.
    #[must_use]
    pub fn event(text: &str) -> Self {
        Self::Event(text.to_owned(), None)
    }

    /// The same, by this claimant.
    #[must_use]
    pub fn claim(text: &str, who: &str) -> Self {
        Self::Event(text.to_owned(), Some(who.to_owned()))
    }
}

/// An ask on its way.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The one stream that it is about; none for a transaction.
    stream: Option<Name>,
    legs: Vec<Leg>,
    expected: Expected,
    key: Option<(Key, String)>,
    abandoned: bool,
    /// The greatest position that had been answered when it was sent.
    acked: Position,
    /// The latest time that had been answered for its stream.
    told_at: Timestamp,
    /// The clock when it was sent.
    now: Timestamp,
}

impl Sent {
    /// An ask of one stream, or of several. Under a key comes what it asks, as text. Whoever has
    /// abandoned it hears the answer and makes nothing of it.
    #[must_use]
    pub fn new(
        stream: Option<Name>,
        expected: Expected,
        key: Option<(Key, String)>,
        abandoned: bool,
        now: Timestamp,
    ) -> Self {
        let (acked, told_at, legs) = (Position::ZERO, Timestamp::ZERO, Vec::new());
        Self { stream, legs, expected, key, abandoned, acked, told_at, now }
    }

    /// With the commands that it is made of, which an account that is made of answers alone needs.
    #[must_use]
    pub fn of(self, legs: Vec<Leg>) -> Self {
        Self { legs, ..self }
    }
}

/// What callers asked and were told, and what they hold against each other.
///
/// Every finding is a panic that says what contradicts what.
#[derive(Default)]
pub struct Audit {
    open: BTreeMap<CallId, Sent>,
    answered: Vec<(Sent, Reply)>,
    acked: Position,
    told: BTreeMap<Name, Timestamp>,
    keys: BTreeMap<(Key, String), (Reply, Timestamp)>,
    fences: Vec<(Position, Epoch)>,
    made: BTreeMap<char, Vec<u64>>,
    payouts: Vec<(Id, u64, u64)>,
}

impl Audit {
    /// Takes note of an ask, before it is sent.
    pub fn sent(&mut self, call: CallId, mut sent: Sent) {
        sent.acked = self.acked;
        if let Some(stream) = &sent.stream {
            sent.told_at = self.told.get(stream).copied().unwrap_or_default();
        }
        self.open.insert(call, sent);
    }

    /// Takes an answer at the moment it leaves, with what is durable then.
    pub fn answered(&mut self, call: CallId, reply: Reply, durable: Published) {
        let sent = self.open.remove(&call).expect("an ask is answered once");
        let Some((position, at)) = rests_on(&reply) else { return };
        let Published { watermark, now_limit } = durable;
        assert!(position <= watermark, "{sent:?}: {reply:?} left when {watermark} was durable");
        assert!(at <= now_limit, "{sent:?}: {reply:?} shows a time above the durable limit");
        if sent.abandoned {
            return;
        }
        self.check_key(&sent, &reply);
        self.acked = self.acked.max(position);
        if !is_replayed(&reply)
            && let Some(stream) = &sent.stream
        {
            assert!(at >= sent.told_at, "{sent:?}: {reply:?}: time ran back from {}", sent.told_at);
            let told = self.told.entry(stream.clone()).or_default();
            *told = (*told).max(at);
        }
        self.answered.push((sent, reply));
    }

    /// The same key gives the same answer; another command under it is refused.
    fn check_key(&mut self, sent: &Sent, reply: &Reply) {
        let Some((key, what)) = &sent.key else { return };
        let stored = match reply {
            Reply::Done(_) => true,
            Reply::Refused(refused) => refused.refusal.code.is_stored(),
            Reply::Failed(_) => false,
        };
        if !stored {
            return;
        }
        let Some((_, at)) = rests_on(reply) else { return };
        let place = (key.clone(), what.clone());
        let day = 24 * 3_600_000;
        let is_old = is_replayed(reply) && sent.now.ms_since(at) >= day;
        assert!(!is_old, "{sent:?}: {reply:?} was kept for more than a day");
        // Answers a day apart are those of two lives of the key. They may leave in either order:
        // a repeat of the first life may have waited for its time while the second began.
        if let Some((first, first_at)) = self.keys.get(&place) {
            let one_life = at.ms_since(*first_at) < day && first_at.ms_since(at) < day;
            if one_life && (is_replayed(reply) || is_replayed(first)) {
                assert_eq!(essence(first), essence(reply), "{sent:?}: one key, one answer");
            }
        }
        self.keys.insert(place, (reply.clone(), at));
    }

    /// Whoever sent it has gone: it happened, or it did not, and nobody hears of it.
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

    /// Goes through the whole log, and holds every answer so far against it.
    pub fn check(&mut self, frames: &[Frame], registry: &Registry) {
        for (next, epoch) in &self.fences {
            let late = frames.iter().find(|frame| frame.last() >= *next && frame.epoch < *epoch);
            assert!(late.is_none(), "a fenced writer has written at or behind {next}");
        }
        let book = Book::of_log(frames, registry);
        self.hold_against(&book);
        self.payouts = book.payouts();
        self.made = book.into_made();
    }

    /// Puts together what the answers say has happened, and holds every answer against it. All
    /// that was asked has an answer by now, from itself or from a repeat under its key, and
    /// nothing has happened that nobody asked for. `before` is the last position that was taken
    /// before the first ask. Accounts, tickets and drops are looked at.
    pub fn check_told(&mut self, before: Position) {
        let book = told::book_of(&self.answered, before);
        self.hold_against(&book);
        self.made = book.into_made();
    }

    fn hold_against(&self, book: &Book) {
        let mut owners: BTreeMap<Position, &Sent> = BTreeMap::new();
        for (sent, reply) in &self.answered {
            match reply {
                Reply::Failed(_) => {}
                Reply::Done(outcome) => {
                    assert!(outcome.position <= book.last, "{sent:?}: {reply:?} is not in the log");
                    if outcome.changed && !outcome.replayed {
                        let other = owners.insert(outcome.position, sent);
                        assert!(other.is_none(), "{sent:?} and {other:?} share one event");
                        book.check_event(sent, outcome.position);
                    }
                    if !outcome.replayed {
                        book.check_seen(sent, outcome.version);
                        book.check_answer(sent, outcome.version, outcome.at, &outcome.answer);
                    }
                }
                Reply::Refused(refused) if refused.replayed => {}
                Reply::Refused(refused) => {
                    book.check_seen(sent, refused.version);
                    book.check_refusal(
                        sent,
                        refused.version,
                        refused.refusal.code,
                        refused.refusal.fact,
                    );
                }
            }
        }
    }
}

fn rests_on(reply: &Reply) -> Option<(Position, Timestamp)> {
    match reply {
        Reply::Done(outcome) => Some((outcome.position, outcome.at)),
        Reply::Refused(refused) => Some((refused.position, refused.at)),
        Reply::Failed(_) => None,
    }
}

fn is_replayed(reply: &Reply) -> bool {
    match reply {
        Reply::Done(outcome) => outcome.replayed,
        Reply::Refused(refused) => refused.replayed,
        Reply::Failed(_) => false,
    }
}

/// An answer without what tells a repeat from a first.
fn essence(reply: &Reply) -> String {
    match reply {
        Reply::Done(outcome) => {
            let bytes = outcome.answer.as_bytes();
            format!("{} {} {} {bytes:?}", outcome.position, outcome.version, outcome.at)
        }
        Reply::Refused(refused) => {
            let (position, version) = (refused.position, refused.version);
            format!("{position} {version} {} {:?} {:?}", refused.at, refused.refusal, refused.leg)
        }
        Reply::Failed(fault) => format!("{fault:?}"),
    }
}
