//! The codes of problems: what each means, its status, and whether to ask again.

use quipu_ledger::words::{Code, Fact};

/// What a code means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Kind {
    pub(crate) code: &'static str,
    pub(crate) status: u16,
    pub(crate) title: &'static str,
    /// Whether the same request may succeed a little later; absent where that is no question.
    pub(crate) retryable: Option<bool>,
}

macro_rules! kinds {
    ($($name:ident = $code:literal, $status:literal, $retryable:expr, $title:literal;)*) => {
        impl Kind {
            $(pub(crate) const $name: Self = Self {
                code: $code,
                status: $status,
                title: $title,
                retryable: $retryable,
            };)*

            /// Those that no rule of a stream gives.
            pub(crate) const OWN: &[Self] = &[$(Self::$name,)*];
        }
    };
}

kinds! {
    BAD_CURSOR = "bad_cursor", 400, None, "The cursor is none of this list";
    UNAUTHENTICATED = "unauthenticated", 401, None, "A key is missing or wrong";
    FORBIDDEN = "forbidden", 403, None, "The key may not do this";
    METHOD_NOT_ALLOWED = "method_not_allowed", 405, None, "The path does not take this method";
    TOO_LARGE = "too_large", 413, None, "The request is too large";
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type", 415, None, "The body is not JSON";
    INTERNAL = "internal", 500, Some(false), "Something broke; nothing was changed";
    OVERLOADED = "overloaded", 503, Some(true), "Too much at once; nothing was done";
    LOG_FAILED = "log_failed", 503, Some(true), "The log failed; the outcome is unknown";
    STARTING = "starting", 503, Some(true), "The ledger is starting; nothing was done";
    STOPPING = "stopping", 503, Some(true), "The ledger is stopping; nothing was done";
    UNAVAILABLE = "unavailable", 503, Some(true), "The ledger cannot be read now";
    DISK_FULL = "disk_full", 507, Some(true), "The disk is full; nothing was done";
}

impl Kind {
    /// What a rule's code means.
    pub(crate) const fn of(code: Code) -> Self {
        let title = match code {
            Code::Malformed => "The request is malformed",
            Code::NotFound => "There is no such thing",
            Code::InsufficientFunds => "Not enough is available",
            Code::SpendCapReached => "The spend cap of the period is reached",
            Code::AlreadyExists => "It exists already",
            Code::WrongState => "Its state does not allow this",
            Code::AlreadyClaimed => "Somebody else has it",
            Code::SoldOut => "Not that many are left",
            Code::ClaimLimitReached => "The claimant has as many as one may have",
            Code::NotOpen => "It is not open",
            Code::BalanceCapReached => "The balance would exceed its cap",
            Code::NothingToSettle => "Nothing has accrued since",
            Code::ExceedsWithdrawable => "That much may not be withdrawn",
            Code::ExceedsHeld => "That much is not held",
            Code::BelowTaken => "More than that is taken already",
            Code::NotEmpty => "It is not empty",
            Code::AssetMismatch => "The assets differ",
            Code::StaleFence => "Somebody else has taken it over",
            Code::NotReady => "It is not ready",
            Code::Overflow => "The number would become too large",
            Code::Expired => "Its time is over",
            Code::Revoked => "It was revoked",
            Code::HistoryTrimmed => "That history is no longer kept",
            Code::VersionMismatch => "It has changed since",
            Code::IdempotencyKeyReused => "The key belongs to another request",
        };
        let retryable = match code.status() {
            402 | 409 | 410 | 412 => Some(false),
            _ => None,
        };
        Self { code: code.as_str(), status: code.status(), title, retryable }
    }

    /// All codes there are.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let rules = Code::ALL.iter().map(|code| Self::of(*code));
        rules.chain(Self::OWN.iter().copied())
    }

    /// Whether the answer says when to ask again.
    pub(crate) const fn retry_after(self) -> bool {
        matches!(self.retryable, Some(true))
    }
}

/// What was wrong this time, in a sentence.
pub(super) fn detail(code: Code, fact: Fact) -> String {
    let what = match code {
        Code::Malformed => "what was asked has a field that is out of its range",
        Code::NotFound => "no such thing is known here",
        Code::InsufficientFunds => "not enough is available",
        Code::SpendCapReached => "this would exceed what may be spent in this period",
        Code::AlreadyExists => "one with this name exists already",
        Code::WrongState => "its state does not allow this now",
        Code::AlreadyClaimed => "somebody else has claimed it",
        Code::SoldOut => "not that many units are left",
        Code::ClaimLimitReached => "the claimant has as many units as one may have",
        Code::NotOpen => "it cannot be claimed now: it opens later, or is closed",
        Code::BalanceCapReached => "the balance would exceed the cap of the account",
        Code::NothingToSettle => "nothing has accrued since the last settlement",
        Code::ExceedsWithdrawable => "this is more than may be withdrawn",
        Code::ExceedsHeld => "this is more than is left of the hold or the charge",
        Code::BelowTaken => "the stock cannot be less than what is taken",
        Code::NotEmpty => "it still has a balance, holds, unfinished withdrawals or funded flows",
        Code::AssetMismatch => "the assets of the two sides differ",
        Code::StaleFence => "the fence is older than the newest lease",
        Code::NotReady => "it is not ready yet",
        Code::Overflow => "a number would become larger than the ledger can hold",
        Code::Expired => "its time is over",
        Code::Revoked => "it was revoked",
        Code::HistoryTrimmed => "the history that was asked for is no longer kept",
        Code::VersionMismatch => "the stream is at another version",
        Code::IdempotencyKeyReused => {
            "the idempotency key was used before with another request to this operation"
        }
    };
    match fact {
        Fact::None => what.to_owned(),
        Fact::Available(amount) => format!("{what}: {amount} is available"),
        Fact::Remaining(units) if matches!(code, Code::BelowTaken) => {
            format!("{what}: {units} units are")
        }
        Fact::Remaining(units) => format!("{what}: {units} is left"),
        Fact::First(position) => format!("{what}: the first is at position {position}"),
        Fact::Version(version) => format!("{what}: {version}"),
        Fact::At(at) => format!("{what}: since {at}"),
        Fact::Fence(fence) => format!("{what}: the newest is {fence}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_one_meaning() {
        let all: Vec<Kind> = Kind::all().collect();
        for (index, kind) in all.iter().enumerate() {
            assert!((400..=507).contains(&kind.status) && !kind.title.ends_with('.'), "{kind:?}");
            assert!(all[index + 1..].iter().all(|other| other.code != kind.code), "{kind:?}");
        }
    }
}
