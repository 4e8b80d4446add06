//! The disk that fails on purpose, and what drives a ledger over it.
