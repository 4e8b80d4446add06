//! One bit that is turned over, as text, so that it can be looked at again.

use core::fmt;
use core::str::FromStr;
use std::path::{Path, PathBuf};

/// Bit `bit` (0 to 7) of the byte at `offset` of a file. The first part of the file's path says
/// of which ledger: `files:offset:bit`, such as `stopped/LEDGER:17:3`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Flip {
    /// Which ledger.
    pub(super) ledger: String,
    /// The file's path in it.
    pub(super) file: PathBuf,
    pub(super) offset: u64,
    pub(super) bit: u8,
}

impl fmt::Display for Flip {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ledger, file, offset, bit } = self;
        write!(out, "{ledger}/{}:{offset}:{bit}", file.display())
    }
}

impl FromStr for Flip {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no flip, such as files/LEDGER:17:3");
        let (path, place) = text.split_once(':').ok_or_else(wrong)?;
        let (ledger, file) = path.split_once('/').ok_or_else(wrong)?;
        let (offset, bit) = place.split_once(':').ok_or_else(wrong)?;
        let bit = bit.parse().ok().filter(|bit| *bit < 8).ok_or_else(wrong)?;
        let offset = offset.parse().map_err(|_| wrong())?;
        Ok(Self { ledger: ledger.to_owned(), file: Path::new(file).to_owned(), offset, bit })
    }
}

#[cfg(test)]
mod tests {
    use super::Flip;

    #[test]
    fn a_flip_is_read_as_it_is_written() {
        for text in ["files/LEDGER:17:3", "redb/log/log.redb:100000:7"] {
            let flip: Flip = text.parse().expect("a flip");
            assert_eq!(flip.to_string(), text);
        }
        for text in
            ["", "files", "files/LEDGER", "files/LEDGER:1", "files/LEDGER:1:8", "LEDGER:1:1"]
        {
            assert!(text.parse::<Flip>().is_err(), "{text}");
        }
    }
}
