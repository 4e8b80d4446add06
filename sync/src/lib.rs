//! What the threads of a ledger share, all of it, in one small place.
//!
//! Shards, committer and callers run on threads of their own. What passes between them passes
//! through the six types of this crate and through nothing else, so this is all that a model
//! checker has to see. Nothing here knows what a stream, a log or a store is.
//!
//! | module | what it is |
//! |---|---|
//! | [`gate`] | admission: how many calls and bytes may be under way, and the way out |
//! | [`inbox`] | things handed over from many threads to one, first in, first out |
//! | [`doorbell`] | sleeping until somebody rings, without missing a ring |
//! | [`sequencer`] | positions, and the room that they need |
//! | [`watermark`] | what is durable, and whether the log has failed |
//!
//! | [`facade`] | the primitives that all of this is made of, or a model checker's |
//! | [`planted`] | bugs for the models to catch |
//!
//! With `--cfg quipu_loom` the models in `tests/` run on loom's primitives, and with
//! `--cfg quipu_shuttle` on shuttle's.

pub mod doorbell;
#[cfg(quipu_loom)]
pub mod explore;
pub mod facade;
pub mod gate;
pub mod inbox;
pub mod planted;
pub mod sequencer;
pub mod watermark;

pub use doorbell::Doorbell;
pub use gate::Gate;
pub use inbox::Inbox;
pub use sequencer::Sequencer;
pub use watermark::Watermark;
