//! Whole ledgers on a disk that loses power, and fails otherwise too.
//!
//! | module | what it shows |
//! |---|---|
//! | `work`, `found` | what a ledger is made to do, and what is found of it on a disk |
//! | `exhaustive` | room made ahead, and the next segment: a crash at every operation, and at every one of the recovery |
//! | `random` | long workloads from seeds, with failing disks, held against a naive account |
//! | `faults` | each fault by hand |

mod audit;
mod exhaustive;
mod faults;
mod found;
mod random;
mod work;
