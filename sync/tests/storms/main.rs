//! Storms: many threads at once, in orders that chance picks where it finds most.
//!
//! They are compiled with `--cfg quipu_shuttle` only; `.ci/models` runs them.
#![cfg(quipu_shuttle)]

mod hand_over;
mod storm;
mod way_out;
