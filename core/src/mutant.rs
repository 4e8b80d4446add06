//! Planted bugs, for the tests that must catch them.
//!
//! Without the feature `mutants` the macro is the constant `false` and leaves no code behind.

/// One planted bug, on in this thread only while a test plants it.
#[cfg_attr(not(feature = "mutants"), expect(unreachable_pub, reason = "public with the feature"))]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Mutant {
    /// Answers leave before their position is durable.
    AnswerBeforeSync,
    /// Refusals do not wait for what they rest on.
    RefusalNotHeld,
    /// Reads do not wait for what they rest on.
    ReadNotHeld,
    /// The watermark is published for a frame that has only been written.
    WatermarkEarly,
    /// A repeat of a key is decided again.
    KeyIgnored,
    /// Replay does not bring back the rows of keys.
    KeyLostOnReplay,
    /// A key is honoured for longer than a day.
    KeyNeverExpires,
    /// A frame of an older epoch is accepted.
    EpochIgnored,
    /// Recovery drops the last frame.
    TailTooShort,
    /// Recovery applies an event that the store holds already.
    AppliedTwice,
    /// `now` starts below the durable limit after recovery.
    NowLimitIgnored,
    /// The clock of a shard follows its input backwards.
    TimeRunsBack,
    /// A stream that is not durable yet is let go of.
    EvictDirty,
    /// A transaction's leg is applied although a later one is refused.
    LegAlone,
    /// A transaction reserves nothing.
    NoReservation,
    /// A hold is freed twice: a release leaves it held.
    HoldFreedTwice,
    /// A drop's claim does not count as taken.
    ClaimWithoutStock,
    /// Timers are not fired before a command.
    TimersSkipped,
    /// An item that changes leaves its old index rows behind.
    IndexLeftBehind,
    /// Replay forgets what an item was when it was written last.
    IndexLostOnReplay,
}

/// Whether a mutant is planted.
#[cfg(feature = "mutants")]
macro_rules! mutant {
    ($name:ident) => {
        $crate::mutant::is_planted($crate::mutant::Mutant::$name)
    };
}

/// Whether a mutant is planted: never.
#[cfg(not(feature = "mutants"))]
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

#[cfg(feature = "mutants")]
pub(crate) fn is_planted(mutant: Mutant) -> bool {
    PLANTED.get() == Some(mutant)
}
