//! Places in the log: positions, versions, stream numbers and epochs.

use core::fmt;

use rkyv::{Archive, Deserialize, Serialize};

macro_rules! counted {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default,
        )]
        pub struct $name(u64);

        impl $name {
            /// Before the first one.
            pub const ZERO: Self = Self(0);

            /// The one with this number.
            #[must_use]
            pub const fn new(value: u64) -> Self {
                Self(value)
            }

            /// The number.
            #[must_use]
            pub const fn get(self) -> u64 {
                self.0
            }

            /// The one that many places further on.
            #[must_use]
            pub const fn plus(self, count: u64) -> Self {
                Self(self.0 + count)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, out)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, out)
            }
        }
    };
}

counted! {
    /// The place of an event in the log: dense, from 1. Zero stands before the first event.
    Position
}

counted! {
    /// The number of a stream: the position of the event that created it. Zero is no stream.
    Number
}

counted! {
    /// The number of a log's writer. A lower one can no longer append.
    Epoch
}

/// A stream's version is the position of its last event.
pub type Version = Position;
