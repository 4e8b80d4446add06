//! The machine: what is decided, what an event changes, what time does.

use quipu::Code;
use quipu::machine::{
    Changes, Context, Decided, ItemKey, Kind, Machine, Name, Needs, Place, Refusal, Shows, View,
};
use quipu::words::{Fact, Id, Position, Timestamp};

use crate::seat::{Command, Seat};
use crate::state::{
    Booked, Event, Head, Held, INDEX_SALE, INDEX_WHO, Lapsed, Moved, Opened, Released, Sale, State,
    Taken, seat_key, seat_of,
};

/// The machine of halls.
pub struct SeatMap;

type Answer = Result<Decided<Event>, Refusal>;

impl Machine for SeatMap {
    const KIND: Kind = Kind::new(Kind::OWN);
    const NAME: &'static str = "hall";
    const INDEXED: &'static [u8] = b"S";
    type Head = Head;
    type Item = Taken;
    type Event = Event;
    type Command = Command;

    fn needs(command: &Command, needs: &mut Needs) {
        match command {
            Command::Open { .. } => {}
            Command::Hold { seat, .. }
            | Command::Book { seat, .. }
            | Command::Release { seat, .. }
            | Command::Lapse { seat } => needs.item(seat_key(*seat)),
            Command::Move { from, to, .. } => {
                needs.item(seat_key(*from));
                needs.item(seat_key(*to));
            }
        }
    }

    fn decide(view: &View<'_, Self>, command: &Command, cx: &mut Context<'_>) -> Answer {
        match command {
            Command::Open { rows, places, hold_seconds } => {
                open(view, *rows, *places, *hold_seconds)
            }
            Command::Hold { seat, who } => hold(view, *seat, who, cx.now),
            Command::Book { seat, who } => book(view, *seat, who),
            Command::Release { seat, who } => release(view, *seat, who),
            Command::Move { from, to, who } => move_to(view, *from, *to, who),
            Command::Lapse { seat } => lapse(view, *seat, cx.now),
        }
    }

    fn reads(event: &Event, needs: &mut Needs) {
        match event {
            Event::Opened(_) => {}
            Event::Held(Held { seat, .. })
            | Event::Booked(Booked { seat, .. })
            | Event::Released(Released { seat, .. })
            | Event::Lapsed(Lapsed { seat }) => needs.item(seat_key(*seat)),
            Event::Moved(Moved { from, to, .. }) => {
                needs.item(seat_key(*from));
                needs.item(seat_key(*to));
            }
        }
    }

    fn apply(state: &mut Changes<'_, Self>, event: &Event, _at: &Place) {
        match event {
            Event::Opened(Opened { rows, places, hold_seconds }) => state.set(Head {
                hold_seconds: *hold_seconds,
                held: 0,
                booked: 0,
                rows: *rows,
                places: *places,
            }),
            Event::Held(Held { seat, who, until }) => {
                put(state, *seat, Some((who, State::Held { until: *until })));
            }
            Event::Booked(Booked { seat, who }) => put(state, *seat, Some((who, State::Booked))),
            Event::Released(Released { seat, .. }) | Event::Lapsed(Lapsed { seat }) => {
                put(state, *seat, None);
            }
            Event::Moved(Moved { from, to, who }) => {
                put(state, *from, None);
                put(state, *to, Some((who, State::Booked)));
            }
        }
    }

    fn shows(event: &Event, _at: &Place) -> Shows {
        match event {
            Event::Opened(_) | Event::Released(_) | Event::Lapsed(_) => Shows::head(),
            Event::Held(Held { seat, .. }) | Event::Booked(Booked { seat, .. }) => {
                Shows::item(seat_key(*seat))
            }
            Event::Moved(Moved { to, .. }) => Shows::item(seat_key(*to)),
        }
    }

    fn item_due(taken: &Taken) -> Timestamp {
        match taken.state {
            State::Held { until } => until,
            State::Booked => Timestamp::NEVER,
        }
    }

    fn on_due(item: Option<&ItemKey>) -> Option<Command> {
        Some(Command::Lapse { seat: seat_of(item?)? })
    }

    fn indexes(head: &Head, index: &mut dyn FnMut(u8, &[u8])) {
        index(INDEX_SALE, &[head.sale() as u8]);
    }

    fn item_indexes(name: &Name, _: &ItemKey, taken: &Taken, index: &mut dyn FnMut(u8, &[u8])) {
        let (who, hall) = (taken.who.as_str().as_bytes(), name.id.as_str().as_bytes());
        index(INDEX_WHO, &[who, &[0], hall].concat());
    }
}

/// | in this case | the answer |
/// |---|---|
/// | there is a hall of this name | `already_exists`, with the position of the first |
/// | no rows, or no seats in them; or a hold of no time, or of more than a year | `malformed` |
fn open(view: &View<'_, SeatMap>, rows: u16, places: u16, hold_seconds: u64) -> Answer {
    if view.head.is_some() {
        let first = Fact::First(Position::new(view.number.get()));
        return Err(Refusal::with(Code::AlreadyExists, first));
    }
    if rows == 0 || places == 0 || !(1..=31_536_000).contains(&hold_seconds) {
        return Err(Code::Malformed.into());
    }
    // Nothing below can fail.
    Ok(Decided::Event(Opened { rows, places, hold_seconds }.into()))
}

/// | in this case | the answer |
/// |---|---|
/// | there is no such hall or seat | `not_found` |
/// | they have it, held or booked | as it stands: to hold it again makes it no longer |
/// | every seat is booked | `sold_out` |
/// | somebody else has it | `already_claimed`; while it is held, with when that ends |
/// | the hold would end after the year 9999 | `overflow` |
fn hold(view: &View<'_, SeatMap>, seat: Seat, who: &Id, now: Timestamp) -> Answer {
    let head = hall_with(view, seat)?;
    if theirs(view, seat, who).is_some() {
        return Ok(Decided::Already(Shows::item(seat_key(seat))));
    }
    is_free(view, head, seat, who)?;
    let until = now.after_ms(head.hold_seconds * 1_000).ok_or(Code::Overflow)?;
    // Nothing below can fail.
    Ok(Decided::Event(Held { seat, who: who.clone(), until }.into()))
}

/// | in this case | the answer |
/// |---|---|
/// | there is no such hall or seat | `not_found` |
/// | they have booked it | `already_exists`: as it stands would have them pay for it again |
/// | every seat is booked | `sold_out` |
/// | somebody else has it | `already_claimed`; while it is held, with when that ends |
fn book(view: &View<'_, SeatMap>, seat: Seat, who: &Id) -> Answer {
    let head = hall_with(view, seat)?;
    if theirs(view, seat, who) == Some(State::Booked) {
        return Err(Code::AlreadyExists.into());
    }
    is_free(view, head, seat, who)?;
    // Nothing below can fail.
    Ok(Decided::Event(Booked { seat, who: who.clone() }.into()))
}

/// | in this case | the answer |
/// |---|---|
/// | there is no such hall or seat | `not_found` |
/// | it is free | as it stands |
/// | somebody else has it | `already_claimed` |
fn release(view: &View<'_, SeatMap>, seat: Seat, who: &Id) -> Answer {
    hall_with(view, seat)?;
    match view.item(&seat_key(seat)) {
        None => return Ok(Decided::Already(Shows::head())),
        Some(taken) if taken.who != *who => return Err(Code::AlreadyClaimed.into()),
        Some(_) => {}
    }
    // Nothing below can fail.
    Ok(Decided::Event(Released { seat, who: who.clone() }.into()))
}

/// | in this case | the answer |
/// |---|---|
/// | there is no such hall, or not both seats | `not_found` |
/// | they have not booked the one | `wrong_state` |
/// | the other is the same | as it stands |
/// | they have booked the other as well | `already_exists` |
/// | every seat is booked | `sold_out` |
/// | somebody else has the other | `already_claimed`; while it is held, with when that ends |
fn move_to(view: &View<'_, SeatMap>, from: Seat, to: Seat, who: &Id) -> Answer {
    hall_with(view, from)?;
    let head = hall_with(view, to)?;
    if theirs(view, from, who) != Some(State::Booked) {
        return Err(Code::WrongState.into());
    }
    if from == to {
        return Ok(Decided::Already(Shows::item(seat_key(to))));
    }
    if theirs(view, to, who) == Some(State::Booked) {
        return Err(Code::AlreadyExists.into());
    }
    is_free(view, head, to, who)?;
    // Nothing below can fail.
    Ok(Decided::Event(Moved { from, to, who: who.clone() }.into()))
}

/// | in this case | the answer |
/// |---|---|
/// | there is no such hall or seat, or it is free | `not_found` |
/// | it is booked, or its hold is not over | `wrong_state` |
fn lapse(view: &View<'_, SeatMap>, seat: Seat, now: Timestamp) -> Answer {
    hall_with(view, seat)?;
    let taken = view.item(&seat_key(seat)).ok_or(Code::NotFound)?;
    if SeatMap::item_due(taken) > now {
        return Err(Code::WrongState.into());
    }
    // Nothing below can fail.
    Ok(Decided::Event(Lapsed { seat }.into()))
}

fn hall_with<'a>(view: &View<'a, SeatMap>, seat: Seat) -> Result<&'a Head, Refusal> {
    view.head.filter(|head| head.has(seat)).ok_or_else(|| Code::NotFound.into())
}

/// How this person has a seat.
fn theirs(view: &View<'_, SeatMap>, seat: Seat, who: &Id) -> Option<State> {
    view.item(&seat_key(seat)).filter(|taken| taken.who == *who).map(|taken| taken.state)
}

/// Whether nobody else has a seat.
fn is_free(view: &View<'_, SeatMap>, head: &Head, seat: Seat, who: &Id) -> Result<(), Refusal> {
    if head.sale() == Sale::SoldOut {
        return Err(Code::SoldOut.into());
    }
    match view.item(&seat_key(seat)) {
        Some(taken) if taken.who != *who => Err(match taken.state {
            State::Held { until } => Refusal::with(Code::AlreadyClaimed, Fact::At(until)),
            State::Booked => Code::AlreadyClaimed.into(),
        }),
        _ => Ok(()),
    }
}

/// Gives a seat to somebody, or to nobody, and keeps the counts in step.
fn put(state: &mut Changes<'_, SeatMap>, seat: Seat, to: Option<(&Id, State)>) {
    let key = seat_key(seat);
    let before = state.item(&key).map(|taken| taken.state);
    // A log may hold an event that no decision made.
    let Some(head) = state.head() else { return };
    if let Some(before) = before {
        let count = head.count(before);
        *count = count.saturating_sub(1);
    }
    match to {
        Some((who, after)) => {
            let count = head.count(after);
            *count = count.saturating_add(1);
            state.put(key, Taken { who: who.clone(), state: after });
        }
        None => state.remove(&key),
    }
}
