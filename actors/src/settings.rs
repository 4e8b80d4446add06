//! Every bound and choice of an engine, with its default.

use core::time::Duration;

/// The bounds and choices of an engine. Whatever goes beyond a bound is refused, or waits.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The calls that may be under way; one more is `overloaded`. Asks that come together are one
    /// call on each shard. The more there may be, the longer each of them waits when all come at
    /// once: 128 for each core of the machine unless said otherwise.
    pub calls_max: u64,
    /// The bytes of commands that may be under way, each with 256 for what comes with it.
    pub calls_bytes_max: u64,
    /// The events that may wait for the log. Never less than the largest transaction takes.
    pub ring_slots: u64,
    /// The room on the log that may be set aside. Never less than the largest entry takes.
    pub ring_bytes: u64,
    /// How many asks a shard carries out before it hands over what has happened.
    pub turn_asks: usize,
    /// For how long a shard with unanswered calls looks for what is durable before it sleeps. To
    /// be woken on another core costs more than most syncs.
    pub shard_polls: Duration,
    /// For how long the committer looks for something to write before it sleeps, while calls are
    /// under way.
    pub committer_polls: Duration,
    /// After so long without an append the log is told that all of it is durable.
    pub seal_after: Duration,
    /// The bytes of rows in memory from which on a checkpoint is made. At twice as many the
    /// committer waits for the one that is being made.
    pub checkpoint_bytes: usize,
    /// How many threads read the store for shards.
    pub loaders: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            calls_max: 128
                * std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64),
            calls_bytes_max: 64 << 20,
            ring_slots: 1 << 20,
            ring_bytes: 32 << 20,
            turn_asks: 512,
            shard_polls: Duration::from_micros(200),
            committer_polls: Duration::from_micros(20),
            seal_after: Duration::from_millis(20),
            checkpoint_bytes: 32 << 20,
            loaders: 2,
        }
    }
}
