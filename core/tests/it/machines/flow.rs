//! The rules of the flow machine, as a table of cases.
