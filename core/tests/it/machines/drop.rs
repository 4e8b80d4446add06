//! The rules of the drop machine, as a table of cases.
