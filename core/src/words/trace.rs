//! A trace context: which request of which caller led to something, in the words of W3C.

use core::fmt;
use core::str::FromStr;

use super::{Hex, Malformed};

/// A W3C trace context: what a `traceparent` header says.
///
/// Its text is `00-<trace id>-<parent id>-<flags>`, in lower-case hex. A later version of that
/// header is read as far as its beginning is known, and shown as version 00.
///
/// ```
/// use quipu_core::words::Trace;
///
/// let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// let trace: Trace = text.parse().expect("well formed");
/// assert!(trace.is_sampled());
/// assert_eq!(trace.to_string(), text);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Trace {
    trace_id: [u8; 16],
    parent_id: [u8; 8],
    flags: u8,
}

/// The text of version 00, and the least that a later version has.
const TEXT_LEN: usize = 55;
const SAMPLED: u8 = 1;

impl Trace {
    /// How many bytes it has.
    pub const LEN: usize = 25;

    /// A trace context of its parts. Neither id is all zeros.
    pub fn new(trace_id: [u8; 16], parent_id: [u8; 8], flags: u8) -> Result<Self, Malformed> {
        if trace_id == [0; 16] || parent_id == [0; 8] {
            return Err(Malformed::Trace);
        }
        Ok(Self { trace_id, parent_id, flags })
    }

    /// The trace that the caller's request belongs to.
    #[must_use]
    pub const fn trace_id(&self) -> [u8; 16] {
        self.trace_id
    }

    /// The caller's request within it.
    #[must_use]
    pub const fn parent_id(&self) -> [u8; 8] {
        self.parent_id
    }

    /// Its flags, as they came.
    #[must_use]
    pub const fn flags(&self) -> u8 {
        self.flags
    }

    /// Whether the caller may have recorded the trace.
    #[must_use]
    pub const fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// Both ids and the flags, one behind the other.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..16].copy_from_slice(&self.trace_id);
        bytes[16..24].copy_from_slice(&self.parent_id);
        bytes[24] = self.flags;
        bytes
    }
}

impl FromStr for Trace {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let known = text.as_bytes().split_at_checked(TEXT_LEN).ok_or(Malformed::Trace)?;
        let (front, more) = known;
        let dashes = [front[2], front[35], front[52]] == [b'-'; 3];
        let [version] = hex(&front[..2])?;
        let [flags] = hex(&front[53..])?;
        let (ends, flags) = match version {
            0 => (more.is_empty(), flags),
            0xff => (false, 0),
            // Of a later version the flag "sampled" is known, and that more comes behind a dash.
            _ => (more.first().is_none_or(|next| *next == b'-'), flags & SAMPLED),
        };
        if !dashes || !ends {
            return Err(Malformed::Trace);
        }
        Self::new(hex(&front[3..35])?, hex(&front[36..52])?, flags)
    }
}

/// As many bytes as the digits say.
fn hex<const N: usize>(digits: &[u8]) -> Result<[u8; N], Malformed> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(Malformed::Trace),
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Ok(bytes)
}

impl fmt::Display for Trace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (trace, parent) = (Hex(&self.trace_id), Hex(&self.parent_id));
        write!(out, "00-{trace}-{parent}-{}", Hex(&[self.flags]))
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn what_is_well_formed_is_read_and_shown_as_it_came() {
        let trace: Trace = TEXT.parse().expect("well formed");
        assert_eq!(trace.trace_id()[..3], [0x4b, 0xf9, 0x2f]);
        assert_eq!(trace.parent_id(), [0, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7]);
        assert_eq!((trace.flags(), trace.is_sampled()), (1, true));
        assert_eq!(trace.to_string(), TEXT);
        let flags: Trace = TEXT.replace("-01", "-fe").parse().expect("flags may be unknown");
        assert_eq!((flags.flags(), flags.is_sampled()), (0xfe, false));
        let again = Trace::new(trace.trace_id(), trace.parent_id(), trace.flags());
        assert_eq!(again, Ok(trace));
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        let known: Trace = TEXT.parse().expect("well formed");
        let later = |text: String| text.parse::<Trace>();
        assert_eq!(later(TEXT.replacen("00", "cc", 1)), Ok(known));
        assert_eq!(later(TEXT.replacen("00", "01", 1) + "-what-comes"), Ok(known));
        assert_eq!(later(TEXT.replacen("00", "01", 1) + "-"), Ok(known));
        let flags = later(TEXT.replacen("00", "01", 1).replace("-01", "-ff"));
        assert_eq!(flags, Ok(known), "flags that nobody knows are dropped");
        for wrong in [
            TEXT.replacen("00", "01", 1) + ".what-comes",
            TEXT.replacen("00", "01", 1) + "0",
            TEXT.replacen("00", "ff", 1),
            TEXT.to_owned() + "-what-comes",
        ] {
            assert_eq!(later(wrong.clone()), Err(Malformed::Trace), "{wrong}");
        }
    }

    #[test]
    fn what_is_malformed_is_refused() {
        let texts = [
            String::new(),
            TEXT[..54].to_owned(),
            TEXT.to_uppercase(),
            TEXT.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            TEXT.replace("00f067aa0ba902b7", &"0".repeat(16)),
            TEXT.replace('-', "_"),
            TEXT.replace("b7-01", "b7-0g"),
            TEXT.replacen("00-", "0x-", 1),
            TEXT.replace("4bf9", "4bé"),
            format!(" {TEXT}"),
            "é".repeat(40),
        ];
        for text in texts {
            assert_eq!(text.parse::<Trace>(), Err(Malformed::Trace), "{text:?}");
        }
        assert_eq!(Trace::new([0; 16], [1; 8], 0), Err(Malformed::Trace));
        assert_eq!(Trace::new([1; 16], [0; 8], 0), Err(Malformed::Trace));
    }
}
