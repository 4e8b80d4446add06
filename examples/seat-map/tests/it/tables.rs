//! The rules, as tables: when, what is asked, and what comes of it.

use quipu::proof::{Solo, Told};
use quipu::words::{Fact, Id, Refusal, Timestamp};
use quipu_example_seat_map::{Command, Event, Sale, Seat, SeatMap, State, seat_key};

/// Asks line by line of a hall of two rows of two, whose holds last five minutes.
fn check(table: &[(u64, &str, &str)]) {
    let mut hall = Solo::<SeatMap>::new("hall");
    let opened = told(hall.ask(&command("open 2 2 300"), at(0)));
    assert_eq!(opened, "opened");
    ask_all(&mut hall, table);
}

fn ask_all(hall: &mut Solo<SeatMap>, table: &[(u64, &str, &str)]) {
    for (seconds, asked, expected) in table {
        let came = told(hall.ask(&command(asked), at(*seconds)));
        assert_eq!(came, *expected, "{asked}, after {seconds} s");
        counts_are_those_of_the_seats(hall);
    }
}

fn counts_are_those_of_the_seats(hall: &Solo<SeatMap>) {
    let Some(head) = hall.head() else { return };
    let booked = hall.items().filter(|(_, taken)| taken.state == State::Booked).count();
    let held = hall.items().count() - booked;
    assert_eq!((head.held, head.booked), (held as u32, booked as u32));
    assert_eq!(head.sale() == Sale::SoldOut, booked == 4);
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_ms(1_800_000_000_000 + seconds * 1_000)
}

fn command(text: &str) -> Command {
    let words: Vec<&str> = text.split(' ').collect();
    let seat = |text: &str| text.parse::<Seat>().expect("a seat");
    let number = |text: &str| text.parse::<u16>().expect("a number");
    let id = |text: &str| text.parse::<Id>().expect("an id");
    match words[..] {
        ["open", rows, places, seconds] => Command::Open {
            rows: number(rows),
            places: number(places),
            hold_seconds: number(seconds).into(),
        },
        ["hold", at, who] => Command::Hold { seat: seat(at), who: id(who) },
        ["book", at, who] => Command::Book { seat: seat(at), who: id(who) },
        ["release", at, who] => Command::Release { seat: seat(at), who: id(who) },
        ["move", from, to, who] => Command::Move { from: seat(from), to: seat(to), who: id(who) },
        ["lapse", at] => Command::Lapse { seat: seat(at) },
        _ => panic!("no such command: {text}"),
    }
}

fn told(came: Result<Told<SeatMap>, Refusal>) -> String {
    let seconds = |time: Timestamp| time.ms_since(at(0)) / 1_000;
    match came {
        Err(Refusal { code, fact: Fact::None }) => code.to_string(),
        Err(Refusal { code, fact: Fact::At(until) }) => format!("{code} until {}", seconds(until)),
        Err(Refusal { code, fact }) => format!("{code} {fact:?}"),
        Ok(Told { event: None, .. }) => "so already".into(),
        Ok(Told { event: Some(event), .. }) => match event {
            Event::Opened(_) => "opened".into(),
            Event::Held(held) => {
                format!("{} held by {} until {}", held.seat, held.who, seconds(held.until))
            }
            Event::Booked(booked) => format!("{} booked by {}", booked.seat, booked.who),
            Event::Released(released) => format!("{} free of {}", released.seat, released.who),
            Event::Moved(moved) => format!("{} from {} to {}", moved.who, moved.from, moved.to),
            Event::Lapsed(lapsed) => format!("{} lapsed", lapsed.seat),
        },
    }
}

#[test]
fn a_hall_is_opened_once_and_has_seats() {
    let mut hall = Solo::<SeatMap>::new("hall");
    ask_all(
        &mut hall,
        &[
            (0, "hold 1-1 ada", "not_found"),
            (0, "book 1-1 ada", "not_found"),
            (0, "release 1-1 ada", "not_found"),
            (0, "move 1-1 1-2 ada", "not_found"),
            (0, "lapse 1-1", "not_found"),
            (0, "open 0 2 300", "malformed"),
            (0, "open 2 0 300", "malformed"),
            (0, "open 2 2 0", "malformed"),
            (0, "open 2 2 300", "opened"),
            (0, "open 0 0 0", "already_exists First(101)"),
        ],
    );
}

#[test]
fn a_seat_is_held_by_one_person() {
    check(&[
        (0, "hold 1-1 ada", "1-1 held by ada until 300"),
        (9, "hold 1-1 ada", "so already"),
        (9, "hold 1-1 ben", "already_claimed until 300"),
        (9, "book 1-1 ben", "already_claimed until 300"),
        (9, "release 1-1 ben", "already_claimed"),
        (9, "release 1-1 ada", "1-1 free of ada"),
        (9, "release 1-1 ada", "so already"),
        (9, "release 1-1 ben", "so already"),
        (9, "hold 1-1 ben", "1-1 held by ben until 309"),
        (9, "hold 0-1 ben", "not_found"),
        (9, "hold 1-0 ben", "not_found"),
        (9, "hold 3-1 ben", "not_found"),
        (9, "hold 1-3 ben", "not_found"),
    ]);
}

#[test]
fn a_seat_is_booked_by_one_person_held_or_not() {
    check(&[
        (0, "hold 1-1 ada", "1-1 held by ada until 300"),
        (9, "book 1-1 ada", "1-1 booked by ada"),
        (9, "book 1-1 ada", "already_exists"),
        (9, "hold 1-1 ada", "so already"),
        (9, "book 1-1 ben", "already_claimed"),
        (9, "hold 1-1 ben", "already_claimed"),
        (9, "book 1-2 ben", "1-2 booked by ben"),
        (9, "release 1-1 ben", "already_claimed"),
        (9, "release 1-1 ada", "1-1 free of ada"),
        (9, "book 1-1 ben", "1-1 booked by ben"),
        (9, "book 2-3 ben", "not_found"),
    ]);
}

#[test]
fn a_hold_ends_at_its_instant_and_a_booking_never() {
    check(&[
        (0, "hold 1-1 ada", "1-1 held by ada until 300"),
        (0, "hold 1-2 ada", "1-2 held by ada until 300"),
        (9, "book 1-2 ada", "1-2 booked by ada"),
        (299, "book 1-1 ben", "already_claimed until 300"),
        (299, "lapse 1-1", "wrong_state"),
        (299, "lapse 2-2", "not_found"),
        (300, "book 1-1 ben", "1-1 booked by ben"),
        (300, "book 1-1 ada", "already_claimed"),
        (301, "lapse 1-2", "wrong_state"),
        (9_999, "book 1-2 ben", "already_claimed"),
    ]);
}

#[test]
fn a_booking_moves_to_a_seat_that_nobody_else_has() {
    check(&[
        (0, "book 1-1 ada", "1-1 booked by ada"),
        (0, "move 1-1 1-1 ada", "so already"),
        (0, "move 1-1 1-2 ben", "wrong_state"),
        (0, "move 1-1 1-3 ada", "not_found"),
        (0, "move 1-3 1-1 ada", "not_found"),
        (0, "move 2-2 1-2 ada", "wrong_state"),
        (0, "hold 1-2 ben", "1-2 held by ben until 300"),
        (0, "move 1-2 2-2 ben", "wrong_state"),
        (0, "move 1-1 1-2 ada", "already_claimed until 300"),
        (0, "book 1-2 ben", "1-2 booked by ben"),
        (0, "move 1-1 1-2 ada", "already_claimed"),
        (0, "book 2-1 ada", "2-1 booked by ada"),
        (0, "move 1-1 2-1 ada", "already_exists"),
        (0, "release 2-1 ada", "2-1 free of ada"),
        (0, "hold 2-1 ada", "2-1 held by ada until 300"),
        (1, "move 1-1 2-1 ada", "ada from 1-1 to 2-1"),
        (1, "move 1-1 2-1 ada", "wrong_state"),
        (1, "book 1-1 ben", "1-1 booked by ben"),
        (400, "book 2-1 ben", "already_claimed"),
    ]);
}

#[test]
fn a_hall_without_a_seat_left_is_sold_out_until_one_is_given_back() {
    check(&[
        (0, "book 1-1 ada", "1-1 booked by ada"),
        (0, "book 1-2 ada", "1-2 booked by ada"),
        (0, "book 2-1 ada", "2-1 booked by ada"),
        (0, "hold 2-2 ben", "2-2 held by ben until 300"),
        (0, "book 2-2 ben", "2-2 booked by ben"),
        (0, "book 2-2 cleo", "sold_out"),
        (0, "hold 1-1 cleo", "sold_out"),
        (0, "move 2-2 1-1 ben", "sold_out"),
        (0, "book 2-2 ben", "already_exists"),
        (0, "release 1-2 ada", "1-2 free of ada"),
        (0, "book 2-2 cleo", "already_claimed"),
        (0, "book 1-2 cleo", "1-2 booked by cleo"),
    ]);
}

#[test]
fn the_text_of_a_seat_comes_back_as_the_seat() {
    for (row, place) in [(1, 1), (2, 50), (65_535, 65_535)] {
        let seat = Seat::new(row, place);
        assert_eq!(seat.to_string().parse(), Ok(seat));
        assert_eq!(quipu_example_seat_map::seat_of(&seat_key(seat)), Some(seat));
    }
    for text in ["", "1", "1-", "-1", "1-2-3", "a-b", "65536-1"] {
        assert!(text.parse::<Seat>().is_err(), "{text}");
    }
    assert!(seat_key(Seat::new(1, 300)) < seat_key(Seat::new(2, 1)));
}
