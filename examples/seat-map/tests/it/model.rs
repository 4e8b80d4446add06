//! A naive model of halls and purses, which shares no rule with the machine: it is told what has
//! happened, and says whether that may happen and whether what was answered is true.

use std::collections::{BTreeMap, BTreeSet};

use quipu::Code;
use quipu::events::account::Event as Money;
use quipu::events::{Event, Happened};
use quipu::words::{Id, Position, Timestamp};
use quipu_example_seat_map::{
    Booked, Command, Event as Seating, Held, Lapsed, Moved, Opened, Released, Seat, SeatMap,
};

/// What a seat costs.
pub(crate) const PRICE: u64 = 30;

/// A hall as people at the box office would keep it: a list of who sits where, and until when
/// they hold it, where they have not booked.
#[derive(Clone, Default, PartialEq, Debug)]
pub(crate) struct Hall {
    plan: Option<(u16, u16, u64)>,
    pub(crate) seats: BTreeMap<Seat, (Id, Option<Timestamp>)>,
}

impl Hall {
    /// Whether a command happens, was so already, or is refused.
    pub(crate) fn says(&self, command: &Command, now: Timestamp) -> Result<bool, Code> {
        let has = |seat: &Seat| {
            let (rows, places, _) = self.plan.unwrap_or_default();
            (1..=rows).contains(&seat.row) && (1..=places).contains(&seat.place)
        };
        let has_booked = |seat, person| self.seats.get(seat) == Some(&(Id::clone(person), None));
        let is_sold_out = || {
            let (rows, places, _) = self.plan.unwrap_or_default();
            let booked = self.seats.values().filter(|(_, until)| until.is_none()).count();
            booked == usize::from(rows) * usize::from(places)
        };
        let somebody = |seat, person| self.seats.get(seat).is_some_and(|(of, _)| of != person);
        match command {
            Command::Open { .. } if self.plan.is_some() => Err(Code::AlreadyExists),
            Command::Open { .. } => Ok(true),
            Command::Hold { seat, who } => {
                let holds = self.seats.get(seat).is_some_and(|(of, _)| of == who);
                match () {
                    () if !has(seat) => Err(Code::NotFound),
                    () if holds => Ok(false),
                    () if is_sold_out() => Err(Code::SoldOut),
                    () if somebody(seat, who) => Err(Code::AlreadyClaimed),
                    () => Ok(true),
                }
            }
            Command::Book { seat, who } => match () {
                () if !has(seat) => Err(Code::NotFound),
                () if has_booked(seat, who) => Err(Code::AlreadyExists),
                () if is_sold_out() => Err(Code::SoldOut),
                () if somebody(seat, who) => Err(Code::AlreadyClaimed),
                () => Ok(true),
            },
            Command::Release { seat, who } => match self.seats.get(seat) {
                _ if !has(seat) => Err(Code::NotFound),
                None => Ok(false),
                Some((of, _)) if of == who => Ok(true),
                Some(_) => Err(Code::AlreadyClaimed),
            },
            Command::Move { from, to, who } => match () {
                () if !has(from) || !has(to) => Err(Code::NotFound),
                () if !has_booked(from, who) => Err(Code::WrongState),
                () if from == to => Ok(false),
                () if has_booked(to, who) => Err(Code::AlreadyExists),
                () if is_sold_out() => Err(Code::SoldOut),
                () if somebody(to, who) => Err(Code::AlreadyClaimed),
                () => Ok(true),
            },
            Command::Lapse { seat } => match self.seats.get(seat) {
                Some((_, Some(until))) if *until <= now => Ok(true),
                _ => Err(Code::WrongState),
            },
        }
    }

    /// The command that an event is the yes to.
    fn asked(event: &Seating) -> Command {
        match event.clone() {
            Seating::Opened(Opened { rows, places, hold_seconds }) => {
                Command::Open { rows, places, hold_seconds }
            }
            Seating::Held(Held { seat, who, .. }) => Command::Hold { seat, who },
            Seating::Booked(Booked { seat, who }) => Command::Book { seat, who },
            Seating::Released(Released { seat, who }) => Command::Release { seat, who },
            Seating::Moved(Moved { from, to, who }) => Command::Move { from, to, who },
            Seating::Lapsed(Lapsed { seat }) => Command::Lapse { seat },
        }
    }

    /// What happened. It must have been possible.
    pub(crate) fn follow(&mut self, event: &Seating, at: Timestamp) {
        let is_over = |until: &Option<Timestamp>| until.is_some_and(|until| until <= at);
        let late = self.seats.iter().find(|(_, (_, until))| is_over(until));
        let is_time = matches!(event, Seating::Lapsed(_));
        assert!(is_time || late.is_none(), "{event:?} at {at}, while {late:?} has not lapsed");
        let says = self.says(&Self::asked(event), at);
        assert_eq!(says, Ok(true), "{event:?} at {at}, in {self:?}");
        match event.clone() {
            Seating::Opened(Opened { rows, places, hold_seconds }) => {
                self.plan = Some((rows, places, hold_seconds));
            }
            Seating::Held(Held { seat, who, until }) => {
                let (_, _, seconds) = self.plan.unwrap_or_default();
                assert_eq!(until.ms(), at.ms() + seconds * 1_000);
                self.seats.insert(seat, (who, Some(until)));
            }
            Seating::Booked(Booked { seat, who }) => {
                self.seats.insert(seat, (who, None));
            }
            Seating::Moved(Moved { from, to, who }) => {
                self.seats.remove(&from);
                self.seats.insert(to, (who, None));
            }
            Seating::Released(Released { seat, .. }) | Seating::Lapsed(Lapsed { seat }) => {
                self.seats.remove(&seat);
            }
        }
    }
}

/// What was answered to one command of a hall.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Answered {
    pub(crate) hall: Id,
    pub(crate) command: Command,
    pub(crate) at: Timestamp,
    /// The hall's version since then, or the one that the answer rests on.
    pub(crate) version: Position,
    /// Whether it happened, was so already, or is refused.
    pub(crate) came: Result<bool, Code>,
}

/// All that has happened.
#[derive(Default)]
pub(crate) struct Audit {
    /// Each hall as it stood from each of its versions on.
    halls: BTreeMap<Id, Vec<(Position, Hall)>>,
    seatings: BTreeMap<Position, Seating>,
    pub(crate) purses: BTreeMap<Id, i128>,
    /// Which kinds of thing have happened, and how often.
    pub(crate) met: BTreeMap<&'static str, u64>,
}

impl Audit {
    /// Follows what has happened, and finds whatever could not happen.
    pub(crate) fn of(events: &[Event]) -> Self {
        let mut audit = Self::default();
        let mut before: Option<&Event> = None;
        for event in events {
            if let Some(before) = before {
                // A refusal that a key keeps takes a position as well, and is no event.
                assert!(event.position > before.position, "events come in their order");
            }
            for part in &event.parts {
                let id = part.stream.clone().expect("a stream with a name");
                if let Happened::Account(money) = &part.happened {
                    audit.money(id, money, event, before);
                } else if let Some(seating) = part.happened.own::<SeatMap>().expect("an event") {
                    audit.seating(id, seating, event);
                }
            }
            before = Some(event);
        }
        audit
    }

    fn money(&mut self, id: Id, money: &Money, event: &Event, before: Option<&Event>) {
        let purse = self.purses.entry(id.clone()).or_default();
        match money {
            Money::Deposited(deposited) => *purse += deposited.amount.get() as i128,
            Money::Charged(charged) => {
                *purse -= charged.amount.get() as i128;
                assert!(*purse >= 0, "{id} has spent more than there was");
                // Nobody pays but for a seat, which is booked in the same entry.
                let before = before.expect("a booking comes before its charge");
                let booked = before.parts[0].happened.own::<SeatMap>().expect("an event");
                let pays = matches!(booked, Some(Seating::Booked(booked)) if booked.who == id);
                assert!(
                    pays && before.at == event.at,
                    "{id} pays at {} for nothing",
                    event.position
                );
                *self.met.entry("paid").or_default() += 1;
            }
            _ => {}
        }
    }

    fn seating(&mut self, id: Id, seating: Seating, event: &Event) {
        let versions = self.halls.entry(id).or_default();
        let mut hall = versions.last().map(|(_, hall)| hall.clone()).unwrap_or_default();
        hall.follow(&seating, event.at);
        versions.push((event.position, hall));
        let name = match &seating {
            Seating::Opened(_) => "opened",
            Seating::Held(_) => "held",
            Seating::Booked(_) => "booked",
            Seating::Released(_) => "released",
            Seating::Moved(_) => "moved",
            Seating::Lapsed(_) => "lapsed",
        };
        *self.met.entry(name).or_default() += 1;
        self.seatings.insert(event.position, seating);
    }

    /// A hall as it stands.
    pub(crate) fn hall(&self, id: &Id) -> Hall {
        self.at(id, Position::new(u64::MAX))
    }

    /// A hall as it stood at a version.
    fn at(&self, id: &Id, version: Position) -> Hall {
        let versions = self.halls.get(id).map(Vec::as_slice).unwrap_or_default();
        let known = versions.iter().rev().find(|(position, _)| *position <= version);
        known.map(|(_, hall)| hall.clone()).unwrap_or_default()
    }

    /// Checks that answers were true when they were given, and that no two rest on one event.
    pub(crate) fn are_true(&self, answers: &[Answered]) {
        let mut events = BTreeSet::new();
        for answer in answers {
            let Answered { hall, command, at, version, came } = answer;
            let happened = *came == Ok(true);
            let stood = if happened { Position::new(version.get() - 1) } else { *version };
            assert_eq!(self.at(hall, stood).says(command, *at), *came, "{answer:?}");
            if happened {
                let seating = self.seatings.get(version).expect("what was acknowledged is there");
                assert_eq!(Hall::asked(seating), *command);
                assert!(events.insert(*version), "two were told of one event: {answer:?}");
            }
        }
    }
}
