//! The rules of the collection machine, as a table of cases.
