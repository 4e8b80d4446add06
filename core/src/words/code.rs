//! Why a command did not happen: refusals (a rule said no) and faults (the world failed).

use core::fmt;

use rkyv::{Archive, Deserialize, Serialize};

use super::{Position, Signed, Timestamp, Version};

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $text:literal, $status:literal;)*) => {
        /// A rule's "no", with the name and status under which every caller knows it.
        ///
        /// The number is what records keep; it never changes.
        #[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u8)]
        pub enum Code {
            $($(#[$doc])* $variant = $number,)*
        }

        impl Code {
            /// Every code, in the order of the documented table.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The stable name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The HTTP status that carries it.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }
        }
    };
}

codes! {
    /// What was asked for breaks a rule of form that only the stream could check.
    Malformed = 1, "malformed", 400;
    /// No such stream or item in this book.
    NotFound = 2, "not_found", 404;
    /// Less is available than was asked for.
    InsufficientFunds = 10, "insufficient_funds", 402;
    /// The period's spend cap leaves less than was asked for.
    SpendCapReached = 11, "spend_cap_reached", 402;
    /// The id or reference is taken.
    AlreadyExists = 20, "already_exists", 409;
    /// The state does not allow this command.
    WrongState = 21, "wrong_state", 409;
    /// Another claimant has it.
    AlreadyClaimed = 22, "already_claimed", 409;
    /// Fewer units are left than were asked for.
    SoldOut = 23, "sold_out", 409;
    /// The claimant would hold more than the limit.
    ClaimLimitReached = 24, "claim_limit_reached", 409;
    /// Outside of the window, or closed.
    NotOpen = 25, "not_open", 409;
    /// The balance would pass its cap.
    BalanceCapReached = 26, "balance_cap_reached", 409;
    /// Nothing has accrued since the last settlement.
    NothingToSettle = 27, "nothing_to_settle", 409;
    /// More than is settled and not yet withdrawn.
    ExceedsWithdrawable = 28, "exceeds_withdrawable", 409;
    /// More than the hold holds, or the charge charged.
    ExceedsHeld = 29, "exceeds_held", 409;
    /// The stock would be less than what is taken.
    BelowTaken = 30, "below_taken", 409;
    /// Money, holds, withdrawals or flows are still there.
    NotEmpty = 31, "not_empty", 409;
    /// The streams hold different assets.
    AssetMismatch = 32, "asset_mismatch", 409;
    /// A newer lease was given out.
    StaleFence = 33, "stale_fence", 409;
    /// The export is not finished.
    NotReady = 34, "not_ready", 409;
    /// A number would need more than its bits.
    Overflow = 35, "overflow", 409;
    /// Its time is over.
    Expired = 40, "expired", 410;
    /// It was taken back.
    Revoked = 41, "revoked", 410;
    /// The history that was asked for is no longer kept.
    HistoryTrimmed = 42, "history_trimmed", 410;
    /// The stream is at another version.
    VersionMismatch = 50, "version_mismatch", 412;
    /// The key belongs to another command.
    IdempotencyKeyReused = 60, "idempotency_key_reused", 422;
}

impl Code {
    /// Whether an idempotency key keeps this answer.
    ///
    /// Otherwise a late duplicate of a refused payment could succeed after its caller
    /// was told no.
    #[must_use]
    pub const fn is_stored(self) -> bool {
        matches!(self.status(), 402 | 409 | 410 | 412)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// A rule said no. Data, not an error: nothing happened, and the answer will stand.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// Which rule.
    pub code: Code,
    /// What it rested on.
    pub fact: Fact,
}

impl Refusal {
    /// A refusal with the fact that it rests on.
    #[must_use]
    pub const fn with(code: Code, fact: Fact) -> Self {
        Self { code, fact }
    }
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        Self { code, fact: Fact::None }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fact {
            Fact::None => fmt::Display::fmt(&self.code, out),
            fact => write!(out, "{} ({fact:?})", self.code),
        }
    }
}

/// The one number that explains a refusal.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fact {
    /// The code says it all.
    None,
    /// What is available, withdrawable or held.
    Available(Signed),
    /// How many units are left.
    Remaining(u64),
    /// The position of the first operation, which stands.
    First(Position),
    /// The stream's version.
    Version(Version),
    /// When it ended, or when it begins.
    At(Timestamp),
    /// The newest fence.
    Fence(Position),
}

/// The world failed, or is not ready: not an answer about value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub enum Fault {
    /// A bound is reached; nothing was done. Ask again a little later.
    #[error("overloaded: nothing was done, ask again a little later")]
    Overloaded,
    /// The disk has no room for another segment; nothing was done.
    #[error("disk full: nothing was done; it lifts by itself when there is room")]
    DiskFull,
    /// A write or sync failed while this was on its way: it happened or it did not.
    #[error(
        "the log failed: the outcome is unknown; ask again after the restart, with the same key"
    )]
    LogFailed,
    /// A rule's code broke; nothing was changed.
    #[error("internal: a rule broke while deciding; nothing was changed")]
    Internal,
    /// What was read back from the store is not what was written.
    #[error("corrupt: a stored row does not pass its check; nothing was changed")]
    Corrupt,
    /// The ask has more legs or bytes than one entry may take; nothing was done.
    #[error("too large: nothing was done; ask for less at once")]
    TooLarge,
    /// The ledger is draining; nothing was done.
    #[error("stopping: nothing was done")]
    Stopping,
}

impl Fault {
    /// Whether the command certainly did not happen.
    #[must_use]
    pub const fn nothing_was_done(self) -> bool {
        !matches!(self, Self::LogFailed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_unique() {
        for (index, left) in Code::ALL.iter().enumerate() {
            for right in &Code::ALL[index + 1..] {
                assert_ne!(*left as u8, *right as u8);
                assert_ne!(left.as_str(), right.as_str());
            }
        }
    }

    #[test]
    fn keys_keep_402_409_410_and_412_only() {
        for code in Code::ALL {
            let expected = [402, 409, 410, 412].contains(&code.status());
            assert_eq!(code.is_stored(), expected, "{code}");
        }
    }
}
