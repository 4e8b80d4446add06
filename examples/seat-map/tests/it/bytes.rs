//! The bytes of every record that is kept. They never change: a change is another version, with
//! lines of its own here.

use quipu::machine::{Record, Tag};
use quipu::proof::pack_into;
use quipu::words::{Id, Timestamp};
use quipu_example_seat_map::{
    Booked, Event, Head, Held, Lapsed, Moved, Opened, Released, Seat, State, Taken,
};

fn check<R: Record>(record: R, number: u8, bytes: &str) {
    let tag = Tag { number, version: 1 };
    assert_eq!(record.tag(), tag, "{record:?}");
    let mut packed = Vec::new();
    pack_into(&record, &mut packed);
    let hex: String = packed.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, bytes, "{record:?}");
    assert_eq!(R::unpack(tag, &packed), Ok(record));
}

#[test]
fn bytes_that_are_kept_stay_as_they_are() {
    let (seat, to) = (Seat::new(0x0102, 0x0304), Seat::new(5, 6));
    let who = || "ada".parse::<Id>().expect("an id");
    let until = Timestamp::from_ms(0x0102_0304_0506);
    let head = Head { hold_seconds: 300, held: 1, booked: 2, rows: 3, places: 4 };
    check(head, 1, "2c0100000000000001000000020000000300040000000000");
    check(
        Taken { who: who(), state: State::Held { until } },
        1,
        "616461ffffffffff00000000000000000605040302010000",
    );
    check(
        Taken { who: who(), state: State::Booked },
        1,
        "616461ffffffffff01000000000000000000000000000000",
    );
    let event = |event: Event, number, bytes| check(event, number, bytes);
    event(
        Opened { rows: 3, places: 4, hold_seconds: 300 }.into(),
        1,
        "03000400000000002c01000000000000",
    );
    event(
        Held { seat, who: who(), until }.into(),
        2,
        "02010403616461ffffffffff000000000605040302010000",
    );
    event(Booked { seat, who: who() }.into(), 3, "02010403616461ffffffffff");
    event(Released { seat, who: who() }.into(), 4, "02010403616461ffffffffff");
    event(Moved { from: seat, to, who: who() }.into(), 5, "0201040305000600616461ffffffffff");
    event(Lapsed { seat }.into(), 6, "02010403");
}
