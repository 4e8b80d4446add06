//! The first claim: two people want one ticket, one of them asks twice, and the ledger is opened
//! again.

use quipu::{Error, Ledger};

fn main() -> Result<(), Error> {
    let folder = std::env::temp_dir().join(format!("quipu-first-claim-{}", std::process::id()));
    let ledger = Ledger::open_blocking(&folder)?;
    let seat = ledger.book("default").ticket("seat-14");
    seat.issue().wait()?.done()?;
    println!("alice claims it    {:?}", seat.claim("alice").wait()?);
    println!("bob claims it      {:?}", seat.claim("bob").wait()?);
    ledger.close_blocking()?;

    let ledger = Ledger::open_blocking(&folder)?;
    let seat = ledger.book("default").ticket("seat-14");
    println!("alice asks again   {:?}", seat.claim("alice").wait()?);
    ledger.close_blocking()
}
