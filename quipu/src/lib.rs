//! A durable ledger as a library: open, verify, back up, restore.
