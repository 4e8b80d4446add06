//! The handle that a program calls, with the words of its trade.

use quipu::list::List;
use quipu::stream::{ItemsOf, Stream};
use quipu::words::Id;
use quipu::{Book, Call, Error, Given, Read};

use crate::rules::SeatMap;
use crate::seat::{Command, Seat};
use crate::state::{Head, INDEX_SALE, INDEX_WHO, Sale, Taken, seat_key};

/// A hall of a book.
#[derive(Clone)]
pub struct Hall(Stream<SeatMap>);

impl Hall {
    /// The hall of this name, whether it is there or not.
    #[must_use]
    pub fn new(book: &Book, id: impl Given<Id>) -> Self {
        Self(book.stream(id))
    }

    /// Opens it: so many rows with so many seats each. Refused: `already_exists`, `malformed`.
    pub fn open(&self, rows: u16, places: u16, hold_seconds: u64) -> Call<Head> {
        let command = Command::Open { rows, places, hold_seconds };
        self.0.ask_for(Ok(command), |answer| answer.head)
    }

    /// Holds a seat for a while. Refused: `not_found`, `sold_out`, `already_claimed`.
    pub fn hold(&self, seat: Seat, who: impl Given<Id>) -> Call<Taken> {
        self.seat(who.word().map(|who| Command::Hold { seat, who }))
    }

    /// Books a seat, once: whoever has booked it is refused, so a charge beside it is refused as
    /// well. Under a key the first answer comes again. Refused: `not_found`, `already_exists`,
    /// `sold_out`, `already_claimed`.
    pub fn book(&self, seat: Seat, who: impl Given<Id>) -> Call<Taken> {
        self.seat(who.word().map(|who| Command::Book { seat, who }))
    }

    /// Gives a seat back. Refused: `not_found`, `already_claimed`.
    pub fn release(&self, seat: Seat, who: impl Given<Id>) -> Call<Head> {
        let command = who.word().map(|who| Command::Release { seat, who });
        self.0.ask_for(command, |answer| answer.head)
    }

    /// Takes another seat instead. Refused: `not_found`, `wrong_state`, `already_exists`,
    /// `sold_out`, `already_claimed`.
    pub fn move_to(&self, from: Seat, to: Seat, who: impl Given<Id>) -> Call<Taken> {
        self.seat(who.word().map(|who| Command::Move { from, to, who }))
    }

    /// Reads its plan and its counts.
    pub fn get(&self) -> Read<quipu::stream::ViewOf<SeatMap>> {
        self.0.get()
    }

    /// Reads it, and one seat, if that is not free.
    pub fn get_seat(&self, seat: Seat) -> Read<quipu::stream::ViewOf<SeatMap>> {
        self.0.get_with([seat_key(seat)])
    }

    /// Its seats that are not free, row by row.
    pub fn taken(&self) -> List<ItemsOf<SeatMap>> {
        self.0.items(b'S')
    }

    fn seat(&self, command: Result<Command, Error>) -> Call<Taken> {
        self.0.ask_for(command, |answer| answer.item())
    }
}

/// The halls of a book with something left, or those that are sold out.
pub fn listed(book: &Book, sale: Sale) -> List<Stream<SeatMap>> {
    book.streams::<SeatMap>().index(INDEX_SALE, [sale as u8])
}

/// The seats that somebody has, in all halls of a book.
pub fn seats_of(book: &Book, who: &Id) -> List<ItemsOf<SeatMap>> {
    book.items::<SeatMap>(INDEX_WHO, [who.as_str().as_bytes(), &[0]].concat())
}
