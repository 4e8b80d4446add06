//! The rules of the export machine, as a table of cases.
