//! Whole ledgers under test: crashes, rot, full disks, old directories.

mod crash;
mod life;
mod say;
