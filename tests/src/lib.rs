//! Whole ledgers under test; everything lies in tests/it.
