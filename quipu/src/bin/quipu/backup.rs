//! A backup of a ledger that nobody has open.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use quipu::backup::{self, BackupManifest};
use quipu::machine::registry;
use quipu::{Error, OpenError, open};
use quipu_disk::RealDisk;
use serde_json::json;

use crate::terminal::{
    Data, Facts, Trouble, anchor, count, ended, options, print, print_json, progress, progress_of,
    size,
};

/// What is backed up, and into which file.
#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct Arguments {
    #[command(flatten)]
    data: Data,
    /// The file that is written. It gets its name once it is durable and has been read again.
    file: PathBuf,
    /// Take the place of a file that is there.
    #[arg(long)]
    replace: bool,
    /// Print a JSON object.
    #[arg(long)]
    json: bool,
}

const HELP: &str = "\
The ledger's secret (its file SECRET) is not in a backup: keep a copy of it elsewhere. Note the
anchor as well; `quipu verify --anchor` takes it.

Exit codes:
  0  the backup is written
  1  it could not be done
  2  wrong usage
  3  the ledger is damaged
  4  there is no or the file is there already";

const INSTEAD: &str = "ask the server that has it, which goes on meanwhile: POST /v1/admin/backups";

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    ended(arguments.run())
}

impl Arguments {
    fn run(&self) -> Result<ExitCode, Trouble> {
        let folder = self.data.existing()?;
        if self.file.is_dir() || self.file.exists() && !self.replace {
            return Err(Trouble::refused(format!(
                "{} is there already; choose another name, or give --replace for a file",
                self.file.display()
            )));
        }
        let of = self.write(folder)?;
        let bytes = fs::metadata(&self.file).map_or(0, |file| file.len());
        if self.json {
            print_json(&json!({
                "file": self.file.display().to_string(),
                "bytes": bytes,
                "ledger": of.ledger.to_string(),
                "position": of.position.get(),
                "anchor": anchor(&of.anchor),
            }))?;
        } else {
            let mut facts = Facts::default();
            facts.add("file", self.file.display()).add("size", size(bytes));
            facts.add("ledger", of.ledger.to_string()).add("position", count(of.position.get()));
            facts.add("anchor", anchor(&of.anchor));
            print(&facts.text())?;
            let secret = folder.join("SECRET");
            eprintln!(
                "quipu: the ledger's secret is not in it; keep a copy of {} elsewhere",
                secret.display()
            );
        }
        Ok(ExitCode::SUCCESS)
    }

    fn write(&self, folder: &Path) -> Result<BackupManifest, Trouble> {
        let (registry, options) = (registry(), options());
        let bar = progress("opening");
        let mut files =
            open(folder, &registry, &options).map_err(|error| Trouble::opening(error, INSTEAD))?;
        let inside = |error: OpenError| Trouble::from(error.at(folder));
        files.recover(&registry, &options, &mut |_| bar.tick()).map_err(inside)?;
        let job = files.begin_backup().map_err(inside)?;
        progress_of(&bar, "history", job.manifest.position.get());
        let (disk, name) = self.place()?;
        let written = backup::to_file(&disk, &format!("{name}.new"), &name, |out| {
            job.write(out, &mut |position| bar.set_position(position.get()))
        });
        bar.finish_and_clear();
        // A ledger that was opened is stopped, whatever became of the backup.
        let stopped = files.stop();
        written.map_err(|error| {
            let place = self.file.parent().unwrap_or(Path::new(""));
            Trouble::from(error.at(place))
        })?;
        stopped.map_err(inside)?;
        Ok(job.manifest)
    }

    /// Where the file goes, and what it is called there.
    fn place(&self) -> Result<(RealDisk, String), Trouble> {
        let file = self.file.display();
        let name = self.file.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| {
            Trouble::refused(format!("{file}: a backup goes into a file whose name is text"))
        })?;
        let folder = match self.file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        if !folder.is_dir() {
            let folder = folder.display();
            return Err(Trouble::refused(format!("{folder}: there is no such folder; make it")));
        }
        let disk = RealDisk::open(folder).map_err(|error| Error::from(OpenError::from(error)))?;
        Ok((disk, name.to_owned()))
    }
}
