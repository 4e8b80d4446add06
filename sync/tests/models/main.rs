//! Models: every order of the steps of a few threads, within a bound on preemptions.
//!
//! They are compiled with `--cfg quipu_loom` only; `.ci/models` runs them.
#![cfg(quipu_loom)]

mod epoch;
mod failure;
mod hand_over;
mod keys;
mod parking;
mod positions;
mod shutdown;
mod watermark;
