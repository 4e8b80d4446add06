//! The log in segmented files, over any disk.
//!
//! One directory, one writer. Frames lie one behind the other in segments, each at the start of
//! a sector, each with the hash of all history before it. An append is one write and one sync.
//! Opening trusts nothing that no later frame vouches for: that is copied into a new segment, and
//! synced, before it counts.
//!
//! | module | what it is |
//! |---|---|
//! | `layout` | what lies in a segment, byte by byte |
//! | `segment` | one file, and how its frames are read |
//! | `footer` | where the positions of a sealed segment lie |
//! | `tail` | where a log ends, and what is damage |
//! | `ahead` | room ahead of need |
//! | `writer` | one write and one sync, here or on a thread |
//! | `read` | reading beside the writer |
//! | `files` | which files there are |
//! | `examine` | every byte that counts, checked, and nothing changed |
//! | `log` | all of it as a [`Log`](quipu_core::log::Log) |

mod ahead;
mod examine;
mod files;
mod footer;
mod layout;
mod log;
mod read;
mod segment;
mod settings;
mod tail;
mod writer;

pub use examine::{ClosedLog, FrameFacts, SegmentFacts, SegmentState};
pub use layout::{FORMAT, LogId};
pub use log::FileLog;
pub use read::FileReader;
pub use settings::Settings;
