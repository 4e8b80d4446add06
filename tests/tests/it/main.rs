//! Whole ledgers under test: crashes, rot, full disks, old directories.

mod backup;
mod craft;
mod crash;
mod cut;
mod dropped;
mod errors;
mod golden;
mod life;
mod outlived;
mod rest;
mod rich;
mod rot;
mod say;
mod told;
mod trimmed;
mod trimmed_crash;
mod upgrade;
