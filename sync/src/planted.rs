//! Planted bugs, for the models that must catch them.
//!
//! In an ordinary build no bug is planted, the compiler knows it, and no code is left of them.

/// One planted bug, on in this thread only while a model plants it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Planted {
    /// Whoever lies down only stores that it does.
    LieDownStores,
    /// Whoever rings looks first whether anybody sleeps.
    RingPeeks,
    /// A watermark shows its position before its time.
    PositionFirst,
    /// A watermark orders nothing that was written before it.
    PublishRelaxed,
    /// A position is read and written in two steps.
    TakeInTwoSteps,
    /// The room is read before what is drawn is counted.
    RoomFirst,
    /// A gate looks whether it is open, and then counts.
    EnterInTwoSteps,
    /// Leaving a gate orders nothing that was done before it.
    LeaveRelaxed,
    /// An inbox looks whether it is closed, and then takes the thing in.
    PutInTwoSteps,
    /// The store may be frozen under an apply.
    FreezeUnderApply,
    /// A checkpoint lets go of its layers, and then shows the disk with them.
    LayersFirst,
}

/// Whether a bug is planted: never.
#[cfg(not(any(quipu_loom, quipu_shuttle)))]
#[must_use]
#[inline(always)]
pub const fn is_planted(_: Planted) -> bool {
    false
}

#[cfg(any(quipu_loom, quipu_shuttle))]
std::thread_local! {
    static PLANTED: core::cell::Cell<Option<Planted>> = const { core::cell::Cell::new(None) };
}

/// Plants a bug in this thread, and so in all threads of a model that it runs, or takes it out.
#[cfg(any(quipu_loom, quipu_shuttle))]
pub fn plant(bug: Option<Planted>) {
    PLANTED.set(bug);
}

/// Whether a bug is planted.
#[cfg(any(quipu_loom, quipu_shuttle))]
#[must_use]
pub fn is_planted(bug: Planted) -> bool {
    PLANTED.get() == Some(bug)
}
