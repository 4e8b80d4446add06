//! Whole ledgers under test: crashes, rot, full disks, old directories.

mod life;
mod say;
mod trimmed;
