//! Damage: bytes on a disk that are not what was written, named by file and offset.

use core::fmt::{self, Display};
use std::path::PathBuf;

/// What is damaged, where, and how it shows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Damage {
    /// The file.
    pub file: PathBuf,
    /// The byte at which the damaged part begins.
    pub offset: u64,
    /// How it shows.
    pub why: String,
}

impl Damage {
    /// Damage at an offset of a file.
    pub fn new(file: impl Into<PathBuf>, offset: u64, why: impl Into<String>) -> Self {
        Self { file: file.into(), offset, why: why.into() }
    }
}

impl Display for Damage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} at byte {}: {}", self.file.display(), self.offset, self.why)
    }
}
