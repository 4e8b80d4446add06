//! The rules of the book machine, as a table of cases.
