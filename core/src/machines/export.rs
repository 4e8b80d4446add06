//! The export machine.
