//! Whole ledgers under test: crashes, rot, full disks, old directories.

mod dropped;
mod life;
mod outlived;
mod say;
mod trimmed;
