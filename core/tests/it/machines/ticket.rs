//! The rules of the ticket machine, as a table of cases.
