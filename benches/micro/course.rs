//! Logs to be replayed: what a shard writes when it is asked a great deal.

use quipu_core::batch::MemoryRing;
use quipu_core::commit::{Committer, Published};
use quipu_core::log::{Log, MemoryLog, Settle};
use quipu_core::machine::{self, Machine};
use quipu_core::machines::account::{self, Account};
use quipu_core::machines::registry;
use quipu_core::shard::{Ask, CallId, Config, Effect, Leg, Options, Shard};
use quipu_core::words::{Amount, Asset, Book, Id, Metadata, Name, Position, Signed, Timestamp};

/// Entries of one tick: enough for frames of the greatest size.
const TICK: u64 = 16_384;

/// Fills a log through a shard, without a store.
pub(crate) struct Writer {
    shard: Shard,
    ring: MemoryRing,
    committer: Committer,
    pub(crate) log: MemoryLog,
    now: u64,
    calls: u64,
}

impl Writer {
    pub(crate) fn new() -> Self {
        let config = Config { memory_max: usize::MAX, keys_max: 1 << 23, ..Config::new(0, 1) };
        let mut shard = Shard::new(config, &registry(), Published::default());
        shard.noted_all();
        let ring = MemoryRing::new(Position::new(1), u64::MAX >> 1, u64::MAX >> 1);
        let mut log = MemoryLog::new(Settle::AtOnce);
        let epoch = log.take_epoch().expect("an epoch");
        let committer = Committer::new(1, epoch, Published::default());
        Self { shard, ring, committer, log, now: 1_800_000_000_000, calls: 0 }
    }

    pub(crate) fn write(&mut self, count: u64, ask: impl Fn(u64) -> Ask) {
        let mut out = Vec::new();
        for first in (0..count).step_by(TICK as usize) {
            self.now += 1;
            let now = Timestamp::from_ms(self.now);
            for index in first..(first + TICK).min(count) {
                self.calls += 1;
                self.shard.submit(CallId(self.calls), ask(index), now, &mut self.ring, &mut out);
            }
            self.committer.add(0, self.shard.take_batch());
            while let Some(frame) = self.committer.gather(now) {
                self.log.append(frame).expect("a log in memory");
                let finish = self.log.finish().expect("it ends at once");
                let committed = self.committer.finish(finish).expect("it is durable");
                self.shard.publish(committed.published, &mut out);
            }
            out.retain(|effect| !matches!(effect, Effect::Reply(..)));
            assert!(out.is_empty(), "a shard that has all in memory asks for nothing");
        }
    }
}

pub(crate) fn deposit(streams: u64, index: u64) -> Ask {
    ask::<Account>(mixed(index) % streams, deposit_of(Amount::from(1_u64)))
}

pub(crate) fn transfer(streams: u64, index: u64) -> Ask {
    let (from, to) = (mixed(2 * index) % streams, mixed(2 * index + 1) % streams);
    let (amount, metadata) = (Amount::from(1_u64), Metadata::default());
    ask::<Account>(from, account::Command::Transfer { to: nth(to), amount, metadata })
}

pub(crate) fn deposit_of(amount: Amount) -> account::Command {
    account::Command::Deposit { amount, reference: None, metadata: Metadata::default() }
}

pub(crate) fn open_account() -> account::Command {
    account::Command::Open {
        asset: usd(),
        floor: Signed::ZERO,
        cap: None,
        spend_cap: None,
        expires_at: None,
        metadata: Metadata::default(),
    }
}

pub(crate) fn ask<M: Machine>(stream: u64, command: M::Command) -> Ask {
    let stream = Name::new(Book::DEFAULT, M::KIND, nth(stream));
    let command = machine::Command::of::<M>(command);
    Ask::Command(Leg { stream, command, options: Options::default() }, None)
}

pub(crate) fn usd() -> Asset {
    Asset::new("USD/2").expect("a sound asset")
}

fn nth(index: u64) -> Id {
    Id::new(&format!("stream{index:06}")).expect("a sound id")
}

fn mixed(index: u64) -> u64 {
    let mut word = index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}
