//! One crash of one workload as text, so that it can be looked at again.
//!
//! ```text
//! files:mc.@12:first-3            power goes before operation 12 of the disk, and of what waits
//!                                 for a sync the first 3 changes are left
//! files:mc.@12:first-3+4:torn-1   and goes again before operation 4 of the recovery, and tears
//! redb:new@9:torn-0               while the ledger is made
//! ```

use core::fmt;
use core::str::FromStr;

use quipu_ledger::LogKind;

use super::word::Word;

/// What is left of the changes that no sync has covered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kept {
    /// So many of the oldest.
    First(usize),
    /// What this seed draws, sector by sector.
    Torn(u64),
}

impl Kept {
    /// How many seeds there are up to this one.
    pub(super) fn seeds(self) -> u64 {
        match self {
            Self::First(_) => 0,
            Self::Torn(seed) => seed + 1,
        }
    }
}

/// When power is lost, and what it leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Moment {
    /// Before this operation of the disk; behind the last one where there is none.
    pub(super) operation: u64,
    pub(super) kept: Kept,
}

/// One crash of one workload, and perhaps one of its recovery.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Case {
    /// What keeps the log.
    pub(super) log: LogKind,
    /// The workload; none where the ledger is made.
    pub(super) word: Option<Word>,
    pub(super) crash: Crash,
}

/// A crash, and perhaps one of the recovery from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Crash {
    pub(super) work: Moment,
    pub(super) recovery: Option<Moment>,
}

impl fmt::Display for Kept {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::First(count) => write!(out, "first-{count}"),
            Self::Torn(seed) => write!(out, "torn-{seed}"),
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.operation, self.kept)
    }
}

impl fmt::Display for Crash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.work)?;
        self.recovery.map_or(Ok(()), |moment| write!(out, "+{moment}"))
    }
}

impl fmt::Display for Case {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.word.as_ref().map_or("new".to_owned(), Word::to_string);
        write!(out, "{}:{word}@{}", name(self.log), self.crash)
    }
}

fn name(log: LogKind) -> &'static str {
    match log {
        LogKind::Files => "files",
        LogKind::Redb => "redb",
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no moment, such as 12:first-3 or 12:torn-1");
        let (operation, kept) = text.split_once(':').ok_or_else(wrong)?;
        let (how, number) = kept.split_once('-').ok_or_else(wrong)?;
        let number: u32 = number.parse().map_err(|_| wrong())?;
        let kept = match how {
            "first" => Kept::First(number as usize),
            "torn" => Kept::Torn(number.into()),
            _ => return Err(wrong()),
        };
        Ok(Self { operation: operation.parse().map_err(|_| wrong())?, kept })
    }
}

impl FromStr for Case {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no case, such as files:mc.@12:first-3+4:torn-1");
        let (log, rest) = text.split_once(':').ok_or_else(wrong)?;
        let (word, moments) = rest.split_once('@').ok_or_else(wrong)?;
        let log = match log {
            "files" => LogKind::Files,
            "redb" => LogKind::Redb,
            _ => return Err(wrong()),
        };
        let word = if word == "new" { None } else { Some(word.parse()?) };
        let crash = match moments.split_once('+') {
            None => Crash { work: moments.parse()?, recovery: None },
            Some((work, recovery)) => {
                Crash { work: work.parse()?, recovery: Some(recovery.parse()?) }
            }
        };
        Ok(Self { log, word, crash })
    }
}

#[cfg(test)]
mod tests {
    use super::Case;

    #[test]
    fn a_case_is_read_as_it_is_written() {
        for text in [
            "files:mc.@12:first-3",
            "files:mc.@12:first-3+4:torn-1",
            "redb:new@9:torn-0",
            "files:@1:first-0",
        ] {
            let case: Case = text.parse().expect("a case");
            assert_eq!(case.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_case_is_said() {
        for text in [
            "",
            "files",
            "files:m",
            "tape:m@1:first-0",
            "files:q@1:first-0",
            "files:m@1",
            "files:m@1:half",
            "files:m@1:all-3",
            "files:m@1:first-0+",
        ] {
            assert!(text.parse::<Case>().is_err(), "{text}");
        }
    }
}
