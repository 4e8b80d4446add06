//! One stream, one entry or the segments of a ledger that nobody has open; nothing is changed.

mod entry;
mod segments;
mod shown;
mod stream;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use quipu::machine::registry;
use quipu::words::Id;
use quipu::{Closed, Error, OpenError};
use quipu_core::log::LogError;
use quipu_core::machine::Machine as _;
use quipu_core::machines::key;
use quipu_core::records::Entries;
use quipu_core::words::{Book, Kind, Name, Number, Position};
use quipu_disk::RealDisk;

use crate::terminal::{Data, EXITS, Trouble, ended, id, options};

/// What is looked at.
#[derive(Args)]
#[command(after_help = EXITS)]
pub(crate) struct Arguments {
    #[command(flatten)]
    data: Data,
    #[command(subcommand)]
    what: What,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum What {
    /// Show what a stream is now, how many items it has, and what happened to it, newest first.
    #[command(after_help = EXITS)]
    Stream {
        /// Its kind: account, flow, ticket, drop, record, collection, source, export or book.
        kind: String,
        /// Its id; that of a record is COLLECTION/KEY.
        id: String,
        /// The book that it is in.
        #[arg(long, value_name = "BOOK", default_value = "default", value_parser = id)]
        book: Id,
        /// How many events of its history are shown.
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: usize,
    },
    /// Show the entry that holds a position, with all of its events, and the frame that it is in.
    #[command(after_help = EXITS)]
    Position {
        /// The position, from 1.
        #[arg(value_parser = clap::value_parser!(u64).range(1..))]
        position: u64,
    },
    /// List the segments of the log, or the frames of one of them.
    #[command(after_help = EXITS)]
    Segment {
        /// The number of the segment whose frames are listed.
        number: Option<u64>,
    },
}

const INSTEAD: &str = "ask the server that has it: it shows streams and their events under /v1";

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    ended(arguments.run())
}

impl Arguments {
    fn run(&self) -> Result<ExitCode, Trouble> {
        let folder = self.data.existing()?;
        let look = Look { data: &self.data, closed: self.open(folder)?, json: self.json };
        match &self.what {
            What::Stream { kind, id, book, limit } => stream::show(&look, kind, id, book, *limit)?,
            What::Position { position } => entry::show(&look, Position::new(*position))?,
            What::Segment { number: None } => segments::list(&look)?,
            What::Segment { number: Some(number) } => segments::frames(&look, *number)?,
        }
        Ok(ExitCode::SUCCESS)
    }

    fn open(&self, folder: &std::path::Path) -> Result<Closed<RealDisk>, Trouble> {
        let disk = RealDisk::open(folder).map_err(OpenError::from);
        let closed = disk.and_then(|disk| Closed::open(disk, &options()));
        closed.map_err(|error| Trouble::opening(Error::from(error.at(folder)), INSTEAD))
    }
}

/// A ledger that is looked at, and how what is seen is printed.
struct Look<'a> {
    data: &'a Data,
    closed: Closed<RealDisk>,
    json: bool,
}

impl Look<'_> {
    /// What went wrong inside of the folder.
    fn inside(&self, error: impl Into<OpenError>) -> Trouble {
        Trouble::from(error.into().at(&self.data.folder))
    }

    /// Nothing is there, or a rule says no.
    fn refused(&self, why: impl std::fmt::Display) -> Trouble {
        Trouble::refused(format!("{}: {why}", self.data.folder.display()))
    }

    /// The name of a stream, out of the event that created it. None where that was trimmed, and
    /// where it is a hash of what somebody keeps to himself.
    fn name(&self, number: Number) -> Result<Option<Name>, Trouble> {
        let frame = match self.closed.log().read(Position::new(number.get())) {
            Err(LogError::Trimmed(_)) => return Ok(None),
            frame => frame.map_err(|error| self.inside(error))?,
        };
        let Some(frame) = frame else { return Ok(None) };
        let (mut parts, mut entries) = (Vec::new(), Entries::new(&frame.bytes, frame.first));
        while let Some(front) = entries.next_into(&mut parts) {
            front.map_err(|why| unreadable(self, frame.first, why))?;
        }
        let mut own = parts.into_iter().filter(|part| part.head.number == number);
        let name = own.find_map(|part| part.head.created);
        Ok(name.filter(|name| name.kind != key::Key::KIND))
    }

    /// The name of a book.
    fn book(&self, book: Book) -> Result<Option<Id>, Trouble> {
        if book == Book::SYSTEM {
            return Ok(None);
        }
        Ok(self.name(Number::new(book.get()))?.map(|name| name.id))
    }
}

/// A frame whose entries cannot be read.
fn unreadable(look: &Look<'_>, at: Position, why: impl std::fmt::Display) -> Trouble {
    Trouble::damaged(format!(
        "{}: the frame of position {at} cannot be read: {why}; `quipu verify` says more",
        look.data.folder.display()
    ))
}

/// What a kind is called.
fn kind_name(kind: Kind) -> String {
    match registry().rules(kind) {
        Some(rules) => rules.name().to_owned(),
        None => format!("kind {}", kind.get()),
    }
}
