//! The words of the ledger as types: one type for each idea, and one word for each type.

mod amount;
mod asset;
mod code;
mod digits;
mod id;
mod kind;
mod merge;
mod metadata;
mod position;
mod time;
mod trace;

pub use amount::{Amount, Signed};
pub use asset::Asset;
pub use code::{Code, Fact, Fault, Refusal};
pub use digits::Hex;
pub use id::Id;
pub use kind::{Book, Kind, Name};
pub use merge::Merge;
pub use metadata::Metadata;
pub use position::{Epoch, Number, Position, Version};
pub use time::{Period, Timestamp};
pub use trace::Trace;

/// Why a text or number from outside is not one of our words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Ids are 1 to 128 of `A-Za-z0-9._:@-`.
    #[error("an id is 1 to 128 characters of A-Z a-z 0-9 . _ : @ -")]
    Id,
    /// Amounts are whole minor units above zero and below 2^127.
    #[error("an amount is a whole number of minor units, above 0 and below 2^127")]
    Amount,
    /// Assets look like `USD/2`.
    #[error("an asset is [A-Z][A-Z0-9_]{{0,16}}, with at most two digits of scale behind a slash")]
    Asset,
    /// Metadata has at most 32 pairs and 4 KiB.
    #[error("metadata is at most 32 pairs of text, 4 KiB together")]
    Metadata,
    /// Times are milliseconds since 1970, up to the year 9999.
    #[error("a time lies between the years 1970 and 9999")]
    Time,
    /// Trace contexts look like the header `traceparent`.
    #[error(
        "a trace context is 00-<32 hex digits>-<16 hex digits>-<2 hex digits>, no id all zeros"
    )]
    Trace,
}
