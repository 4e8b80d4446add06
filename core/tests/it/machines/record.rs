//! The rules of the record machine, as a table of cases.
