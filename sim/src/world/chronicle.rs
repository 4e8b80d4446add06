//! What happened in a run: a hash of all of it, and lines for whoever reads along.

use std::fmt::Debug;

use quipu_core::shard::Reply;
use xxhash_rust::xxh3::Xxh3;

use super::queue::{Event, Micros};

/// Who reads along.
pub type Listener<'a> = dyn FnMut(&str) + 'a;

/// Takes note of everything.
pub(super) struct Chronicle<'a> {
    hash: Xxh3,
    listener: Option<&'a mut Listener<'a>>,
}

impl<'a> Chronicle<'a> {
    pub(super) fn new(listener: Option<&'a mut Listener<'a>>) -> Self {
        Self { hash: Xxh3::new(), listener }
    }

    /// Two runs whose hashes are equal have done the same.
    pub(super) fn hash(&self) -> u64 {
        self.hash.digest()
    }

    pub(super) fn is_heard(&self) -> bool {
        self.listener.is_some()
    }

    /// An event of the queue.
    pub(super) fn event(&mut self, time: Micros, event: &Event) {
        self.words(&[time, number_of(event)]);
        self.say(time, "world", || format!("{event:?}"));
    }

    /// Something else that numbers tell apart.
    pub(super) fn words(&mut self, words: &[u64]) {
        for word in words {
            self.hash.update(&word.to_le_bytes());
        }
    }

    /// An answer.
    pub(super) fn reply(&mut self, reply: &Reply) {
        match reply {
            Reply::Done(outcome) => {
                let flags = u64::from(outcome.replayed) | u64::from(outcome.changed) << 1;
                let [position, version] = [outcome.position.get(), outcome.version.get()];
                self.words(&[1, position, version, outcome.at.ms(), flags]);
                self.hash.update(outcome.answer.as_bytes());
            }
            Reply::Refused(refused) => {
                let [position, version] = [refused.position.get(), refused.version.get()];
                let code = refused.refusal.code as u64;
                let leg = refused.leg.map_or(0, |leg| u64::from(leg) + 1);
                let flags = u64::from(refused.replayed) | leg << 1;
                self.words(&[2, position, version, refused.at.ms(), code, flags]);
            }
            Reply::Failed(fault) => self.words(&[3, *fault as u64]),
        }
    }

    /// A line for whoever reads along: virtual time, who, what.
    pub(super) fn say(&mut self, time: Micros, who: &str, what: impl FnOnce() -> String) {
        if let Some(listener) = &mut self.listener {
            let (seconds, micros) = (time / 1_000_000, time % 1_000_000);
            listener(&format!("{seconds:>5}.{micros:06}  {who:<10} {}", what()));
        }
    }

    /// The same about a client.
    pub(super) fn client(&mut self, time: Micros, client: usize, what: impl FnOnce() -> String) {
        if self.is_heard() {
            self.say(time, &format!("client {client}"), what);
        }
    }
}

/// An answer in few words.
pub(super) fn shown(reply: &Reply) -> String {
    match reply {
        Reply::Done(outcome) => {
            let what = if outcome.changed { "done" } else { "so already" };
            let again = if outcome.replayed { ", replayed" } else { "" };
            let (position, version, at) = (outcome.position, outcome.version, outcome.at.ms());
            format!("{what} at {position}, version {version}, now {at}{again}")
        }
        Reply::Refused(refused) => {
            let again = if refused.replayed { ", replayed" } else { "" };
            let (code, version) = (refused.refusal.code, refused.version);
            format!("refused: {code} ({:?}), version {version}{again}", refused.refusal.fact)
        }
        Reply::Failed(fault) => format!("failed: {fault}"),
    }
}

/// A long description, cut.
pub(super) fn brief(what: &impl Debug) -> String {
    let mut text = format!("{what:?}");
    if let Some((at, _)) = text.char_indices().nth(400) {
        text.truncate(at);
        text.push('…');
    }
    text
}

fn number_of(event: &Event) -> u64 {
    use quipu_core::driver::Move;
    let of = |kind: u64, rest: u64| kind | rest << 8;
    match event {
        Event::Step(step) => match step {
            Move::Deliver(from, to) => of(1, (from * 64 + to) as u64),
            Move::Answer(number) => of(2, *number),
            Move::Flush(shard) => of(3, *shard as u64),
            Move::Append => 4,
            Move::Settle => 5,
            Move::Publish(shard) => of(6, *shard as u64),
            Move::Tick(shard) => of(7, *shard as u64),
            Move::Note => 8,
            Move::TakeNotes(shard) => of(9, *shard as u64),
        },
        Event::Act(client) => of(10, *client as u64),
        Event::Impatient(call) => of(11, *call),
        Event::Freeze => 12,
        Event::Write => 13,
        Event::Tend => 14,
        Event::Seal => 15,
        Event::Jump => 16,
        Event::Fill => 17,
        Event::Intrude => 18,
        Event::End => 19,
    }
}
