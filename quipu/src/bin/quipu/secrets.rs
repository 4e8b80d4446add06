//! The file with the keys that secrets of withdrawals are encrypted with.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use quipu_api::secrets::{Secrets, SecretsError};
use serde_json::json;

use crate::terminal::{Facts, Trouble, ended, print, print_json};

/// What is done with the file.
#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Add a key, which encrypts from the next start of the server on.
    Rotate(Rotate),
}

#[derive(Args)]
#[command(after_help = HELP)]
struct Rotate {
    /// The file with the keys; it is made where there is none.
    #[arg(long = "secrets", env = "QUIPU_SECRETS", value_name = "FILE")]
    file: PathBuf,
    /// Print a JSON object.
    #[arg(long)]
    json: bool,
}

const HELP: &str = "\
What was encrypted before is still read, with the key of its time: keys stay in the file.

Exit codes:
  0  there is a new key
  1  it could not be done; the file is as it was
  2  wrong usage
  3  the file is damaged, or is no such file";

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let Action::Rotate(rotate) = &arguments.action;
    ended(rotate.run())
}

impl Rotate {
    fn run(&self) -> Result<ExitCode, Trouble> {
        let file = self.file.display();
        let is_new = !self.file.exists();
        let number = Secrets::rotate(&self.file).map_err(|error| match error {
            SecretsError::Line(_) => Trouble::damaged(format!(
                "{file}: {error}; name a file that `quipu serve` or this command has made, or put \
                 a good copy of it back"
            )),
            _ => Trouble::failed(format!("{file}: {error}")),
        })?;
        if self.json {
            print_json(&json!({ "file": file.to_string(), "key": number, "is_new": is_new }))?;
        } else {
            print(&Facts::default().add("file", file).add("key", number).text())?;
            let what = if is_new { "the file was made" } else { "the key was added" };
            eprintln!("quipu: {what}; a server encrypts with the key from its next start on");
        }
        Ok(ExitCode::SUCCESS)
    }
}
