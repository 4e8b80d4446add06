//! The file log under test.

mod conformance;
mod crash;
mod facts;
mod failed_sync;
mod full;
mod lies;
mod promise;
mod random;
mod reader;
mod room;
mod rot;
mod truth;
