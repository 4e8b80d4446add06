//! The rules of the account machine, as a table of cases.
