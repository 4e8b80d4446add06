//! The ticket machine.
