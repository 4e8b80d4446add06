//! The seats of a hall, as a machine of a program's own: each is free, held for a while, or
//! booked, and never by two.
//!
//! ```text
//!          Hold               Book
//!  free ─────────► held ──────────────► booked ──┐ Move
//!   ▲ │    Release, │ time                │ ▲ └──┘
//!   │ └─────────────│─────── Book ────────│─┘
//!   └───────────────┴──────── Release ────┘
//! ```
//!
//! A hall is a stream. Its head has the plan and two counts, so it stays small however many seats
//! there are; each seat that is not free is an item, which a command loads by its key.
//!
//! | file | what it is |
//! |---|---|
//! | `seat.rs` | the word for one seat, and what may be asked of a hall |
//! | `state.rs` | what is kept: head, item, events |
//! | `rules.rs` | the machine: what is decided, what an event changes, what time does |
//! | `hall.rs` | the handle that a program calls |
//!
//! `docs/own-machines.md` walks through them. `tests/it/` shows how it is proved.

mod hall;
mod rules;
mod seat;
mod state;

pub use hall::{Hall, listed, seats_of};
pub use rules::SeatMap;
pub use seat::{Command, Seat};
pub use state::{
    Booked, Event, Head, Held, INDEX_SALE, INDEX_WHO, Lapsed, Moved, Opened, Released, Sale, State,
    Taken, seat_key, seat_of,
};
