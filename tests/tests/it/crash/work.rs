//! What a ledger is made to do, as the simulator does it.

pub(super) use quipu_sim::exhaustive::life::{enter, essence, rests_on, small, with_engine};
