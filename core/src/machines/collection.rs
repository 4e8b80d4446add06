//! The collection machine.
