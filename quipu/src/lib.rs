//! A durable ledger as a library: open, verify, back up, restore.
//!
//! | module | what it is |
//! |---|---|
//! | [`ledger`] | the ledger that a program embeds: [`Ledger`] |
//! | `directory` | the same for a folder of the operating system: [`create`], [`open`] |
//! | [`files`] | the files of a ledger: made in one step, opened under a lock, recovered |
//! | [`manifest`] | what a folder is, and which ledger lies in it |
//! | [`backup`] | one file with everything up to one position, made while writing goes on |
//! | [`restore`](mod@restore) | a backup as a new ledger |
//! | [`verify`](mod@verify) | every byte that counts, and what it adds up to |
//! | [`upgrade`](mod@upgrade) | what an older version made, as this one makes it |
//! | [`error`] | why a ledger cannot be opened, one clear sentence each |

pub mod backup;
mod directory;
pub mod error;
pub mod files;
pub mod ledger;
mod log;
pub mod manifest;
mod overlay;
pub mod restore;
mod secret;
pub mod upgrade;
pub mod verify;

pub use directory::{create, open};
pub use error::OpenError;
pub use files::{BackupJob, Files, Options};
pub use ledger::{Builder, Ledger};
pub use log::AnyLog;
pub use manifest::{FORMAT, LedgerId, LogKind, Manifest, Origin};
pub use restore::restore;
pub use secret::KeyMaterial;
pub use upgrade::upgrade;
pub use verify::{Verified, verify};
