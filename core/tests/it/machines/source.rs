//! The rules of the source machine, as a table of cases.
