//! Whole ledgers under test: crashes, rot, full disks, old directories.

mod asked;
mod backup;
mod callers;
mod craft;
mod crash;
mod cut;
mod dropped;
mod errors;
mod failure;
mod golden;
mod kill;
mod life;
mod load;
mod outlived;
mod overload;
mod rest;
mod rich;
mod rot;
mod running;
mod say;
mod stop;
mod threads;
mod told;
mod trimmed;
mod trimmed_crash;
mod upgrade;
