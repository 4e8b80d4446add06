//! Whole ledgers on a disk that loses power, and fails otherwise too.
//!
//! | module | what it shows |
//! |---|---|
//! | `work` | what a ledger is made to do, and what its callers were told |
//! | `found` | what is found of a ledger on a disk, and that all of it fits together |
//! | `exhaustive` | small workloads: a crash at every operation, and at every one of the recovery |
//! | `random` | long workloads from seeds, with failing disks, held against a naive account |
//! | `faults` | each fault by hand |

mod audit;
mod exhaustive;
mod faults;
mod found;
mod random;
mod work;
