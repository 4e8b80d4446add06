//! A command costs the same whether its stream has ten items or a million, in counted steps.

use super::say::*;
use quipu_core::batch::{Batch, MemoryRing};
use quipu_core::commit::Published;
use quipu_core::machines::account::{self, Account, hold_key};
use quipu_core::machines::drop::{self, Drop, claim_key};
use quipu_core::machines::registry;
use quipu_core::shard::{
    Ask, CallId, Config, Effect, Found, Load, Outcome, Reading, Reply, Shard, Wanted,
};
use quipu_core::words::{Id, Metadata, Position, Timestamp};

const FEW: u64 = 10;
const MANY: u64 = 1_000_000;
/// How many commands are counted: enough that a chance meeting in a hash table is no matter.
const COUNTED: u64 = 64;
const TICK: u64 = 512;

#[test]
fn a_claim_and_its_release_cost_the_same_on_a_drop_of_a_million_claims() {
    compare("drop", |claims| {
        let mut desk = Desk::new();
        let create = drop::Command::Create {
            stock: 10 * MANY,
            per_claimant: Some(3),
            opens_at: None,
            closes_at: None,
            price: None,
            seller: None,
            metadata: Metadata::default(),
        };
        desk.all(1, |_| command::<Drop>("d", create.clone()));
        let first = desk.all(claims, |index| command::<Drop>("d", take(&claimant(index), 1)));
        let taken = |index: u64| first.plus(index * (claims / FEW));
        vec![
            desk.count("claim", |index| command::<Drop>("d", take(&claimant(MANY + index), 1))),
            desk.count("claim again", |index| {
                command::<Drop>("d", take(&claimant(MANY + index), 1))
            }),
            desk.count("read of a claim", |index| {
                let items = vec![claim_key(taken(index % FEW))];
                Ask::Read(Reading { stream: name::<Drop>("d"), items })
            }),
            desk.count_some("release", FEW, |index| {
                let claim = Drop::claim_id(taken(index));
                command::<Drop>("d", drop::Command::Release { claim })
            }),
        ]
    });
}

#[test]
fn money_moves_at_the_same_cost_on_an_account_of_a_million_holds() {
    compare("account", |holds| {
        let mut desk = Desk::new();
        desk.all(1, |_| command::<Account>("a", open()));
        desk.all(1, |_| command::<Account>("a", deposit(10 * MANY)));
        // The last ones are over first, so what is due is not where it would be found by luck.
        let first = desk.all(holds, |index| {
            let seconds = if index + 2 < holds { 3_600 } else { 30 };
            command::<Account>("a", hold(1, Some(seconds)))
        });
        let held = |index: u64| Id::made('h', first.plus(index * (holds / FEW)));
        let mut counted = vec![
            desk.count("charge", |_| command::<Account>("a", charge(1))),
            desk.count("hold", |_| command::<Account>("a", hold(1, Some(60)))),
            desk.count("read of a hold", |index| {
                let items = vec![hold_key(first.plus(index % FEW))];
                Ask::Read(Reading { stream: name::<Account>("a"), items })
            }),
            desk.count_some("capture", 4, |index| {
                let capture = account::Command::Capture { hold: held(index), amount: None };
                command::<Account>("a", capture)
            }),
            desk.count_some("release", 4, |index| {
                command::<Account>("a", account::Command::Release { hold: held(4 + index) })
            }),
        ];
        desk.now = Timestamp::from_ms(desk.now.ms() + 31_000);
        counted.push(desk.count_some("charge after two holds lapsed", 1, |_| {
            command::<Account>("a", charge(1))
        }));
        counted
    });
}

#[test]
fn a_keyed_deposit_costs_the_same_behind_a_million_keys() {
    compare("keys", |keys| {
        let mut desk = Desk::new();
        desk.all(1, |_| command::<Account>("a", open()));
        let first = |index: u64| keyed::<Account>(&format!("key-{index:07}"), "a", deposit(1));
        desk.all(keys, first);
        vec![
            desk.count("keyed deposit", |index| first(MANY + index)),
            desk.count("the same again", |index| first(MANY + index)),
            desk.count("an old one again", |index| first(index % FEW)),
            desk.count("deposit", |_| command::<Account>("a", deposit(1))),
        ]
    });
}

/// What commands of one sort led to, all told.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Cost {
    what: &'static str,
    commands: u64,
    replies: usize,
    loads: usize,
    messages: usize,
    entries: usize,
    log_bytes: usize,
    rows: usize,
    row_bytes: usize,
    answer_bytes: usize,
    steps: u64,
}

/// Everything that leaves the shard is the same to the byte; what is looked at inside is no
/// more than a little of what chance adds.
fn compare(what: &str, count: impl Fn(u64) -> Vec<Cost>) {
    let (few, many) = (count(FEW), count(MANY));
    for (few, many) in few.into_iter().zip(many) {
        println!("{what}: {few:?}\n{what}: {many:?}");
        assert_eq!(many.loads + many.messages, 0, "{what}: {many:?}");
        assert!(many.steps <= 2 * few.steps + COUNTED, "{what}: {few:?} {many:?}");
        assert_eq!(Cost { steps: 0, ..few }, Cost { steps: 0, ..many }, "{what}");
    }
}

/// One shard without a store behind it, all of whose state is in memory.
struct Desk {
    shard: Shard,
    ring: MemoryRing,
    now: Timestamp,
    calls: u64,
}

impl Desk {
    fn new() -> Self {
        // Room for keys to spare: what happens at that bound is another test's matter.
        let keys_max = 8 * MANY as usize;
        let config = Config { memory_max: usize::MAX, keys_max, ..Config::new(0, 1) };
        let mut shard = Shard::new(config, &registry(), Published::default());
        shard.noted_all();
        let ring = MemoryRing::new(Position::new(1), u64::MAX >> 1, u64::MAX >> 1);
        Self { shard, ring, now: setup(1).start, calls: 0 }
    }

    /// Asks all of these, which are accepted, and gives the position of the first event.
    fn all(&mut self, count: u64, ask: impl Fn(u64) -> Ask) -> Position {
        let first = self.ring.next();
        for start in (0..count).step_by(TICK as usize) {
            let (_, effects) = self.tick((start..count.min(start + TICK)).map(&ask).collect());
            let replies = effects.iter().filter_map(reply_of);
            assert!(replies.map(done).all(|outcome| outcome.changed));
        }
        assert_eq!(self.ring.next(), first.plus(count), "each was accepted with one event");
        first
    }

    fn count(&mut self, what: &'static str, ask: impl Fn(u64) -> Ask) -> Cost {
        self.count_some(what, COUNTED, ask)
    }

    fn count_some(&mut self, what: &'static str, commands: u64, ask: impl Fn(u64) -> Ask) -> Cost {
        let steps = self.shard.steps();
        let (batch, effects) = self.tick((0..commands).map(ask).collect());
        let steps = self.shard.steps() - steps;
        let replies = effects.iter().filter_map(reply_of);
        let answer_bytes = replies.map(|reply| done(reply).answer.as_bytes().len());
        let of = |is_it: fn(&Effect) -> bool| effects.iter().filter(|effect| is_it(effect)).count();
        let rows = || batch.rows.range(0..batch.rows.len());
        Cost {
            what,
            commands,
            replies: of(|effect| matches!(effect, Effect::Reply(..))),
            loads: of(|effect| matches!(effect, Effect::Load(_))),
            messages: of(|effect| matches!(effect, Effect::Send(..))),
            entries: batch.entries.len(),
            log_bytes: batch.bytes.len(),
            rows: rows().count(),
            row_bytes: rows().map(|row| row.key.len() + row.value.map_or(0, <[u8]>::len)).sum(),
            answer_bytes: answer_bytes.sum(),
            steps,
        }
    }

    fn tick(&mut self, asks: Vec<Ask>) -> (Batch, Vec<Effect>) {
        let mut out = Vec::new();
        for ask in asks {
            self.calls += 1;
            let from = out.len();
            self.shard.submit(CallId(self.calls), ask, self.now, &mut self.ring, &mut out);
            self.answer_loads(from, &mut out);
        }
        let batch = self.shard.take_batch();
        let watermark = Position::new(self.ring.next().get() - 1);
        self.shard.publish(Published { watermark, now_limit: Timestamp::NEVER }, &mut out);
        (batch, out)
    }

    /// The store has nothing that the shard does not have in memory. A key's filter may ask
    /// nevertheless, once in a long while.
    fn answer_loads(&mut self, mut from: usize, out: &mut Vec<Effect>) {
        while let Some(effect) = out.get(from) {
            if let Effect::Load(Load { ticket, what: Wanted::Key(..) }) = effect {
                let (ticket, found) = (*ticket, Ok(Found::Key(None)));
                self.shard.loaded(ticket, found, self.now, &mut self.ring, out);
            }
            from += 1;
        }
    }
}

fn reply_of(effect: &Effect) -> Option<&Reply> {
    match effect {
        Effect::Reply(_, reply) => Some(reply),
        Effect::Load(_) | Effect::Send(..) => None,
    }
}

fn done(reply: &Reply) -> &Outcome {
    match reply {
        Reply::Done(outcome) => outcome,
        other => panic!("expected an acceptance, got {other:?}"),
    }
}

/// Of the same length, whatever the number.
fn claimant(index: u64) -> String {
    format!("claimant-{index:07}")
}
