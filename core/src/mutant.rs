//! Planted bugs, for the tests that must catch them.
//!
//! Without the feature `mutants` the macro is the constant `false`, here and in every crate that
//! uses it, and leaves no code behind.

macro_rules! mutants {
    ($($(#[doc = $doc:literal])+ $name:ident,)*) => {
        /// One planted bug, on in this thread only while a test plants it.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Mutant {
            $($(#[doc = $doc])+ $name,)*
        }

        impl Mutant {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// What is wrong.
            #[must_use]
            pub const fn bug(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+),)* }
            }
        }
    };
}

mutants! {
    // Answers.
    /// Answers leave before their position is durable.
    AnswerBeforeSync,
    /// Refusals do not wait for what they rest on.
    RefusalNotHeld,
    /// Reads do not wait for what they rest on.
    ReadNotHeld,
    /// The watermark is published for a frame that has only been written.
    WatermarkEarly,
    // Keys.
    /// A repeat of a key is decided again.
    KeyIgnored,
    /// The record of a key is not in the entry of its effect.
    KeyNotInEntry,
    /// Replay does not bring back the rows of keys.
    KeyLostOnReplay,
    /// A key is honoured for longer than a day.
    KeyNeverExpires,
    // Writers.
    /// A frame of an older epoch is accepted.
    EpochIgnored,
    // The log.
    /// A frame counts as durable without a sync.
    SyncSkipped,
    /// A sync of the log that failed is tried again.
    SyncRetried,
    /// A segment gets its name before it is synced.
    SegmentNotSynced,
    /// The name of a new segment is not made durable.
    SegmentNameNotSynced,
    /// An opening takes frames that nothing proves for durable.
    UnprovenTrusted,
    /// The checksum of a frame's payload is not looked at.
    TornFrameAccepted,
    /// A bad frame is cut as a torn tail although a later header proves it.
    ProvenFrameCut,
    // Recovery.
    /// Recovery drops the last frame.
    TailTooShort,
    /// Recovery applies an event that the store holds already.
    AppliedTwice,
    /// `now` starts below the durable limit after recovery.
    NowLimitIgnored,
    // Shards.
    /// The clock of a shard follows its input backwards.
    TimeRunsBack,
    /// Timers are not fired before a command.
    TimersSkipped,
    /// What is due on a stream is forgotten when it is read from the store.
    DueLostOnLoad,
    /// A stream that is not durable yet is let go of.
    EvictDirty,
    // Transactions.
    /// A transaction's leg is applied although a later one is refused.
    LegAlone,
    /// One stream of a transaction does not take back what was changed on its copy.
    LegNotInstalled,
    /// A transaction reserves nothing.
    NoReservation,
    /// A transaction that waits for a stream is forgotten when its turn comes.
    ReserverForgotten,
    /// A command is decided on a stream of which a transaction has a copy.
    ReservedIgnored,
    // Machines.
    /// A hold is freed twice: a release leaves it held.
    HoldFreedTwice,
    /// A payout that failed can fail again, and each time frees what was set aside for it.
    WithdrawalRestoredTwice,
    /// A worker whose lease another has taken over still decides what becomes of a payout.
    FenceIgnored,
    /// What an account spends does not count towards its cap.
    SpendCapNotCounted,
    /// Whoever is paid gets a unit more than was sent.
    UnitMade,
    /// A drop's claim does not count as taken.
    ClaimWithoutStock,
    /// A claim whose units came back can give them back again.
    ReleasedTwice,
    // Indexes and the store.
    /// An item that changes leaves its old index rows behind.
    IndexLeftBehind,
    /// Replay forgets what an item was when it was written last.
    IndexLostOnReplay,
    /// A checkpoint says that it reaches further than its rows.
    CheckpointAhead,
    /// A sync of the store that failed counts as one that did not.
    StoreSyncIgnored,
    /// The store reads pages without looking at their checksums.
    PageSumIgnored,
    // The folder.
    /// The manifest gets its name before it is synced.
    ManifestNotSynced,
}

/// Whether a mutant is planted.
#[cfg(feature = "mutants")]
#[doc(hidden)]
#[macro_export]
macro_rules! mutant {
    ($name:ident) => {
        $crate::mutant::is_planted($crate::mutant::Mutant::$name)
    };
}

/// Whether a mutant is planted: never.
#[cfg(not(feature = "mutants"))]
#[doc(hidden)]
#[macro_export]
macro_rules! mutant {
    ($name:ident) => {{
        const _: $crate::mutant::Mutant = $crate::mutant::Mutant::$name;
        false
    }};
}

#[cfg(feature = "mutants")]
std::thread_local! {
    static PLANTED: core::cell::Cell<Option<Mutant>> = const { core::cell::Cell::new(None) };
}

/// Plants a bug in this thread, or takes it out again.
#[cfg(feature = "mutants")]
pub fn plant(mutant: Option<Mutant>) {
    PLANTED.set(mutant);
}

/// Whether this bug is planted in this thread.
#[cfg(feature = "mutants")]
#[must_use]
pub fn is_planted(mutant: Mutant) -> bool {
    PLANTED.get() == Some(mutant)
}
