//! What is found of a ledger on a disk, as the simulator finds it.

use quipu_sim::disk::SimDisk;
use quipu_sim::exhaustive::found;
pub(super) use quipu_sim::exhaustive::found::{anchors, frames};

use crate::say::*;

/// That log, store, money and keys fit together. Gives the digest of the state.
pub(super) fn fits_together(ledger: &Ledger<SimDisk>) -> [u8; 32] {
    found::fits_together(ledger).expect("it fits together")
}
