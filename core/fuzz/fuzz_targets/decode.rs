//! Any bytes, to everything that reads bytes from a disk: a value or an error, never a panic.
//!
//! `./seed.sh` fills the corpus with the golden files, then
//! `ASAN_OPTIONS=detect_leaks=0 cargo +nightly fuzz run decode`. Leaks are left out because rkyv does not
//! free a box whose content turns out to be unreadable; a ledger stops at such a record.

#![no_main]

#[path = "../../tests/it/decoding/feed.rs"]
mod feed;

use std::sync::LazyLock;

use quipu_core::machine::Registry;

static REGISTRY: LazyLock<Registry> = LazyLock::new(quipu_core::machines::registry);

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| feed::feed(&REGISTRY, bytes));
