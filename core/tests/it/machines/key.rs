//! The rules of the key machine, as a table of cases.
