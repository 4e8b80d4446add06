//! The drop machine.
