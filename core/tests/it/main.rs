//! The tests of the core, as modules of one binary.

mod conformance;
mod decoding;
mod engine;
mod golden;
mod machines;
mod models;
mod records;

use proptest::prelude::ProptestConfig;

/// So many cases of a property. A case that fails is kept as a test by hand, not as a file.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}
