//! What came of runs.

use super::breach::Breach;
use super::sites::{Site, Sites};
use crate::audit::Counts;

/// How a run ended.
#[derive(Clone, Debug)]
pub struct End {
    /// Of everything that happened: two runs of one seed have the same.
    pub hash: u64,
    /// The promise that was not kept.
    pub breach: Option<Breach>,
    /// What was counted.
    pub tally: Tally,
}

/// What is counted over runs.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Tally {
    /// Runs.
    pub seeds: u64,
    /// Processes that ended, and whose ledger was opened again.
    pub ends: u64,
    /// Power losses, also those while a ledger was opened.
    pub power: u64,
    /// Openings that came to their end.
    pub openings: u64,
    /// Asks that were sent.
    pub asks: u64,
    /// Answers that the auditor holds against the log.
    pub operations: u64,
    /// Of these, refusals.
    pub refused: u64,
    /// Answers that were neither yes nor no.
    pub failed: u64,
    /// What the auditor has looked at.
    pub audited: Counts,
    /// Asks whose process ended before the answer.
    pub lost: u64,
    /// Steps of the engine.
    pub steps: u64,
    /// Events in the logs at the end.
    pub events: u64,
    /// Virtual time.
    pub micros: u64,
    /// What was met.
    pub sites: Sites,
}

impl Tally {
    /// Crashes, each with the recovery behind it: power that was lost and processes that were
    /// killed, also while they opened the ledger. Those that were stopped do not count.
    #[must_use]
    pub fn crashes(&self) -> u64 {
        self.power + self.sites.count(Site::Killed)
    }

    /// Counts another run.
    pub fn merge(&mut self, other: &Self) {
        let Self { seeds, ends, power, openings, asks, operations, refused, failed, .. } = other;
        self.seeds += seeds;
        self.ends += ends;
        self.power += power;
        self.openings += openings;
        self.asks += asks;
        self.operations += operations;
        self.refused += refused;
        self.failed += failed;
        self.lost += other.lost;
        self.audited += other.audited;
        self.steps += other.steps;
        self.events += other.events;
        self.micros += other.micros;
        self.sites.merge(&other.sites);
    }
}
