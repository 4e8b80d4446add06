//! The first claim: two people want one ticket, one of them asks twice, and the ledger is opened
//! again.

use quipu::{Error, Ledger};

fn main() -> Result<(), Error> {
    let folder = std::env::temp_dir().join(format!("quipu-first-claim-{}", std::process::id()));
    let ledger = Ledger::open_blocking(&folder)?;
    ledger.book("default").ticket("seat-14").issue().wait()?.done()?;
    for who in ["alice", "bob", "alice"] {
        match ledger.book("default").ticket("seat-14").claim(who).wait()?.done() {
            Ok(claim) => println!("{who:<6} yes, since {}", claim.claimed_at),
            Err(refused) => println!("{who:<6} no: {refused}"),
        }
    }
    ledger.close_blocking()?;

    let ledger = Ledger::open_blocking(&folder)?;
    let claim = ledger.book("default").ticket("seat-14").claim("alice").wait()?.done()?;
    println!("opened again: alice has it, since {}", claim.claimed_at);
    ledger.close_blocking()?;
    let _ = std::fs::remove_dir_all(folder);
    Ok(())
}
