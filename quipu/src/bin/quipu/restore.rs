//! A new made of a backup.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use quipu::clock::Reading;
use quipu::machine::registry;
use quipu::restore::Step;
use quipu::words::Timestamp;
use quipu::{SecretFile, open_backup, restore_into};
use serde_json::json;

use crate::terminal::{
    Facts, Trouble, anchor, count, ended, options, print, print_json, progress, progress_of,
};

/// Which backup becomes a and where.
#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct Arguments {
    /// The file of the backup.
    file: PathBuf,
    /// The folder of the new which is empty or not there yet.
    #[arg(
        long = "data",
        env = "QUIPU_DATA",
        value_name = "NEWDIR",
        default_value = "./quipu-data"
    )]
    folder: PathBuf,
    /// The file SECRET of the ledger that was backed up. Without it the new ledger does not open,
    /// until that file is copied into its folder.
    #[arg(long, value_name = "SECRET")]
    key_file: Option<PathBuf>,
    /// Print a JSON object.
    #[arg(long)]
    json: bool,
}

const HELP: &str = "\
The new ledger has an id of its own. What was unfinished in the backup, such as a payout that a
worker had taken, is unknown in it: the original may have finished it since.

Exit codes:
  0  the new ledger is there
  1  it could not be done
  2  wrong usage
  3  the backup or the key file is damaged, or is no such file; the folder holds no ledger
  4  there is no such backup, or the folder holds something already";

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    ended(arguments.run())
}

impl Arguments {
    fn run(&self) -> Result<ExitCode, Trouble> {
        // Read first: what is wrong with it is known before the long work.
        let secret = self.key_file.as_deref().map(SecretFile::read).transpose()?;
        if !self.file.is_file() {
            let file = self.file.display();
            return Err(Trouble::refused(format!(
                "{file}: there is no such file; name one that `quipu backup` has written"
            )));
        }
        let backup = open_backup(&self.file)?;
        let of = *backup.manifest();
        let bar = progress("history");
        progress_of(&bar, "history", of.position.get());
        let mut unknown = 0;
        let now = Timestamp::from_ms(Reading::now().wall_us / 1_000);
        let id =
            restore_into(
                &self.folder,
                backup,
                &registry(),
                &options(),
                now,
                &mut |step| match step {
                    Step::History(position) => bar.set_position(position.get()),
                    Step::Rows(_) => bar.set_message("rows"),
                    Step::Unknown(count) => unknown = count,
                },
            );
        bar.finish_and_clear();
        let id = id?;
        if let Some(secret) = &secret {
            secret.put(&self.folder)?;
        }
        if self.json {
            print_json(&json!({
                "data": self.folder.display().to_string(),
                "ledger": id.to_string(),
                "of": of.ledger.to_string(),
                "position": of.position.get(),
                "anchor": anchor(&of.anchor),
                "unknown": unknown,
                "has_secret": secret.is_some(),
            }))?;
        } else {
            let mut facts = Facts::default();
            facts.add("folder", self.folder.display()).add("ledger", id.to_string());
            facts.add("restored from", of.ledger.to_string());
            facts.add("position", count(of.position.get())).add("anchor", anchor(&of.anchor));
            facts.add("unknown payouts", count(unknown));
            print(&facts.text())?;
        }
        if secret.is_none() {
            eprintln!(
                "quipu: it does not open yet: copy the file SECRET of the ledger that was backed \
                 up to {}",
                self.folder.join("SECRET").display()
            );
        }
        Ok(ExitCode::SUCCESS)
    }
}
