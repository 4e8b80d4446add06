//! An evening at a small theatre: seats are held, lost to the clock, paid for, moved and sold out.

use std::sync::atomic::{AtomicU64, Ordering};

use quipu::clock::Reading;
use quipu::list::List;
use quipu::machine::registry;
use quipu::stream::ItemsOf;
use quipu::words::Id;
use quipu::{Book, Error, Ledger, Outcome};
use quipu_example_seat_map::{Hall, Sale, Seat, SeatMap, listed, seat_of, seats_of};

const PRICE: u64 = 4_500;

/// Nobody wants to wait five minutes for an example: the machine's clocks, and what was skipped.
static SKIPPED_US: AtomicU64 = AtomicU64::new(0);

fn clock() -> Reading {
    let (Reading { boot_us, wall_us }, skipped) =
        (Reading::now(), SKIPPED_US.load(Ordering::Relaxed));
    Reading { boot_us: boot_us + skipped, wall_us: wall_us + skipped }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::temp_dir().join(format!("quipu-seat-map-{}", std::process::id()));
    let opening = || {
        let machines = registry().with::<SeatMap>();
        Ledger::builder(&folder).machines(machines).clock(clock).open_blocking()
    };
    let ledger = opening()?;
    let house = ledger.book("default");
    let hall = Hall::new(&house, "friday");
    hall.open(2, 3, 300).wait()?.done()?;
    for who in ["ada", "ben", "cleo"] {
        house.account(who).open("EUR/2").wait()?.done()?;
        house.account(who).deposit(10_000).wait()?.done()?;
    }

    let front = Seat::new(1, 2);
    say("ada holds 1-2", &hall.hold(front, "ada").wait()?);
    say("ben books it", &hall.book(front, "ben").wait()?);
    SKIPPED_US.fetch_add(301_000_000, Ordering::Relaxed);
    println!("                      five minutes pass, and nobody asks for anything");
    say("ben books it again", &buy(&house, &hall, front, "ben", "order-1")?);
    say("his click comes twice", &buy(&house, &hall, front, "ben", "order-1")?);
    say("ada is too late", &buy(&house, &hall, front, "ada", "order-2")?);

    let back = Seat::new(2, 3);
    say("ben moves to 2-3", &hall.move_to(front, back, "ben").wait()?);
    say("ada gets 1-2", &buy(&house, &hall, front, "ada", "order-3")?);
    say("and 1-1 for a friend", &buy(&house, &hall, Seat::new(1, 1), "ada", "order-4")?);
    say("1-3 she cannot pay", &buy(&house, &hall, Seat::new(1, 3), "ada", "order-5")?);

    // Two clicks at once, for a seat that is there once.
    let last = Seat::new(2, 1);
    let race = ["ada", "cleo"].map(|who| hall.book(last, who));
    for (who, outcome) in ["ada", "cleo"].iter().zip(ledger.batch(race).wait()) {
        say(&format!("{who} wants 2-1"), &outcome?);
    }
    for place in [Seat::new(1, 3), Seat::new(2, 2)] {
        say(&format!("cleo books {place}"), &hall.book(place, "cleo").wait()?);
    }
    say("one more", &hall.book(Seat::new(1, 1), "dora").wait()?);

    println!("\nthe ledger is closed and opened again\n");
    ledger.close_blocking()?;
    let ledger = opening()?;
    let house = ledger.book("default");
    let hall = Hall::new(&house, "friday");
    for sold_out in listed(&house, Sale::SoldOut).blocking() {
        println!("sold out              {}", sold_out?.id);
    }
    println!("seats, row by row     {}", seats(hall.taken())?);
    println!("what ada has          {}", seats(seats_of(&house, &Id::new("ada")?))?);
    for who in ["ada", "ben"] {
        let balance = house.account(who).get().wait()?.map(|account| account.balance);
        println!("{who} has left          {}", balance.map_or(0, |balance| balance.get()));
    }
    let again = buy(&house, &hall, front, "ben", "order-1")?;
    say("an old click of ben's", &again);
    ledger.close_blocking()?;
    Ok(std::fs::remove_dir_all(&folder)?)
}

/// A seat and its price, together or not at all.
fn buy(book: &Book, hall: &Hall, seat: Seat, who: &str, key: &str) -> Result<Outcome<Id>, Error> {
    let legs = book.transaction().and(hall.book(seat, who)).and(book.account(who).charge(PRICE));
    Ok(legs.key(key).wait()?.map(|(taken, _)| taken.who))
}

fn seats(list: List<ItemsOf<SeatMap>>) -> Result<String, Error> {
    let mut seats = Vec::new();
    for row in list.blocking() {
        let row = row?;
        let seat = seat_of(&row.key).map(|seat| seat.to_string());
        seats.push(format!("{} {}", seat.unwrap_or_default(), row.item.who));
    }
    Ok(seats.join("   "))
}

fn say<T>(what: &str, outcome: &Outcome<T>) {
    let answer = match outcome {
        Outcome::Done(done) if done.replayed => "yes: the first answer, and no second seat".into(),
        Outcome::Done(_) => "yes".to_owned(),
        Outcome::Refused(refused) => format!("no: {refused}"),
    };
    println!("{what:<22}{answer}");
}
