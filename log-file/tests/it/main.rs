//! The file log under test.

mod conformance;
