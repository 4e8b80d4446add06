//! What can happen in a run, and how often it did: a run of many seeds in which something never
//! happened has not tried it.

use std::collections::BTreeMap;

macro_rules! sites {
    ($($(#[$doc:meta])* $site:ident $name:literal,)*) => {
        /// A fault that struck, or something else that a run must meet.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum Site {
            $($(#[$doc])* $site,)*
        }

        impl Site {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$site,)*];

            /// Its name in reports.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$site => $name,)* }
            }
        }
    };
}

sites! {
    /// A file's sync failed.
    FailedSync "failed_sync",
    /// A directory's sync failed.
    FailedSyncDir "failed_sync_dir",
    /// A write failed.
    FailedWrite "failed_write",
    /// A write stopped short.
    ShortWrite "short_write",
    /// A read failed.
    FailedRead "failed_read",
    /// A name was not given, changed or taken.
    FailedName "failed_name",
    /// There was no room.
    NoSpace "no_space",
    /// A write landed elsewhere.
    MisdirectedWrite "misdirected_write",
    /// A sector never reached the disk.
    StaleSector "stale_sector",
    /// Power was lost.
    LostPower "lost_power",
    /// Power took a write.
    LostWrite "lost_write",
    /// Power took a part of a write.
    TornWrite "torn_write",
    /// Power took a length.
    LostLength "lost_length",
    /// Power took a name.
    LostName "lost_name",
    /// Power took a rename.
    LostRename "lost_rename",
    /// A process was killed while power stayed.
    Killed "killed",
    /// A ledger was stopped as it should be.
    Stopped "stopped",
    /// A process ended at an operation of the disk, in the middle of a step.
    EndedInStep "ended_in_step",
    /// A process ended while it opened the ledger.
    EndedInOpening "ended_in_opening",
    /// The process after that ended there as well.
    EndedTwice "ended_twice",
    /// An opening failed on a failing disk.
    NotOpened "not_opened",
    /// A ledger was recovered once more, and nothing changed.
    RecoveredTwice "recovered_twice",
    /// A stream was let go of to save memory.
    Eviction "eviction",
    /// The log failed, and the ledger latched.
    Latch "latch",
    /// A caller was told that the disk is full.
    DiskFull "disk_full",
    /// A caller was told that too much is under way.
    Overloaded "overloaded",
    /// A caller was told that the outcome is unknown.
    Unknown "unknown",
    /// A caller was told that a row is damaged, or could not be read.
    Corrupt "corrupt",
    /// The wall clock jumped forward by hours.
    ClockForward "clock_forward",
    /// The wall clock jumped back by hours.
    ClockBack "clock_back",
    /// A key gave the answer of an earlier ask.
    Replayed "replayed",
    /// It was one from before a crash.
    ReplayedAcrossCrash "replayed_across_crash",
    /// An ask was sent again while it was under way.
    DuplicateInFlight "duplicate_in_flight",
    /// An ask was sent again long after it had been answered.
    LateDuplicate "late_duplicate",
    /// An ask was sent again after an unknown outcome, or after a crash.
    RetriedUnknown "retried_unknown",
    /// A caller went away before its answer.
    Abandoned "abandoned",
    /// Somebody else tried to open a ledger that is open.
    SecondOpening "second_opening",
    /// A writer went on after another had taken over, and could not append.
    SecondWriterFenced "second_writer_fenced",
    /// A damaged store was set aside.
    StoreSetAside "store_set_aside",
    /// A checkpoint was made.
    Checkpoint "checkpoint",
    /// A checkpoint failed.
    CheckpointFailed "checkpoint_failed",
    /// Something was committed between a freeze and its checkpoint.
    CommitWithinCheckpoint "commit_within_checkpoint",
    /// An append took seconds.
    Stall "stall",
    /// A transaction over several streams was decided.
    Transaction "transaction",
    /// It ran over several shards.
    AcrossShards "across_shards",
    /// Time passed for a shard that had something due.
    Due "due",
    /// A key was refused for another command.
    KeyReused "key_reused",
}

/// How often each site was met.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sites([u64; Site::ALL.len()]);

impl Default for Sites {
    fn default() -> Self {
        Self([0; Site::ALL.len()])
    }
}

impl Sites {
    /// Counts one.
    pub fn met(&mut self, site: Site) {
        self.add(site, 1);
    }

    /// Counts several.
    pub fn add(&mut self, site: Site, count: u64) {
        self.0[site as usize] += count;
    }

    /// How often this one was met.
    #[must_use]
    pub fn count(&self, site: Site) -> u64 {
        self.0[site as usize]
    }

    /// Counts what happened elsewhere.
    pub fn merge(&mut self, other: &Self) {
        for (here, there) in self.0.iter_mut().zip(&other.0) {
            *here += there;
        }
    }

    /// Counts what a disk says of its faults.
    pub(super) fn of_disk(&mut self, fired: &BTreeMap<&'static str, u64>) {
        for site in Site::ALL {
            self.add(*site, fired.get(site.name()).copied().unwrap_or(0));
        }
    }

    /// Every site and how often it was met.
    pub fn each(&self) -> impl Iterator<Item = (Site, u64)> + '_ {
        Site::ALL.iter().map(|site| (*site, self.count(*site)))
    }

    /// The sites that were never met.
    #[must_use]
    pub fn missing(&self) -> Vec<Site> {
        self.each().filter(|(_, count)| *count == 0).map(|(site, _)| site).collect()
    }
}
