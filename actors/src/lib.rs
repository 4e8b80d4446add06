//! The engine of a ledger on threads: it only carries things between callers, `core` and a log.
//!
//! ```text
//! caller ─► Handle ─► gate ─► a shard's inbox ─► Pump (actor) ─► lane ─► committer (thread) ─► log
//!              ▲                                   │  ▲                      │
//!              └───────── replies ◄────────────────┘  └── watermark, bell ◄──┘
//! ```
//!
//! Every rule is `core`'s, and everything that threads share is `quipu-sync`'s. What is left here
//! is who runs where, who wakes whom, and what happens when a thread panics or a disk fails.
//!
//! | module | what it is |
//! |---|---|
//! | [`engine`] | starts all of it over a log and a store, and stops it cleanly |
//! | [`handle`] | what callers hold: asks go in, replies come out |
//! | [`settings`] | every bound and choice, with its default |
//! | [`clock`] | the boot clock and the wall clock become a time that never runs back |
//! | `shared` | what the threads of one engine share |
//! | `shard` | the actor: it waits for a bell and lets its pump turn |
//! | `pump` | one turn of a shard: inboxes in, batches and replies out |
//! | `calls` | who is waiting for which answer |
//! | `credit` | a shard's part of the ring |
//! | `committer` | the one writer of the log, on a thread of its own |
//! | `checkpoints` | the thread that brings the store onto the disk |
//! | `loads` | the threads that read the store for shards |
//! | `filters` | the thread that fills the filters once after an opening |
//! | `gauges` | what is measured |

mod calls;
mod checkpoints;
pub mod clock;
mod committer;
mod credit;
pub mod engine;
mod filters;
mod gauges;
pub mod handle;
mod loads;
mod pump;
pub mod settings;
mod shard;
mod shared;

pub use engine::{Engine, Place, Stopped};
pub use handle::{Answer, Answers, Handle};
pub use settings::Settings;
