//! The flow machine.
