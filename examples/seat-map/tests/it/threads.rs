//! The same rules in a ledger on threads, over real files.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use quipu::clock::Reading;
use quipu::machine::registry;
use quipu::words::{Fault, Id, Position};
use quipu::{Book, Code, Error, Ledger, Outcome};
use quipu_example_seat_map::{
    Command, Hall, Head, Sale, Seat, SeatMap, State, Taken, listed, seat_of, seats_of,
};

use crate::model::{Answered, Audit, PRICE};
use crate::seeds::{Dice, id};

const TASKS: usize = 8;
const ROWS: u16 = 3;
const PLACES: u16 = 4;
/// No hold ends before the clock is set ahead by as much.
const HOLD_SECONDS: u64 = 31_536_000;

static AHEAD_US: AtomicU64 = AtomicU64::new(0);

fn clock() -> Reading {
    let (Reading { boot_us, wall_us }, ahead) = (Reading::now(), AHEAD_US.load(Ordering::Relaxed));
    Reading { boot_us: boot_us + ahead, wall_us: wall_us + ahead }
}

async fn opened(folder: &Path) -> Ledger {
    let builder = Ledger::builder(folder).machines(registry().with::<SeatMap>());
    builder.clock(clock).memory(32 << 20).shards(2).open().await.expect("it opens")
}

/// What came of a call, as the model holds it against what has happened.
fn answered<T>(hall: &str, command: Command, outcome: &Outcome<T>) -> Answered {
    let (at, version, came) = match outcome {
        Outcome::Done(done) => (done.at, done.version, Ok(done.changed)),
        Outcome::Refused(refused) => (refused.at, refused.version, Err(refused.code)),
    };
    Answered { hall: id(hall), command, at, version, came }
}

async fn ask(book: &Book, command: &Command, key: Option<String>) -> Result<Outcome<()>, Error> {
    let call = book.stream::<SeatMap>("hall").ask(command.clone());
    let call = match key {
        Some(key) => call.key(key),
        None => call,
    };
    Ok(call.await?.map(|_| ()))
}

/// A seat and its price in one transaction. Says whether they have it.
async fn buy(book: &Book, seat: Seat, who: &str) -> Result<Result<Taken, Code>, Error> {
    let hall = Hall::new(book, "hall");
    let legs = book.transaction().and(hall.book(seat, who)).and(book.account(who).charge(PRICE));
    Ok(match legs.key(format!("{who}-{seat}")).await? {
        Outcome::Done(done) => Ok(done.value.0),
        Outcome::Refused(refused) => Err(refused.code),
    })
}

/// One guest, who asks for this and that.
async fn guest(book: Book, who: String, seed: u64) -> Result<Vec<Answered>, Error> {
    let (mut dice, mut answers) = (Dice::new(seed), Vec::new());
    for turn in 0..60 {
        let seat = |dice: &mut Dice| dice.seat(ROWS.into(), PLACES.into());
        if dice.chance(25) {
            let wanted = seat(&mut dice);
            let first = buy(&book, wanted, &who).await?;
            let again = buy(&book, wanted, &who).await?;
            assert_eq!(first, again, "a second click");
            continue;
        }
        let command = dice.command(&who, seat);
        let key = dice.chance(30).then(|| format!("{who}-{turn}"));
        let outcome = ask(&book, &command, key.clone()).await?;
        if key.is_some() {
            let again = ask(&book, &command, key).await?;
            assert_eq!(again.code(), outcome.code(), "{command:?}, and again");
        }
        answers.push(answered("hall", command, &outcome));
    }
    Ok(answers)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_guests_never_share_a_seat() {
    let folder = tempfile::tempdir().expect("a folder");
    let ledger = opened(folder.path()).await;
    let book = ledger.book("default");
    let hall = Hall::new(&book, "hall");
    let plan =
        hall.open(ROWS, PLACES, HOLD_SECONDS).await.expect("an answer").done().expect("a new hall");
    assert_eq!((plan.seats(), plan.sale()), (12, Sale::Open));
    let guests: Vec<String> = (0..TASKS).map(|guest| format!("guest-{guest}")).collect();
    for who in &guests {
        book.account(who).open("EUR/2").await.expect("an answer").done().expect("a new account");
        let deposit = book.account(who).deposit(4 * PRICE).await.expect("an answer");
        deposit.done().expect("a deposit");
    }

    // All of them want the same seat first.
    let wanted = Seat::new(2, 2);
    let race: Vec<_> = guests
        .iter()
        .map(|who| {
            let (book, who) = (book.clone(), who.clone());
            tokio::spawn(async move { buy(&book, wanted, &who).await })
        })
        .collect();
    let mut winners = Vec::new();
    for task in race {
        match task.await.expect("no panic").expect("an answer") {
            Ok(taken) => winners.push(taken.who),
            Err(code) => assert_eq!(code, Code::AlreadyClaimed),
        }
    }
    assert_eq!(winners.len(), 1, "{winners:?}");

    let tasks: Vec<_> = guests
        .iter()
        .zip(1..)
        .map(|(who, seed)| tokio::spawn(guest(book.clone(), who.clone(), seed)))
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.extend(task.await.expect("no panic").expect("answers"));
    }
    agrees(&ledger, &guests, &answers).await.expect("it can be read");
    ledger.close().await.expect("it closes");

    let ledger = opened(folder.path()).await;
    agrees(&ledger, &guests, &answers).await.expect("it can be read");

    // Every hold ends, and no booking does.
    let before = hall_of(&ledger).await;
    AHEAD_US.fetch_add((HOLD_SECONDS + 1) * 1_000_000, Ordering::Relaxed);
    let after = hall_of(&ledger).await;
    assert_eq!((after.held, after.booked), (0, before.booked));
    agrees(&ledger, &guests, &answers).await.expect("it can be read");
    ledger.close().await.expect("it closes");
}

async fn hall_of(ledger: &Ledger) -> Head {
    let read = Hall::new(&ledger.book("default"), "hall").get().await;
    read.expect("an answer").expect("it is open").head
}

/// Everything that can be read is what the model makes of what has happened.
async fn agrees(ledger: &Ledger, guests: &[String], answers: &[Answered]) -> Result<(), Error> {
    let book = ledger.book("default");
    let hall = Hall::new(&book, "hall");
    let (mut events, mut all) = (book.events(Position::ZERO).so_far(), Vec::new());
    while let Some(event) = events.next().await? {
        all.push(event);
    }
    let audit = Audit::of(&all);
    audit.are_true(answers);
    let model = audit.hall(&id("hall")).seats;

    let (mut taken, mut seats) = (hall.taken(), Vec::new());
    while let Some(row) = taken.next().await? {
        let until = match row.item.state {
            State::Held { until } => Some(until),
            State::Booked => None,
        };
        seats.push((seat_of(&row.key).expect("a seat"), (row.item.who.clone(), until)));
    }
    assert_eq!(seats, model.clone().into_iter().collect::<Vec<_>>(), "row by row");

    let mut found = BTreeSet::new();
    for who in guests {
        let mut own = seats_of(&book, &id(who));
        while let Some(row) = own.next().await? {
            assert_eq!((row.item.who.as_str(), row.stream.as_str()), (who.as_str(), "hall"));
            found.insert(seat_of(&row.key).expect("a seat"));
        }
        let purse = book.account(who).get().await?.expect("it is open");
        assert_eq!(Some(&purse.balance.get()), audit.purses.get(&id(who)), "what {who} has left");
    }
    assert_eq!(found, model.keys().copied().collect(), "by who has them");

    let read = hall.get().await?.expect("it is open");
    let booked = model.values().filter(|(_, until)| until.is_none()).count();
    assert_eq!(read.head.booked, booked as u32);
    assert_eq!(read.head.held, (model.len() - booked) as u32);
    let mut halls = listed(&book, read.head.sale());
    assert_eq!(halls.next().await?.expect("it is listed").id, Id::new("hall")?);
    let other = if read.head.sale() == Sale::Open { Sale::SoldOut } else { Sale::Open };
    assert!(listed(&book, other).next().await?.is_none());

    let (mut history, mut positions) = (book.stream::<SeatMap>("hall").history(), Vec::new());
    while let Some(past) = history.next().await? {
        positions.push(past.position);
    }
    assert!(positions.is_sorted_by(|later, earlier| later > earlier));
    let count = |name| audit.met.get(name).copied().unwrap_or(0);
    let names = ["opened", "held", "booked", "released", "moved", "lapsed"];
    assert_eq!(positions.len() as u64, names.map(count).into_iter().sum::<u64>());
    Ok(())
}

#[tokio::test]
async fn a_list_of_many_seats_goes_on_where_it_ended() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let ledger = opened(folder.path()).await;
    let book = ledger.book("default");
    let mut expected = Vec::new();
    for (name, rows, places) in [("annex", 3, 5), ("hall", 40, 20)] {
        let hall = Hall::new(&book, name);
        hall.open(rows, places, 60).await?.done()?;
        let seats = (1..=rows).flat_map(|row| (1..=places).map(move |place| Seat::new(row, place)));
        // Whose name begins with hers has every third seat.
        let who = |seat: &Seat| if seat.place.is_multiple_of(3) { "adam" } else { "ada" };
        let all: Vec<Seat> = seats.collect();
        let calls = all.iter().map(|seat| hall.book(*seat, who(seat)));
        for outcome in ledger.batch(calls).await {
            outcome?.done()?;
        }
        let hers = all.iter().filter(|seat| who(seat) == "ada");
        expected.extend(hers.map(|seat| (name.to_owned(), *seat)));
    }
    assert!(expected.len() > 512, "more than two pages");

    // In one go, and begun again behind every hundredth row.
    for resumes in [false, true] {
        let (mut found, mut own) = (Vec::new(), seats_of(&book, &id("ada")));
        while let Some(row) = own.next().await? {
            found.push((row.stream.to_string(), seat_of(&row.key).expect("a seat")));
            assert!(found.len() <= expected.len(), "a list that does not end");
            if resumes && found.len() % 100 == 0 {
                let cursor = own.cursor();
                own = seats_of(&book, &id("ada")).after(&cursor);
            }
        }
        assert_eq!(found, expected);
    }

    let mut halls = book.streams::<SeatMap>();
    assert_eq!(halls.next().await?.expect("the first").id, id("annex"));
    assert_eq!(halls.next().await?.expect("the second").id, id("hall"));
    assert_eq!(halls.next().await?, None);
    Ok(ledger.close().await?)
}

#[tokio::test]
async fn a_seat_is_given_back_only_as_it_was_seen() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let ledger = opened(folder.path()).await;
    let hall = Hall::new(&ledger.book("default"), "hall");
    let seen = hall.open(ROWS, PLACES, HOLD_SECONDS).await?.done()?.version;
    let booked = hall.book(Seat::new(1, 1), "ada").if_version(seen).await?.done()?.version;
    let late = hall.release(Seat::new(1, 1), "ada").if_version(seen).await?;
    assert_eq!(late.code(), Some(Code::VersionMismatch));
    hall.release(Seat::new(1, 1), "ada").if_version(booked).await?.done()?;
    let malformed = hall.book(Seat::new(1, 1), "no blanks").await;
    assert!(matches!(malformed, Err(Error::Malformed(_))), "{malformed:?}");
    Ok(ledger.close().await?)
}

#[tokio::test]
async fn a_ledger_without_the_machine_leaves_halls_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let seat = Seat::new(1, 1);
    let ledger = opened(folder.path()).await;
    let hall = Hall::new(&ledger.book("default"), "hall");
    hall.open(ROWS, PLACES, HOLD_SECONDS).await.expect("an answer").done().expect("a new hall");
    hall.book(seat, "ada").await.expect("an answer").done().expect("a booking");
    ledger.close().await.expect("it closes");

    let ledger = Ledger::open(folder.path()).await.expect("nothing of halls is to be replayed");
    let hall = Hall::new(&ledger.book("default"), "hall");
    assert_eq!(hall.get().await, Err(Fault::Internal.into()));
    assert_eq!(hall.book(seat, "ben").await, Err(Fault::Internal.into()));
    let opened_account = ledger.book("default").account("ben").open("EUR/2").await;
    assert!(opened_account.expect("an answer").is_done());
    ledger.close().await.expect("it closes");

    let ledger = opened(folder.path()).await;
    let hall = Hall::new(&ledger.book("default"), "hall");
    let read = hall.get_seat(seat).await.expect("an answer").expect("it is open");
    assert_eq!((read.head.booked, read.items[0].1.who.as_str()), (1, "ada"));
    assert_eq!(hall.book(seat, "ben").await.expect("an answer").code(), Some(Code::AlreadyClaimed));
    ledger.close().await.expect("it closes");
}
