//! What the tests of the library stand on.

use quipu::{Code, Error, Ledger, Outcome};
use tempfile::TempDir;

/// A new ledger in a folder of its own.
pub(crate) async fn ledger() -> (TempDir, Ledger) {
    let folder = tempfile::tempdir().expect("a folder");
    let ledger = Ledger::open(folder.path()).await.expect("it opens");
    (folder, ledger)
}

/// The code of a refusal.
pub(crate) fn code<T>(outcome: Result<Outcome<T>, Error>) -> Code {
    match outcome {
        Ok(Outcome::Refused(refused)) => refused.code,
        Ok(Outcome::Done(_)) => panic!("it is done"),
        Err(error) => panic!("{error}"),
    }
}
