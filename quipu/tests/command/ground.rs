//! What the tests of the command stand on: the command itself, and a ledger with something in it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use quipu::{Error, Ledger};
use serde_json::Value;

/// What came of running the command.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// The JSON that it printed, and nothing else.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|why| panic!("{why}: {}", self.out))
    }

    /// That it ended like this.
    pub(crate) fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}{}", self.out, self.err);
        // Nobody has to read how this program is made.
        for text in [&self.out, &self.err] {
            for debug in ["Error(", "Some(", "{ ", "panicked", "\x1b"] {
                let is_json = debug == "{ " && self.out.starts_with(['{', '[']);
                assert!(is_json || !text.contains(debug), "{text}");
            }
        }
        self
    }

    /// That it said this, and why.
    pub(crate) fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.err.contains(word), "{word:?} is not in {}", self.err);
        }
        self
    }
}

/// Runs the command in a folder.
pub(crate) fn quipu(within: &Path, arguments: &str) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quipu"));
    command.current_dir(within).env_remove("QUIPU_DATA").env_remove("QUIPU_SECRETS");
    let Output { status, stdout, stderr } =
        command.args(arguments.split(' ')).output().expect("it can be run");
    let text = |bytes| String::from_utf8(bytes).expect("it prints text");
    let code = status.code().expect("it ends by itself");
    Ran { code, out: text(stdout), err: text(stderr) }
}

/// A ledger in the folder `data`, with two accounts, a ticket that was claimed and a payout.
pub(crate) fn ledger(within: &Path) -> Result<String, Error> {
    let ledger = Ledger::open_blocking(within.join("data"))?;
    let book = ledger.book("default");
    for id in ["alice", "bob"] {
        book.account(id).open("USD/2").wait()?.done()?;
    }
    book.account("alice").deposit(10_00).wait()?.done()?;
    book.account("alice").transfer("bob", 4_00).wait()?.done()?;
    book.account("alice").withdraw(1_00, "iban").secret(b"a password".to_vec()).wait()?.done()?;
    book.ticket("seat-14").issue().wait()?.done()?;
    let claim = book.ticket("seat-14").claim("carol").wait()?.done()?;
    let token = claim.token.to_string();
    ledger.close_blocking()?;
    Ok(token)
}

/// How many files below a folder hold these bytes.
pub(crate) fn holding(folder: &Path, bytes: &[u8]) -> usize {
    let mut count = 0;
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        count += if path.is_dir() {
            holding(&path, bytes)
        } else {
            let inside = fs::read(&path).expect("a file");
            usize::from(inside.windows(bytes.len()).any(|window| window == bytes))
        };
    }
    count
}

/// All files below a folder, and what is in them.
pub(crate) fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            all.extend(contents(&path));
        } else {
            all.push((path.display().to_string(), fs::read(&path).expect("a file")));
        }
    }
    all.sort();
    all
}

/// Turns one byte of a file over.
pub(crate) fn rot(file: &Path, at: usize) {
    let mut bytes = fs::read(file).expect("a file");
    bytes[at] ^= 1;
    fs::write(file, bytes).expect("it can be written");
}
