//! What the commands have in common: where a ledger is, how they end, and what they print.

use std::env;
use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use quipu::words::{Code, Hex, Id};
use quipu::{Error, OpenError, Options, Refused, WhatToDo};
use quipu_core::log::Anchor;
use serde_json::Value;

/// How commands end, as their help says it.
pub(crate) const EXITS: &str = "\
Exit codes:
  0  done
  1  it could not be done
  2  wrong usage
  3  what was looked at is damaged
  4  not found, or refused by a rule";

/// The memory that a command lets a ledger take.
pub(crate) const MEMORY: usize = 128 << 20;

/// Which ledger.
#[derive(Args)]
pub(crate) struct Data {
    /// The folder of the ledger, which nobody else may have open.
    #[arg(long = "data", env = "QUIPU_DATA", value_name = "DIR", default_value = "./quipu-data")]
    pub(crate) folder: PathBuf,
}

impl Data {
    /// Whether nothing is there yet: neither a ledger nor anything else.
    pub(crate) fn is_nothing(&self) -> bool {
        match std::fs::read_dir(&self.folder) {
            Ok(mut inside) => inside.next().is_none(),
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
    }

    /// The folder of a ledger that has to be there.
    pub(crate) fn existing(&self) -> Result<&Path, Trouble> {
        if self.is_nothing() {
            return Err(Trouble::refused(format!(
                "{}: there is no ledger here; name the folder of one with --data, or make one \
                 with `quipu keys create` or `quipu serve`",
                self.folder.display()
            )));
        }
        Ok(&self.folder)
    }
}

/// What bounds and choices a ledger is opened with.
pub(crate) fn options() -> Options {
    Options::within(MEMORY).0
}

/// Why a command did not do what it was asked for.
pub(crate) struct Trouble {
    code: u8,
    text: String,
}

impl Trouble {
    /// The world failed.
    pub(crate) fn failed(text: impl Into<String>) -> Self {
        Self { code: 1, text: text.into() }
    }

    /// What was looked at is damaged.
    pub(crate) fn damaged(text: impl Into<String>) -> Self {
        Self { code: 3, text: text.into() }
    }

    /// Something is not there, or a rule says no.
    pub(crate) fn refused(text: impl Into<String>) -> Self {
        Self { code: 4, text: text.into() }
    }

    /// Of an opening. `instead` says what to do where a server has the ledger open.
    pub(crate) fn opening(error: impl Into<Error>, instead: &str) -> Self {
        let error = error.into();
        let Error::Open(opening) = &error else { return Self::of(&error) };
        match opening.what() {
            OpenError::InUse => Self::failed(format!("{opening}, or {instead}")),
            OpenError::SecretElsewhere => Self::failed(format!(
                "{opening}: this command has only what lies in the folder, so the program that \
                 keeps the secret has to do this"
            )),
            _ => Self::of(&error),
        }
    }

    /// Of a refusal, with what was asked for.
    pub(crate) fn refusal(refused: &Refused, text: impl fmt::Display) -> Self {
        match refused.code {
            Code::NotFound => Self::refused(text.to_string()),
            _ => Self::refused(format!("{text}: {refused}")),
        }
    }

    fn of(error: &Error) -> Self {
        let code = match error {
            Error::Open(opening) => match opening.what() {
                OpenError::NoLedger
                | OpenError::Exists
                | OpenError::Foreign(_)
                | OpenError::Folder { .. } => 4,
                OpenError::NotBackup(_) => 3,
                _ if error.what_to_do() == WhatToDo::Repair => 3,
                _ => 1,
            },
            Error::Refused(_) => 4,
            _ if error.what_to_do() == WhatToDo::Repair => 3,
            _ => 1,
        };
        Self { code, text: error.to_string() }
    }
}

impl<E: Into<Error>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self::of(&error.into())
    }
}

/// Says what went wrong, and how the command ends.
pub(crate) fn ended(done: Result<ExitCode, Trouble>) -> ExitCode {
    done.unwrap_or_else(|Trouble { code, text }| {
        eprintln!("quipu: {text}");
        ExitCode::from(code)
    })
}

/// Prints to where the output goes. Whoever reads it may stop early, as `head` does.
pub(crate) fn print(text: &str) -> Result<(), Trouble> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Trouble::failed(format!("the output could not be written: {error}")))
        }
        _ => Ok(()),
    }
}

/// Prints one JSON value.
pub(crate) fn print_json(value: &Value) -> Result<(), Trouble> {
    print(&format!("{value:#}\n"))
}

/// Colours, where somebody sees them.
#[derive(Clone, Copy)]
pub(crate) struct Style {
    is_on: bool,
}

impl Style {
    /// For the output, as it is now.
    pub(crate) fn new() -> Self {
        let is_unwanted = env::var_os("NO_COLOR").is_some_and(|set| !set.is_empty());
        Self { is_on: io::stdout().is_terminal() && !is_unwanted }
    }

    pub(crate) fn good(self, text: &str) -> String {
        self.with("32", text)
    }

    pub(crate) fn bad(self, text: &str) -> String {
        self.with("31", text)
    }

    pub(crate) fn faint(self, text: &str) -> String {
        self.with("2", text)
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.is_on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Facts, one to a line, their values one below the other.
#[derive(Default)]
pub(crate) struct Facts(Vec<(String, String)>);

impl Facts {
    pub(crate) fn add(&mut self, name: impl Into<String>, value: impl fmt::Display) -> &mut Self {
        self.0.push((name.into(), value.to_string()));
        self
    }

    pub(crate) fn text(&self) -> String {
        let style = Style::new();
        let width = self.0.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        let mut out = String::new();
        for (name, value) in &self.0 {
            let gap = " ".repeat(width - name.chars().count() + 2);
            out.push_str(&format!("{}{gap}{value}\n", style.faint(name)));
        }
        out
    }
}

/// A table with a line above that says what its columns are.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
    /// Columns of numbers, which are set to the right.
    numbers: &'static [usize],
}

impl Table {
    pub(crate) fn new(titles: &[&str], numbers: &'static [usize]) -> Self {
        let titles = titles.iter().map(|title| (*title).to_owned()).collect();
        Self { rows: vec![titles], numbers }
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    pub(crate) fn text(&self) -> String {
        let style = Style::new();
        let columns = self.rows[0].len();
        let width = |column: usize| {
            self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<_> = (0..columns).map(width).collect();
        let mut out = String::new();
        for (index, row) in self.rows.iter().enumerate() {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let gap = " ".repeat(widths[column] - cell.chars().count());
                let is_number = self.numbers.contains(&column);
                let (before, behind) =
                    if is_number { (gap.as_str(), "") } else { ("", gap.as_str()) };
                let _ = write!(line, "{before}{cell}{behind}  ");
            }
            let line = line.trim_end();
            out.push_str(&if index == 0 { style.faint(line) } else { line.to_owned() });
            out.push('\n');
        }
        out
    }
}

/// How far long work is, beside the output and only where somebody sees it.
pub(crate) fn progress(what: &'static str) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner().with_message(what);
    bar.set_style(
        ProgressStyle::with_template("{spinner} {msg} {human_pos} {elapsed}")
            .expect("the template is well-formed"),
    );
    bar
}

/// The same where it is known how much there is.
pub(crate) fn progress_of(bar: &ProgressBar, what: &'static str, len: u64) {
    bar.set_message(what);
    bar.set_length(len);
    bar.set_position(0);
    bar.set_style(
        ProgressStyle::with_template("{msg} [{bar:30}] {human_pos}/{human_len} {elapsed}")
            .expect("the template is well-formed"),
    );
}

/// A count as people read it.
pub(crate) fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A size as people read it.
pub(crate) fn size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1 << 10 {
        return format!("{bytes} B");
    }
    let mut in_unit = bytes as f64 / 1_024.0;
    let mut unit = 0;
    while in_unit >= 1_024.0 && unit + 1 < units.len() {
        (in_unit, unit) = (in_unit / 1_024.0, unit + 1);
    }
    format!("{in_unit:.1} {}", units[unit])
}

/// Bytes in hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    Hex(bytes).to_string()
}

/// An anchor, as `quipu verify --anchor` takes it.
pub(crate) fn anchor(anchor: &Anchor) -> String {
    format!("{}:{}", anchor.position, hex(&anchor.hash))
}

/// An id on the command line.
pub(crate) fn id(text: &str) -> Result<Id, String> {
    Id::new(text).map_err(|why| why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_sizes_are_as_people_read_them() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(number), text);
        }
        for (bytes, text) in
            [(0, "0 B"), (1_023, "1023 B"), (1_536, "1.5 KiB"), (9 << 20, "9.0 MiB")]
        {
            assert_eq!(size(bytes), text);
        }
    }
}
