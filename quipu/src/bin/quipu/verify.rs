//! Every byte of a ledger that nobody has open, checked, and nothing changed.

use std::env;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use quipu::machine::registry;
use quipu::manifest::LogKind;
use quipu::verify::Step;
use quipu::words::Position;
use quipu::{Error, OpenError, Verified, verify};
use quipu_core::log::Anchor;
use quipu_core::verify::{Balance, Flaw, Met, Place};
use quipu_disk::RealDisk;
use serde_json::{Value, json};

use crate::terminal::{
    Data, Facts, Style, Trouble, anchor, count, ended, hex, options, print, print_json, progress,
};

/// What is verified, and against what.
#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct Arguments {
    #[command(flatten)]
    data: Data,
    /// A position and the hash of all history up to there, as a backup, an earlier verification
    /// or a server's /v1/info told it. May be given several times.
    #[arg(long = "anchor", value_name = "POSITION:HASH", value_parser = parse_anchor)]
    anchors: Vec<Anchor>,
    /// Do not replay the history. It is what tells whether the rows are what the history says.
    #[arg(long)]
    no_replay: bool,
    /// Where the replay keeps its rows, in a folder of its own that is removed at the end. It
    /// takes about as much room as the store [default: the system's temporary folder].
    #[arg(long, value_name = "DIR", conflicts_with = "no_replay")]
    scratch: Option<PathBuf>,
    /// Print a JSON object.
    #[arg(long)]
    json: bool,
}

const HELP: &str = "\
Exit codes:
  0  everything is sound, and every anchor is met
  1  it could not be checked
  2  wrong usage
  3  something is damaged, or an anchor is not met
  4  there is no ledger";

const INSTEAD: &str = "restore a backup that the server makes (POST /v1/admin/backups) into \
                       another folder, and verify that";

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    ended(arguments.run())
}

fn parse_anchor(text: &str) -> Result<Anchor, String> {
    const FORM: &str = "an anchor is a position, a colon and 64 hex digits";
    let (position, digits) = text.split_once(':').ok_or(FORM)?;
    let position = position.parse().map(Position::new).map_err(|_| FORM)?;
    if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(FORM.to_owned());
    }
    let mut hash = [0; 32];
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).map_err(|_| FORM)?;
    }
    Ok(Anchor { position, hash })
}

impl Arguments {
    fn run(&self) -> Result<ExitCode, Trouble> {
        let folder = self.data.existing()?;
        let found = self.look(folder)?;
        if self.json {
            print_json(&json_of(&found))?;
        } else {
            print(&text_of(&found))?;
        }
        Ok(if found.is_sound() { ExitCode::SUCCESS } else { ExitCode::from(3) })
    }

    fn look(&self, folder: &Path) -> Result<Verified, Trouble> {
        let opened = |error: OpenError| Trouble::opening(Error::from(error.at(folder)), INSTEAD);
        let disk = RealDisk::open(folder).map_err(|error| opened(error.into()))?;
        // The folder is removed when it is dropped, behind the disk that lies in it.
        let scratch = match self.no_replay {
            true => None,
            false => Some(self.scratch()?),
        };
        let replay = scratch.as_ref().map(|folder| RealDisk::open(folder.path()));
        let replay = replay.transpose().map_err(|error| Trouble::from(OpenError::from(error)))?;
        let bar = progress("files");
        let found =
            verify(disk, replay.as_ref(), &self.anchors, &registry(), &options(), &mut |step| {
                let (what, at) = match step {
                    Step::Files(position) => ("files", position.get()),
                    Step::Chain(position) => ("chain of frames", position.get()),
                    Step::Rows(count) => ("rows", count),
                    Step::Balance(position) => ("trial balance", position.get()),
                    Step::Replay(position) => ("replay", position.get()),
                };
                bar.set_message(what);
                bar.set_position(at);
            });
        bar.finish_and_clear();
        found.map_err(opened)
    }

    fn scratch(&self) -> Result<tempfile::TempDir, Trouble> {
        let below = self.scratch.clone().unwrap_or_else(env::temp_dir);
        let made = tempfile::Builder::new().prefix("quipu-verify-").tempdir_in(&below);
        made.map_err(|why| {
            let below = below.display();
            Trouble::failed(format!(
                "{below}: no folder could be made here for the replay: {why}; name another one \
                 with --scratch, or leave the replay out with --no-replay"
            ))
        })
    }
}

fn text_of(found: &Verified) -> String {
    let style = Style::new();
    let (first, last) = found.kept;
    let mut facts = Facts::default();
    facts.add("ledger", found.manifest.id.to_string());
    if let Some(origin) = &found.manifest.origin {
        let (of, position) = (origin.ledger.to_string(), count(origin.position.get()));
        facts.add("restored from", format!("{of} at {position}"));
    }
    facts.add("events", format!("{} (positions {first} to {last})", count(events(found))));
    facts.add("frames", count(found.frames.0)).add("entries", count(found.frames.1));
    facts.add("rows", found.rows.map_or("not looked at".to_owned(), count));
    let balance = match &found.balance {
        None => "not made".to_owned(),
        Some(balance) if !balance.is_whole => "not known: history was trimmed".to_owned(),
        Some(balance) if balance.lines.is_empty() => "nothing was ever held".to_owned(),
        Some(balance) if balance.report.is_clean() => {
            let lines = count(balance.lines.len() as u64);
            format!("0 for each asset of each book, {lines} in all")
        }
        Some(_) => style.bad("it is not 0"),
    };
    facts.add("trial balance", balance);
    let replay = found.digest.map_or("not made".to_owned(), |digest| hex(&digest));
    facts.add("digest of the replay", replay);
    facts.add("anchor", anchor(&found.anchor));
    let mut out = facts.text();
    for (noted, met) in &found.anchors {
        let says = met.to_string();
        let says = if *met == Met::Yes { style.good(&says) } else { style.bad(&says) };
        let _ = writeln!(out, "the anchor of position {} {says}", noted.position);
    }
    let is_told = |flaw: &Flaw| matches!(flaw, Flaw::Anchor(_));
    for finding in found.findings.iter().filter(|finding| !is_told(&finding.flaw)) {
        let _ = writeln!(out, "{} {finding}", style.bad("damaged:"));
    }
    if found.beyond > 0 {
        let _ = writeln!(out, "and {} findings more", count(found.beyond));
    }
    let end = if found.is_sound() {
        style.good("everything is sound")
    } else {
        style.bad("not sound: put good copies of the files back, or restore a backup")
    };
    let _ = writeln!(out, "{end}");
    out
}

fn events(found: &Verified) -> u64 {
    let (first, last) = found.kept;
    if first == Position::ZERO { 0 } else { last.get() + 1 - first.get() }
}

fn json_of(found: &Verified) -> Value {
    let (first, last) = found.kept;
    let findings = found.findings.iter().map(|finding| {
        let (file, offset) = match &finding.place {
            Place::File(damage) => (Some(damage.file.display().to_string()), Some(damage.offset)),
            _ => (None, None),
        };
        let (place, flaw) = (finding.place.to_string(), finding.flaw.to_string());
        json!({ "place": place, "file": file, "offset": offset, "flaw": flaw })
    });
    let anchors = found.anchors.iter().map(|(noted, met)| {
        json!({ "anchor": anchor(noted), "is_met": *met == Met::Yes, "says": met.to_string() })
    });
    json!({
        "ledger": found.manifest.id.to_string(),
        "format": found.manifest.format,
        "log": match found.manifest.log { LogKind::Files => "files", LogKind::Redb => "redb" },
        "restored_from": found.manifest.origin.as_ref().map(|origin| json!({
            "ledger": origin.ledger.to_string(),
            "position": origin.position.get(),
        })),
        "is_sound": found.is_sound(),
        "first": first.get(),
        "last": last.get(),
        "events": events(found),
        "frames": found.frames.0,
        "entries": found.frames.1,
        "rows": found.rows,
        "anchor": anchor(&found.anchor),
        "anchors": anchors.collect::<Vec<_>>(),
        "balance": found.balance.as_ref().map(balance),
        "digest": found.digest.map(|digest| hex(&digest)),
        "findings": findings.collect::<Vec<_>>(),
        "findings_beyond": found.beyond,
    })
}

fn balance(balance: &Balance) -> Value {
    let sum = |sum: Option<i128>| sum.map(|sum| sum.to_string());
    let lines = balance.lines.iter().map(|line| {
        json!({
            "book": line.book.get(),
            "asset": line.asset.to_string(),
            "held": sum(line.held),
            "outside": sum(line.outside),
            "difference": sum(line.difference),
        })
    });
    json!({ "is_whole": balance.is_whole, "data": lines.collect::<Vec<_>>() })
}
