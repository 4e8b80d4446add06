//! A user's own machine, a seat map, gets from the engine what the built-in kinds get.

use super::say::*;
use quipu_core::driver::{Driver, Setup};
use quipu_core::machine::Machine;
use quipu_core::machines::account::Account;
use quipu_core::machines::{genesis, registry};
use quipu_core::shard::{Ask, Key, Reading, Reply};
use quipu_core::store::{ListedItem, list_items};
use quipu_core::words::{Book, Code, Fact, Timestamp};
use seats::{Command, Head, SeatState, Seats};

/// What a user writes in a crate of their own.
mod seats {
    use quipu_core::machine::{
        self, Canon, Changes, Context, Decided, Expansion, ItemKey, Link, Machine, Needs, Place,
        Said, Shows, View,
    };
    use quipu_core::machines::account::{self, Account};
    use quipu_core::words::{
        Amount, Code, Fact, Id, Kind, Metadata, Name, Position, Refusal, Timestamp,
    };
    use quipu_core::{record, records};
    use rkyv::{Archive, Deserialize, Serialize};

    /// A hall: rows of seats, each free, held for a while, or taken.
    pub(super) struct Seats;

    #[derive(Clone, PartialEq, Debug)]
    pub(super) enum Command {
        Create {
            rows: u16,
            seats: u16,
            price: Option<Amount>,
        },
        Hold {
            seat: Id,
            who: Id,
            seconds: u64,
        },
        Take {
            seat: Id,
            who: Id,
        },
        /// Split into a take and a charge of what a seat costs.
        Buy {
            seat: Id,
            who: Id,
            pay_from: Id,
        },
        Free {
            seat: Id,
        },
        /// Time: a hold is over.
        SeatDue {
            seat: Id,
        },
    }

    impl Said for Command {
        fn operation(&self) -> u8 {
            match self {
                Self::Create { .. } => 1,
                Self::Hold { .. } => 2,
                Self::Take { .. } => 3,
                Self::Buy { .. } => 4,
                Self::Free { .. } => 5,
                Self::SeatDue { .. } => 6,
            }
        }

        fn sub(&self) -> Option<&Id> {
            match self {
                Self::Create { .. } => None,
                Self::Hold { seat, .. }
                | Self::Take { seat, .. }
                | Self::Buy { seat, .. }
                | Self::Free { seat }
                | Self::SeatDue { seat } => Some(seat),
            }
        }

        fn canon(&self, canon: &mut Canon) {
            match self {
                Self::Create { rows, seats, price } => {
                    canon.field(1, &u64::from(*rows));
                    canon.field(2, &u64::from(*seats));
                    canon.maybe(3, price.as_ref());
                }
                Self::Hold { who, seconds, .. } => {
                    canon.field(1, who);
                    canon.field(2, seconds);
                }
                Self::Take { who, .. } => canon.field(1, who),
                Self::Buy { who, pay_from, .. } => {
                    canon.field(1, who);
                    canon.field(2, pay_from);
                }
                Self::Free { .. } | Self::SeatDue { .. } => {}
            }
        }
    }

    #[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
    pub(super) struct Head {
        pub(super) rows: u16,
        pub(super) seats: u16,
        pub(super) held: u32,
        pub(super) taken: u32,
        pub(super) price: Option<Amount>,
    }

    record!(Head = (1, 1));

    #[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
    pub(super) enum SeatState {
        Held { until: Timestamp },
        Taken,
    }

    /// A seat that is not free. A free one is not kept.
    #[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
    pub(super) struct Seat {
        pub(super) who: Id,
        pub(super) state: SeatState,
    }

    record!(Seat = (1, 1));

    /// Whose seats there are: who, and a zero, and in which hall.
    pub(super) const INDEX_WHO: u8 = 1;

    pub(super) fn seat_key(seat: &Id) -> ItemKey {
        ItemKey::named(b'S', seat)
    }

    records! {
        pub enum Event {
            Created = (1, 1),
            Held = (2, 1),
            Taken = (3, 1),
            Freed = (4, 1),
            Lapsed = (5, 1),
        }
    }

    #[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
    pub struct Created {
        rows: u16,
        seats: u16,
        price: Option<Amount>,
    }

    #[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
    pub struct Held {
        seat: Id,
        who: Id,
        until: Timestamp,
    }

    #[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
    pub struct Taken {
        seat: Id,
        who: Id,
    }

    #[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
    pub struct Freed {
        seat: Id,
    }

    #[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
    pub struct Lapsed {
        seat: Id,
    }

    impl Machine for Seats {
        const KIND: Kind = Kind::new(Kind::OWN);
        const NAME: &'static str = "seats";
        const INDEXED: &'static [u8] = b"S";
        type Head = Head;
        type Item = Seat;
        type Event = Event;
        type Command = Command;

        fn needs(command: &Command, needs: &mut Needs) {
            if let Some(seat) = command.sub() {
                needs.item(seat_key(seat));
            }
        }

        fn expand(view: &View<'_, Self>, command: &Command, _link: Option<&Link>) -> Expansion {
            let price = view.head.and_then(|head| head.price);
            let (Command::Buy { seat, who, pay_from }, Some(amount)) = (command, price) else {
                return Expansion::Alone;
            };
            let take = Command::Take { seat: seat.clone(), who: who.clone() };
            let metadata = Metadata::default();
            let charge = account::Command::Charge { amount, reference: None, metadata };
            Expansion::Legs(vec![
                (view.name.clone(), machine::Command::of::<Self>(take)),
                (
                    view.name.beside(Account::KIND, pay_from.clone()),
                    machine::Command::of::<Account>(charge),
                ),
            ])
        }

        fn decide(
            view: &View<'_, Self>,
            command: &Command,
            cx: &mut Context<'_>,
        ) -> Result<Decided<Event>, Refusal> {
            let event = match command {
                Command::Create { rows, seats, price } => {
                    if view.head.is_some() {
                        let first = Fact::First(Position::new(view.number.get()));
                        return Err(Refusal::with(Code::AlreadyExists, first));
                    }
                    Created { rows: *rows, seats: *seats, price: *price }.into()
                }
                Command::Hold { seat, who, seconds } => {
                    if open_to(view, seat, who)?.is_some() {
                        return Ok(Decided::Already(Shows::item(seat_key(seat))));
                    }
                    let until = cx.now.after_ms(seconds * 1_000).ok_or(Code::Overflow)?;
                    Held { seat: seat.clone(), who: who.clone(), until }.into()
                }
                Command::Take { seat, who } => match open_to(view, seat, who)? {
                    Some(SeatState::Taken) => {
                        return Ok(Decided::Already(Shows::item(seat_key(seat))));
                    }
                    Some(SeatState::Held { .. }) | None => {
                        Taken { seat: seat.clone(), who: who.clone() }.into()
                    }
                },
                // One that can be bought was split.
                Command::Buy { .. } => return Err(Code::NotFound.into()),
                Command::Free { seat } => {
                    view.item(&seat_key(seat)).ok_or(Code::NotFound)?;
                    Freed { seat: seat.clone() }.into()
                }
                Command::SeatDue { seat } => {
                    let kept = view.item(&seat_key(seat)).ok_or(Code::NotFound)?;
                    if Self::item_due(kept) > cx.now {
                        return Err(Code::WrongState.into());
                    }
                    Lapsed { seat: seat.clone() }.into()
                }
            };
            Ok(Decided::Event(event))
        }

        fn reads(event: &Event, needs: &mut Needs) {
            match event {
                Event::Held(Held { seat, .. })
                | Event::Taken(Taken { seat, .. })
                | Event::Freed(Freed { seat })
                | Event::Lapsed(Lapsed { seat }) => needs.item(seat_key(seat)),
                Event::Created(_) => {}
            }
        }

        fn apply(state: &mut Changes<'_, Self>, event: &Event, _at: &Place) {
            match event {
                Event::Created(created) => state.set(Head {
                    rows: created.rows,
                    seats: created.seats,
                    held: 0,
                    taken: 0,
                    price: created.price,
                }),
                Event::Held(held) => {
                    let state_of = SeatState::Held { until: held.until };
                    set(state, &held.seat, None, Some((held.who.clone(), state_of)));
                }
                Event::Taken(taken) => {
                    let before = before(state, &taken.seat);
                    set(state, &taken.seat, before, Some((taken.who.clone(), SeatState::Taken)));
                }
                Event::Freed(freed) => {
                    let before = before(state, &freed.seat);
                    set(state, &freed.seat, before, None);
                }
                Event::Lapsed(lapsed) => {
                    let until = Timestamp::NEVER;
                    set(state, &lapsed.seat, Some(SeatState::Held { until }), None);
                }
            }
        }

        fn shows(event: &Event, _at: &Place) -> Shows {
            match event {
                Event::Created(_) => Shows::head(),
                Event::Held(Held { seat, .. }) | Event::Taken(Taken { seat, .. }) => {
                    Shows::item(seat_key(seat))
                }
                Event::Freed(_) | Event::Lapsed(_) => Shows::event(),
            }
        }

        fn item_due(seat: &Seat) -> Timestamp {
            match seat.state {
                SeatState::Held { until } => until,
                SeatState::Taken => Timestamp::NEVER,
            }
        }

        fn item_indexes(
            name: &Name,
            _key: &ItemKey,
            seat: &Seat,
            index: &mut dyn FnMut(u8, &[u8]),
        ) {
            let hall = name.id.as_str().as_bytes();
            index(INDEX_WHO, &[seat.who.as_str().as_bytes(), &[0], hall].concat());
        }

        fn on_due(item: Option<&ItemKey>) -> Option<Command> {
            let (_, seat) = item?.as_bytes().split_first()?;
            let seat = Id::new(core::str::from_utf8(seat).ok()?).ok()?;
            Some(Command::SeatDue { seat })
        }
    }

    /// What the one who asks has of the seat already: nothing, where it is free. Refused where
    /// there is no such seat, or somebody else has it.
    fn open_to(view: &View<'_, Seats>, seat: &Id, who: &Id) -> Result<Option<SeatState>, Refusal> {
        let head = view.head.ok_or(Code::NotFound)?;
        let (row, number) = seat.as_str().split_once('-').ok_or(Code::NotFound)?;
        let within = |text: &str, most| text.parse().is_ok_and(|at| (1..=most).contains(&at));
        if !within(row, head.rows) || !within(number, head.seats) {
            return Err(Code::NotFound.into());
        }
        match view.item(&seat_key(seat)) {
            None => Ok(None),
            Some(kept) if kept.who == *who => Ok(Some(kept.state)),
            Some(_) => Err(Code::AlreadyClaimed.into()),
        }
    }

    fn before(state: &Changes<'_, Seats>, seat: &Id) -> Option<SeatState> {
        state.item(&seat_key(seat)).map(|seat| seat.state)
    }

    /// Keeps the counts in the head in step with the seats.
    fn set(
        state: &mut Changes<'_, Seats>,
        seat: &Id,
        before: Option<SeatState>,
        after: Option<(Id, SeatState)>,
    ) {
        let Some(head) = state.head() else { return };
        match before {
            Some(SeatState::Held { .. }) => head.held = head.held.saturating_sub(1),
            Some(SeatState::Taken) => head.taken = head.taken.saturating_sub(1),
            None => {}
        }
        match after {
            Some((_, SeatState::Held { .. })) => head.held += 1,
            Some((_, SeatState::Taken)) => head.taken += 1,
            None => {}
        }
        match after {
            Some((who, to)) => state.put(seat_key(seat), Seat { who, state: to }),
            None => state.remove(&seat_key(seat)),
        }
    }
}

/// A hall of three rows of ten on 1, 2 and 8 shards; with memory to spare, and with none, so
/// that everything is let go of as soon as it is durable and read again.
fn halls(price: Option<u64>, check: impl Fn(Driver)) {
    for shards in [1, 2, 8] {
        for memory_max in [usize::MAX, 0] {
            let mut setup = Setup::new(registry().with::<Seats>(), genesis(), shards);
            setup.config.memory_max = memory_max;
            let mut hall = Driver::create(setup).expect("a new ledger opens");
            let price = price.map(amount);
            let create = Command::Create { rows: 3, seats: 10, price };
            done(hall.ask(command::<Seats>("hall", create)));
            check(hall);
        }
    }
}

fn sit(seat: &str, who: &str) -> Command {
    Command::Take { seat: id(seat), who: id(who) }
}

fn reserve(seat: &str, who: &str, seconds: u64) -> Command {
    Command::Hold { seat: id(seat), who: id(who), seconds }
}

fn free(seat: &str) -> Command {
    Command::Free { seat: id(seat) }
}

fn hall(command: Command) -> Ask {
    super::say::command::<Seats>("hall", command)
}

fn keyed_hall(key: &str, command: Command) -> Ask {
    keyed::<Seats>(key, "hall", command)
}

fn in_one(legs: Vec<quipu_core::shard::Leg>, key: Option<&str>) -> Ask {
    Ask::Transaction(legs, key.map(|key| Key::new(key).expect("a well-formed key")))
}

/// How many seats are held and taken, as the head counts them and as the seats say.
fn counts(ledger: &mut Driver) -> (u32, u32) {
    let head = done(ledger.ask(read::<Seats>("hall"))).answer.head::<Seats>();
    let Head { rows, seats, held, taken, .. } = head.expect("a hall's head");
    let (mut are_held, mut are_taken) = (0, 0);
    for row in 1..=rows {
        for number in 1..=seats {
            let items = vec![seats::seat_key(&id(&format!("{row}-{number}")))];
            let reading = Reading { stream: name::<Seats>("hall"), items };
            match done(ledger.ask(Ask::Read(reading))).answer.item::<Seats>() {
                Ok(seat) if seat.state == SeatState::Taken => are_taken += 1,
                Ok(_) => are_held += 1,
                Err(_) => {}
            }
        }
    }
    assert_eq!((held, taken), (are_held, are_taken), "the head counts what the seats are");
    (held, taken)
}

/// Whose seats there are in all halls, in the order of the list.
fn seats_of(ledger: &Driver, who: &str) -> Vec<String> {
    let (place, prefix) =
        ((Book::DEFAULT, Seats::KIND, seats::INDEX_WHO), [who.as_bytes(), &[0]].concat());
    let listed = list_items(ledger.store(), place, &prefix, None, usize::MAX);
    let seat = |item: &ListedItem| {
        let hall = String::from_utf8_lossy(&item.bytes[prefix.len()..]).into_owned();
        format!("{hall} {}", String::from_utf8_lossy(&item.item.as_bytes()[1..]))
    };
    listed.expect("a readable store").iter().map(seat).collect()
}

fn later(ledger: &Driver, seconds: u64) -> Timestamp {
    Timestamp::from_ms(ledger.now().ms() + seconds * 1_000)
}

fn reopened(ledger: Driver) -> Driver {
    let now = ledger.now();
    ledger.crash(true, now).expect("it opens again")
}

fn is_as_its_log_says(ledger: &Driver) {
    assert_eq!(ledger.digest(), Ok(ledger.replayed_digest().expect("the log replays")));
}

#[test]
fn a_seat_is_taken_once_until_it_is_freed() {
    halls(None, |mut ledger| {
        let first = done(ledger.ask(hall(sit("1-1", "alice"))));
        assert_eq!(code(ledger.ask(hall(sit("1-1", "bob")))), Code::AlreadyClaimed);
        let again = done(ledger.ask(hall(sit("1-1", "alice"))));
        assert!(first.changed && !again.changed);
        assert_eq!(first.answer, again.answer);
        assert_eq!(first.answer.item::<Seats>().expect("a seat").who, id("alice"));
        for nowhere in ["0-1", "4-1", "1-11", "11"] {
            assert_eq!(code(ledger.ask(hall(sit(nowhere, "bob")))), Code::NotFound);
        }
        let twice = Command::Create { rows: 1, seats: 1, price: None };
        let no = refused(ledger.ask(hall(twice)));
        assert!(matches!(no.refusal.fact, Fact::First(_)), "{no:?}");

        let mut ledger = reopened(ledger);
        assert_eq!(code(ledger.ask(hall(sit("1-1", "bob")))), Code::AlreadyClaimed);
        ledger.checkpoint().expect("a checkpoint");
        done(ledger.ask(hall(free("1-1"))));
        assert_eq!(code(ledger.ask(hall(free("1-1")))), Code::NotFound);
        done(ledger.ask(hall(sit("1-1", "bob"))));
        done(ledger.ask(hall(sit("3-10", "bob"))));
        assert_eq!(counts(&mut ledger), (0, 2));
        is_as_its_log_says(&ledger);

        // What lies behind the checkpoint comes back from the log alone.
        let mut ledger = reopened(ledger);
        assert_eq!(counts(&mut ledger), (0, 2));
        assert_eq!(code(ledger.ask(hall(sit("1-1", "alice")))), Code::AlreadyClaimed);
        is_as_its_log_says(&ledger);
    });
}

#[test]
fn a_key_of_an_own_command_answers_the_same_and_knows_its_seat() {
    halls(None, |mut ledger| {
        let first = done(ledger.ask(keyed_hall("k", sit("1-1", "alice"))));
        done(ledger.ask(hall(free("1-1"))));
        let again = done(ledger.ask(keyed_hall("k", sit("1-1", "alice"))));
        assert_eq!((&again.answer, again.position), (&first.answer, first.position));
        assert!(again.replayed && !first.replayed);
        assert_eq!(counts(&mut ledger), (0, 0));

        let other = ledger.ask(keyed_hall("k", sit("1-1", "bob")));
        assert_eq!(code(other), Code::IdempotencyKeyReused);
        // Another seat, or another operation, is another scope.
        assert!(!done(ledger.ask(keyed_hall("k", sit("1-2", "bob")))).replayed);
        assert!(!done(ledger.ask(keyed_hall("k", reserve("1-1", "bob", 60)))).replayed);

        let no = refused(ledger.ask(keyed_hall("no", sit("1-2", "carol"))));
        done(ledger.ask(hall(free("1-2"))));
        let mut ledger = reopened(ledger);
        let still = refused(ledger.ask(keyed_hall("no", sit("1-2", "carol"))));
        assert_eq!((still.refusal, still.replayed), (no.refusal, true));
        let again = done(ledger.ask(keyed_hall("k", sit("1-1", "alice"))));
        assert_eq!((again.answer, again.replayed), (first.answer, true));
        assert_eq!(counts(&mut ledger), (1, 0));
        is_as_its_log_says(&ledger);
    });
}

#[test]
fn a_seat_and_its_price_change_hands_together_or_not_at_all() {
    halls(Some(40), |mut ledger| {
        done(ledger.ask(command::<Account>("purse", open())));
        done(ledger.ask(command::<Account>("purse", deposit(100))));
        let pay = |seat: &str, value| {
            let take = leg::<Seats>("hall", sit(seat, "alice"));
            vec![take, leg::<Account>("purse", charge(value))]
        };
        let no = refused(ledger.ask(in_one(pay("1-1", 101), None)));
        assert_eq!((no.refusal.code, no.leg), (Code::InsufficientFunds, Some(1)));
        assert_eq!((counts(&mut ledger), balance(&mut ledger, "purse")), ((0, 0), 100));

        let yes = done(ledger.ask(in_one(pay("1-1", 30), Some("order-1"))));
        assert_eq!((counts(&mut ledger), balance(&mut ledger, "purse")), ((0, 1), 70));
        let no = refused(ledger.ask(in_one(
            vec![
                leg::<Account>("purse", charge(1)),
                leg::<Seats>("hall", sit("1-2", "bob")),
                leg::<Seats>("hall", sit("1-1", "bob")),
            ],
            None,
        )));
        assert_eq!((no.refusal.code, no.leg), (Code::AlreadyClaimed, Some(2)));
        assert_eq!((counts(&mut ledger), balance(&mut ledger, "purse")), ((0, 1), 70));

        // The machine splits a purchase itself.
        let buy = |seat: &str, key: &str| {
            let (seat, who, pay_from) = (id(seat), id("alice"), id("purse"));
            keyed_hall(key, Command::Buy { seat, who, pay_from })
        };
        done(ledger.ask(buy("2-1", "b1")));
        assert_eq!((counts(&mut ledger), balance(&mut ledger, "purse")), ((0, 2), 30));
        assert_eq!(code(ledger.ask(buy("2-2", "b2"))), Code::InsufficientFunds);
        assert_eq!((counts(&mut ledger), balance(&mut ledger, "purse")), ((0, 2), 30));

        let mut ledger = reopened(ledger);
        let again = done(ledger.ask(in_one(pay("1-1", 30), Some("order-1"))));
        assert_eq!((again.answer, again.replayed), (yes.answer, true));
        assert!(done(ledger.ask(buy("2-1", "b1"))).replayed);
        assert_eq!((counts(&mut ledger), balance(&mut ledger, "purse")), ((0, 2), 30));
        is_as_its_log_says(&ledger);
    });
}

#[test]
fn seats_are_listed_by_who_has_them_in_whatever_hall() {
    halls(None, |mut ledger| {
        let create = Command::Create { rows: 1, seats: 9, price: None };
        done(ledger.ask(command::<Seats>("annex", create)));
        done(ledger.ask(hall(sit("1-2", "al"))));
        done(ledger.ask(hall(reserve("1-1", "al", 60))));
        done(ledger.ask(command::<Seats>("annex", sit("1-7", "al"))));
        done(ledger.ask(hall(sit("1-3", "alice"))));
        assert_eq!(seats_of(&ledger, "al"), ["annex 1-7", "hall 1-1", "hall 1-2"]);
        assert_eq!(seats_of(&ledger, "alice"), ["hall 1-3"]);
        is_as_its_log_says(&ledger);

        // One seat changes hands within a transaction, and another lapses.
        let swap = vec![
            leg::<Seats>("hall", free("1-2")),
            leg::<Seats>("hall", sit("1-2", "alice")),
            leg::<Seats>("annex", free("1-7")),
        ];
        done(ledger.ask(in_one(swap, None)));
        let mut ledger = reopened(ledger);
        ledger.checkpoint().expect("a checkpoint");
        let after = later(&ledger, 90);
        ledger.set_now(after);
        ledger.run();
        // Behind the checkpoint the log says that it lapsed, and nothing else of that seat.
        let ledger = reopened(ledger);
        assert_eq!(seats_of(&ledger, "al"), [""; 0]);
        assert_eq!(seats_of(&ledger, "alice"), ["hall 1-2", "hall 1-3"]);
        is_as_its_log_says(&ledger);
        super::verify::is_sound(ledger.log(), ledger.store(), ledger.registry());
    });
}

#[test]
fn a_held_seat_is_free_again_at_its_instant() {
    halls(None, |mut ledger| {
        done(ledger.ask(hall(reserve("1-1", "alice", 60))));
        done(ledger.ask(hall(reserve("1-2", "alice", 60))));
        done(ledger.ask(hall(reserve("1-3", "alice", 600))));
        done(ledger.ask(hall(sit("1-2", "alice"))));
        assert_eq!(counts(&mut ledger), (2, 1));
        let before = later(&ledger, 59);
        ledger.set_now(before);
        assert_eq!(code(ledger.ask(hall(sit("1-1", "bob")))), Code::AlreadyClaimed);

        ledger.checkpoint().expect("a checkpoint");
        let mut ledger = reopened(ledger);
        let after = later(&ledger, 3);
        ledger.set_now(after);
        done(ledger.ask(hall(sit("1-1", "bob"))));
        // A hold that became a taken seat does not lapse, and one with more time stays.
        assert_eq!(code(ledger.ask(hall(sit("1-2", "bob")))), Code::AlreadyClaimed);
        assert_eq!(counts(&mut ledger), (1, 2));
        is_as_its_log_says(&ledger);
    });
}

#[test]
fn a_hold_lapses_although_nobody_asks() {
    halls(None, |mut ledger| {
        done(ledger.ask(hall(reserve("2-5", "alice", 60))));
        let mut ledger = reopened(ledger);
        let last = ledger.durable().watermark;
        let long_after = later(&ledger, 3_600);
        ledger.set_now(long_after);
        ledger.run();
        assert_eq!(ledger.durable().watermark, last.plus(1), "one event: it lapsed");
        assert_eq!(counts(&mut ledger), (0, 0));
        let again = ledger.ask(hall(reserve("2-5", "bob", 60)));
        assert!(matches!(again, Reply::Done(_)), "{again:?}");
        is_as_its_log_says(&ledger);
    });
}
