//! The key machine.
