//! The source machine.
