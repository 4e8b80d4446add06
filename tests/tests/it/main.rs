//! Whole ledgers under test: crashes, rot, full disks, old directories.

mod crash;
mod cut;
mod dropped;
mod life;
mod outlived;
mod rest;
mod rich;
mod rot;
mod say;
mod told;
mod trimmed;
mod trimmed_crash;
