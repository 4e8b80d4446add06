//! What a seed draws before anything happens: the whole configuration of a run.
//!
//! Every kind of trouble is on or off first, and then has a rate (*swarm testing*): a run in
//! which all troubles are at work gets nowhere, and one that has few of them gets deep.

use quipu_core::driver::{Filters, Move, Setup};
use quipu_core::recovery::Limits;
use quipu_core::shard::Config;
use quipu_ledger::{LogKind, Options};
use quipu_store_redb::store;

use super::queue::Micros;
use crate::Random;

/// A run's configuration.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What keeps the log.
    pub log: LogPlace,
    /// How many shards.
    pub shards: usize,
    /// How many clients.
    pub clients: usize,
    /// How many asks are sent before it is brought to an end.
    pub asks: u64,
    /// How many streams of each kind there are to ask of, and how many in a thousand asks go to
    /// the first of them.
    pub crowd: Crowd,
    /// What clients are like.
    pub habits: Habits,
    /// How long steps take.
    pub lags: Lags,
    /// When checkpoints and the like come.
    pub upkeep: Upkeep,
    /// How processes end.
    pub ends: Ends,
    /// What else goes wrong.
    pub troubles: Troubles,
    /// The most bytes of streams, items and keys in a shard's memory.
    pub memory_max: usize,
    /// The most calls of a shard that may be under way.
    pub calls_max: usize,
    /// The most keys of a shard that may be alive.
    pub keys_max: usize,
    /// Whether there is a short way for commands of several legs.
    pub short_way: bool,
    /// The ring's slots and bytes.
    pub room: (u64, u64),
    /// How filters are filled.
    pub filters: Filters,
    /// What recovery may keep in memory.
    pub limits: Limits,
    /// How much of a segment is filled with zeros at a time.
    pub fill_bytes: usize,
}

/// Where the log is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogPlace {
    /// In segmented files on the disk.
    Files,
    /// In a redb file on the disk.
    Redb,
    /// Elsewhere, where several processes reach it at a time, and none of them loses what was
    /// appended: only the epoch keeps a writer out that another has taken over from.
    Elsewhere,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Crowd {
    /// How many streams of each kind.
    pub names: u64,
    /// How many in a thousand asks go to one of the first two.
    pub hot: u64,
    /// How many in a thousand asks have a key.
    pub keyed: u64,
    /// From how many keys they draw: with few, one is used for several commands.
    pub keys: u64,
    /// How many in a thousand asks are transactions.
    pub transactions: u64,
    /// How many in a thousand asks are reads.
    pub reads: u64,
    /// Whether some asks put large values, so that segments get full.
    pub is_bulky: bool,
}

/// What clients are like, in so many of a thousand asks.
#[derive(Clone, Debug)]
pub struct Habits {
    /// How long they think.
    pub think: Micros,
    /// How long they wait before they ask again.
    pub patience: Micros,
    /// They ask twice at once.
    pub twins: u64,
    /// They ask again what was answered long ago.
    pub late: u64,
    /// They go away before the answer.
    pub abandoned: u64,
}

/// How long steps take, kind by kind.
#[derive(Clone, Debug)]
pub struct Lags {
    mean: [Micros; 9],
    /// How many in a thousand steps take much longer.
    wild: u64,
    /// How many in a thousand appends take seconds.
    stalls: u64,
}

/// The time between two of a kind; `None` is never.
#[derive(Clone, Debug)]
pub struct Upkeep {
    /// Checkpoints.
    pub checkpoints: Option<Micros>,
    /// From a freeze until it is written.
    pub writing: Micros,
    /// Room ahead of need.
    pub tends: Micros,
    /// Seals.
    pub seals: Option<Micros>,
}

/// How processes end.
#[derive(Clone, Debug)]
pub struct Ends {
    /// How long a process lives; `None` is to the end.
    pub every: Option<Micros>,
    /// How many in a thousand ends are at an operation of the disk, in the middle of a step.
    pub within: u64,
    /// At which operation of that life at the latest.
    pub far: u64,
    /// How many in a thousand ends take the power.
    pub power: u64,
    /// How many in a thousand of the others are as they should be.
    pub stops: u64,
    /// How many in a thousand openings do not come to their end.
    pub openings: u64,
    /// How many in a thousand of the others leave the old process running.
    pub takeovers: u64,
}

/// What else goes wrong.
#[derive(Clone, Debug)]
pub struct Troubles {
    /// One in so many operations that it can strike, fault by fault.
    pub faults: Vec<(Failing, u64, Option<&'static str>)>,
    /// How long until the clock jumps.
    pub jumps: Option<Micros>,
    /// How long until the disk is full, or has room again.
    pub full: Option<Micros>,
    /// How long until somebody else tries to open the ledger.
    pub intruders: Option<Micros>,
    /// Whether writes to the store lie.
    pub lies: bool,
}

/// A fault of the disk that a plan switches on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failing {
    /// A file's sync.
    Sync,
    /// A directory's sync.
    SyncDir,
    /// A write.
    Write,
    /// A write that stops between two sectors.
    Short,
    /// A read.
    Read,
    /// A change of a name.
    Name,
    /// What takes room.
    Space,
    /// A write that lands elsewhere.
    Misdirected,
    /// A sector that is never written.
    Stale,
}

impl Plan {
    /// Draws a plan.
    #[must_use]
    pub fn draw(random: &mut Random) -> Self {
        let is_bulky = random.one_in(50);
        let clients = random.pick(&[1, 2, 3, 5, 8, 13, 24, 64]);
        let think = random.spread(100, 60_000);
        let lags = Lags::draw(random);
        // About how long it takes from one ask to the next.
        let pace = 1 + (think + lags.round_trip()) / clients as u64;
        let asks = random.spread(160, 560);
        Self {
            log: random.pick(&[
                LogPlace::Files,
                LogPlace::Files,
                LogPlace::Files,
                LogPlace::Files,
                LogPlace::Redb,
                LogPlace::Elsewhere,
            ]),
            shards: random.pick(&[1, 1, 2, 2, 3, 4, 6, 8]),
            clients,
            asks,
            crowd: Crowd {
                names: random.pick(&[1, 3, 6, 6, 12, 40]),
                hot: random.pick(&[0, 200, 500, 900]),
                keyed: random.pick(&[0, 300, 600, 900]),
                keys: random.pick(&[4, 64, 1 << 20, 1 << 20]),
                transactions: random.pick(&[0, 60, 120, 400]),
                reads: random.pick(&[50, 100, 300]),
                is_bulky,
            },
            habits: Habits {
                think,
                patience: random.spread(1_000, 5_000_000),
                twins: random.pick(&[0, 30, 200]),
                late: random.pick(&[0, 30, 150]),
                abandoned: random.pick(&[0, 40, 200]),
            },
            lags,
            upkeep: Upkeep {
                checkpoints: (!random.one_in(6)).then(|| pace * random.pick(&[30, 100, 100, 300])),
                writing: random.spread(100, 300_000),
                tends: pace * random.pick(&[10, 40]),
                seals: (!random.one_in(3)).then(|| pace * random.pick(&[8, 40])),
            },
            ends: Ends {
                every: (!random.one_in(16)).then(|| pace * random.pick(&[30, 60, 120, 240])),
                within: random.pick(&[200, 500, 800]),
                far: random.pick(&[60, 120, 120, 400]),
                power: random.pick(&[300, 600, 900]),
                stops: random.pick(&[0, 200]),
                openings: random.pick(&[0, 0, 150, 400]),
                takeovers: random.pick(&[0, 0, 150]),
            },
            troubles: Troubles::draw(random, pace),
            memory_max: random.pick(&[0, 4_000, 40_000, 256 << 20]),
            calls_max: random.pick(&[8, 64, 4_096, 4_096, 4_096, 4_096]),
            keys_max: random.pick(&[64, 4_096, 4_096, 4_096]),
            short_way: random.chance(700),
            room: random.pick(&[
                (24, 400_000),
                (200, 4 << 20),
                (4_096, 64 << 20),
                (4_096, 64 << 20),
                (4_096, 64 << 20),
            ]),
            filters: random.pick(&[
                Filters::AtOnce,
                Filters::InSteps,
                Filters::InSteps,
                Filters::Never,
            ]),
            limits: Limits {
                memory: random.pick(&[0, 100_000, 64 << 20]),
                pending: random.pick(&[100_000, 64 << 20]),
            },
            fill_bytes: random.pick(&[4 << 10, 64 << 10]),
        }
        .sane()
    }

    /// A ring has room for the largest ask.
    fn sane(mut self) -> Self {
        if self.crowd.is_bulky {
            self.room = (4_096, 64 << 20);
            self.calls_max = self.calls_max.max(64);
            // Only where segments get full does a full disk turn anybody away.
            self.troubles.full.get_or_insert(self.habits.think * 10);
        }
        self
    }

    /// How the ledger's files are opened: with little memory, and nothing on another thread.
    #[must_use]
    pub fn options(&self) -> Options {
        let files = quipu_log_file::Settings {
            fill_bytes: self.fill_bytes,
            beside_bytes: None,
            ..quipu_log_file::Settings::default()
        };
        let store = store::Settings { cache_bytes: 1 << 20, ..store::Settings::default() };
        let limits = self.limits;
        let log = match self.log {
            LogPlace::Redb => LogKind::Redb,
            LogPlace::Files | LogPlace::Elsewhere => LogKind::Files,
        };
        Options { log, files, log_cache_bytes: 1 << 20, store, limits }
    }

    /// How the engine is set up.
    #[must_use]
    pub fn setup(&self, setup: Setup) -> Setup {
        Setup {
            config: Config {
                memory_max: self.memory_max,
                calls_max: self.calls_max,
                keys_max: self.keys_max,
                short_way: self.short_way,
                ..setup.config
            },
            room: self.room,
            filters: self.filters,
            limits: self.limits,
            ..setup
        }
    }

    /// Whether anything but an end of the process may keep the ledger from its disk.
    #[must_use]
    pub fn is_faulty(&self) -> bool {
        !self.troubles.faults.is_empty() || self.troubles.full.is_some()
    }
}

impl Lags {
    fn draw(random: &mut Random) -> Self {
        // In some runs everything takes as long as anything: then any order can come.
        let is_wide = random.one_in(4);
        let mut mean = |low, high| if is_wide { 20_000 } else { random.spread(low, high) };
        let mean = [
            mean(1, 2_000),
            mean(10, 20_000),
            mean(1, 2_000),
            mean(1, 1_000),
            mean(50, 20_000),
            mean(1, 2_000),
            mean(1, 10_000),
            mean(10, 20_000),
            mean(10, 20_000),
        ];
        let (wild, stalls) = (random.pick(&[0, 5, 50]), random.pick(&[0, 0, 0, 10]));
        Self { mean, wild, stalls }
    }

    /// About how long an ask takes.
    fn round_trip(&self) -> Micros {
        self.mean.iter().take(6).sum()
    }

    /// How long a step takes, and whether it stalls.
    pub(super) fn of(&self, step: Move, random: &mut Random) -> (Micros, bool) {
        let kind = match step {
            Move::Deliver(..) => 0,
            Move::Answer(_) => 1,
            Move::Flush(_) => 2,
            Move::Append => 3,
            Move::Settle => 4,
            Move::Publish(_) => 5,
            Move::Tick(_) => 6,
            Move::Note => 7,
            Move::TakeNotes(_) => 8,
        };
        let lag = 1 + random.below(2 * self.mean[kind]);
        if step == Move::Settle && random.chance(self.stalls) {
            return (2_000_000 + random.below(20_000_000), true);
        }
        let lag = if random.chance(self.wild) { 30 * lag } else { lag };
        (lag, false)
    }

    /// No step takes longer than this without a stall.
    pub(super) fn longest(&self) -> Micros {
        60 * self.mean.iter().max().copied().unwrap_or(0)
    }

    pub(super) fn end_stalls(&mut self) {
        self.stalls = 0;
    }
}

impl Troubles {
    fn draw(random: &mut Random, pace: Micros) -> Self {
        let mut faults = Vec::new();
        if random.one_in(2) {
            for (failing, rates) in [
                (Failing::Sync, [40, 200]),
                (Failing::SyncDir, [6, 30]),
                (Failing::Write, [60, 300]),
                (Failing::Short, [60, 300]),
                (Failing::Read, [60, 400]),
                (Failing::Name, [6, 30]),
                (Failing::Space, [60, 300]),
            ] {
                let rate = random.pick(&rates);
                let only = random.pick(&[None, Some("log"), Some("store")]);
                if random.one_in(4) {
                    faults.push((failing, rate, only));
                }
            }
        }
        // What lies about the log would lose what was answered, which nobody promises to survive:
        // a store is made anew.
        let lies = random.one_in(12);
        if lies {
            let store = Some("store");
            faults.push((Failing::Misdirected, random.pick(&[10, 60]), store));
            faults.push((Failing::Stale, random.pick(&[10, 60]), store));
        }
        let often = |random: &mut Random, one_in, every| random.one_in(one_in).then_some(every);
        Self {
            faults,
            jumps: often(random, 3, pace * 80),
            full: often(random, 8, pace * 60),
            intruders: often(random, 6, pace * 80),
            lies,
        }
    }
}
