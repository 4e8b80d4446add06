//! The rules of the drop machine, as a table of cases.

use super::{are_told_apart, said};
use quipu_core::machine::{
    Canon, Context, Decided, ItemKey, Items, Machine, Said, Shows, Solo, Transit, View,
};
use quipu_core::machines::account::{self, Account};
use quipu_core::machines::drop::{
    Claim, ClaimState, Claimed, Closed, Command, Created, Drop, Event, INDEX_STATE, Item, Opened,
    Payment, Price, Released, State, StockSet, Units, claim_key, units_key,
};
use quipu_core::records::pack_into;
use quipu_core::words::{
    Amount, Asset, Book, Code, Fact, Id, Metadata, Name, Number, Position, Refusal, Timestamp,
};

/// What a command is answered.
#[derive(PartialEq, Debug)]
enum Then {
    /// This happens.
    Event(Event),
    /// A rule says no.
    No(Code, Fact),
}
use Then::No;

/// Steps that bring a drop into a state: time and command.
type Steps = Vec<(u64, Command)>;

/// How a drop stands: its state, what is taken, what is left, how many claims there were.
type Stands = (State, u64, u64, u64);

const SCHEDULED: State = State::Scheduled;
const OPEN: State = State::Open;
const CLOSED: State = State::Closed;

#[test]
fn every_command_in_every_state() {
    // Every drop here is made at 5 by the event at 101, with a stock of 10 and a limit of 4;
    // it opens at 10 and closes at 50. Opening is the event at 102, the first claim at 103.
    let first = Fact::First(Position::new(101));
    let rows: Vec<(Steps, u64, Command, Then, Stands)> = vec![
        // steps before, time, command, what is answered, how the drop then stands
        (vec![], 5, create(), Then::Event(created()), (SCHEDULED, 0, 10, 0)),
        (scheduled(), 6, create(), No(Code::AlreadyExists, first), (SCHEDULED, 0, 10, 0)),
        (open(), 20, create(), No(Code::AlreadyExists, first), (OPEN, 0, 10, 0)),
        (closed(), 30, create(), No(Code::AlreadyExists, first), (CLOSED, 0, 10, 0)),
        // The window: exactly at its begin a claim wins, at its end it does not.
        (scheduled(), 9, claim("ann", 1), No(Code::NotOpen, at(10)), (SCHEDULED, 0, 10, 0)),
        (scheduled(), 10, claim("ann", 1), took(1, 9, "ann", 1, 1), (OPEN, 1, 9, 1)),
        (open(), 49, claim("ann", 1), took(1, 9, "ann", 1, 1), (OPEN, 1, 9, 1)),
        (open(), 50, claim("ann", 1), no(Code::NotOpen), (CLOSED, 0, 10, 0)),
        (scheduled(), 50, claim("ann", 1), no(Code::NotOpen), (CLOSED, 0, 10, 0)),
        (closed(), 30, claim("ann", 1), no(Code::NotOpen), (CLOSED, 0, 10, 0)),
        (closed_early(), 9, claim("ann", 1), no(Code::NotOpen), (CLOSED, 0, 10, 0)),
        // Claims: numbers are dense, the limit counts per claimant, the stock for all.
        (one(), 30, claim("bob", 4), took(2, 3, "bob", 4, 4), (OPEN, 7, 3, 2)),
        (one(), 30, claim("ann", 1), took(2, 6, "ann", 1, 4), (OPEN, 4, 6, 2)),
        (one(), 30, claim("ann", 2), No(Code::ClaimLimitReached, left(1)), (OPEN, 3, 7, 1)),
        (one(), 30, claim("bob", 5), No(Code::ClaimLimitReached, left(4)), (OPEN, 3, 7, 1)),
        (one(), 30, claim("bob", 8), No(Code::SoldOut, left(7)), (OPEN, 3, 7, 1)),
        (one(), 30, claim("ann", 8), No(Code::SoldOut, left(7)), (OPEN, 3, 7, 1)),
        (one(), 30, claim("ann", u32::MAX), No(Code::SoldOut, left(7)), (OPEN, 3, 7, 1)),
        (sold_out(), 30, claim("dan", 1), No(Code::SoldOut, left(0)), (OPEN, 10, 0, 3)),
        (one(), 30, claim("ann", 0), no(Code::Malformed), (OPEN, 3, 7, 1)),
        (closed(), 30, claim("ann", 0), no(Code::NotOpen), (CLOSED, 0, 10, 0)),
        (scheduled(), 9, claim("ann", 0), No(Code::NotOpen, at(10)), (SCHEDULED, 0, 10, 0)),
        // Without a price, the account that would pay is not looked at.
        (open(), 20, claim_from("ann", 1, "purse"), took(1, 9, "ann", 1, 1), (OPEN, 1, 9, 1)),
        // Releases: units come back, the number does not.
        (one(), 30, restock("c103", "ann"), back(10, "ann", 3, 0), (OPEN, 0, 10, 1)),
        (two(), 30, restock("c103", "ann"), back(9, "ann", 3, 1), (OPEN, 1, 9, 2)),
        (released(), 30, restock("c103", "ann"), no(Code::WrongState), (OPEN, 0, 10, 1)),
        (released(), 30, claim("ann", 4), took(2, 6, "ann", 4, 4), (OPEN, 4, 6, 2)),
        (one(), 50, restock("c103", "ann"), back(10, "ann", 3, 0), (CLOSED, 0, 10, 1)),
        (one(), 30, restock("c103", "bob"), no(Code::NotFound), (OPEN, 3, 7, 1)),
        (one(), 30, restock("c102", "ann"), no(Code::NotFound), (OPEN, 3, 7, 1)),
        (one(), 30, restock("c0103", "ann"), no(Code::NotFound), (OPEN, 3, 7, 1)),
        (one(), 30, restock("103", "ann"), no(Code::NotFound), (OPEN, 3, 7, 1)),
        (one(), 30, restock("c", "ann"), no(Code::NotFound), (OPEN, 3, 7, 1)),
        (released(), 30, restock("c103", "bob"), no(Code::NotFound), (OPEN, 0, 10, 1)),
        // A release that was not split names no claim.
        (one(), 30, release("c102"), no(Code::NotFound), (OPEN, 3, 7, 1)),
        (one(), 30, release("c103"), no(Code::NotFound), (OPEN, 3, 7, 1)),
        // The stock.
        (scheduled(), 6, set_stock(3), stock(3, 3), (SCHEDULED, 0, 3, 0)),
        (one(), 30, set_stock(20), stock(20, 17), (OPEN, 3, 17, 1)),
        (one(), 30, set_stock(10), stock(10, 7), (OPEN, 3, 7, 1)),
        (one(), 30, set_stock(3), stock(3, 0), (OPEN, 3, 0, 1)),
        (one(), 30, set_stock(2), No(Code::BelowTaken, left(3)), (OPEN, 3, 7, 1)),
        (one(), 30, set_stock(u64::MAX), stock(u64::MAX, u64::MAX - 3), (OPEN, 3, u64::MAX - 3, 1)),
        (one(), 50, set_stock(20), no(Code::WrongState), (CLOSED, 3, 7, 1)),
        (one(), 50, set_stock(2), no(Code::WrongState), (CLOSED, 3, 7, 1)),
        (closed(), 30, set_stock(20), no(Code::WrongState), (CLOSED, 0, 10, 0)),
        // The end.
        (scheduled(), 6, Command::Close, Then::Event(Event::Closed(Closed)), (CLOSED, 0, 10, 0)),
        (one(), 30, Command::Close, Then::Event(Event::Closed(Closed)), (CLOSED, 3, 7, 1)),
        (one(), 50, Command::Close, no(Code::WrongState), (CLOSED, 3, 7, 1)),
        (closed(), 30, Command::Close, no(Code::WrongState), (CLOSED, 0, 10, 0)),
        // Time: the engine has fired it before this, so a second one is refused.
        (scheduled(), 9, Command::DropDue, no(Code::WrongState), (SCHEDULED, 0, 10, 0)),
        (scheduled(), 10, Command::DropDue, no(Code::WrongState), (OPEN, 0, 10, 0)),
        (open(), 50, Command::DropDue, no(Code::WrongState), (CLOSED, 0, 10, 0)),
        (closed(), 60, Command::DropDue, no(Code::WrongState), (CLOSED, 0, 10, 0)),
    ];
    for (steps, now, command, then, stands) in rows {
        let drop = check(&steps, now, &command, &then);
        assert_eq!(how(&drop), stands, "{steps:?} then {command:?} at {now}");
    }
}

#[test]
fn what_does_not_exist_is_not_found() {
    let commands = [
        claim("ann", 0),
        buy("ann", 0),
        release("c103"),
        restock("c103", "ann"),
        set_stock(1),
        Command::Close,
        Command::DropDue,
    ];
    for command in commands {
        let drop = check(&vec![], 5, &command, &no(Code::NotFound));
        assert!(drop.head().is_none());
    }
}

#[test]
fn a_drop_that_nobody_could_claim_from_is_malformed() {
    let malformed = [
        create_with(|it| it.closes_at = Some(ms(10))),
        create_with(|it| it.closes_at = Some(ms(9))),
        create_with(|it| (it.opens_at, it.closes_at) = (None, Some(ms(5)))),
        create_with(|it| it.opens_at = Some(Timestamp::NEVER)),
        create_with(|it| it.seller = Some(id("shop"))),
        create_with(|it| it.price = Some(Price { amount: Amount::ZERO, asset: usd() })),
        create_with(|it| it.per_claimant = Some(0)),
    ];
    for command in malformed {
        let drop = check(&vec![], 5, &command, &no(Code::Malformed));
        assert!(drop.head().is_none());
        // One that exists says so first.
        let first = Fact::First(Position::new(101));
        check(&scheduled(), 6, &command, &No(Code::AlreadyExists, first));
    }
}

#[test]
fn a_drop_opens_at_once_where_nobody_says_when() {
    for opens_at in [None, Some(ms(5)), Some(ms(4))] {
        let command = create_with(|it| (it.opens_at, it.closes_at) = (opens_at, None));
        let drop = run(&vec![(5, command)]);
        assert_eq!(head(&drop).state, OPEN);
        assert_eq!(head(&drop).opens_at, opens_at.unwrap_or(ms(5)));
        assert_eq!(Drop::due(head(&drop)), Timestamp::NEVER);
    }
}

#[test]
fn a_drop_is_created_as_its_window_has_it() {
    for (now, state) in [(9, SCHEDULED), (10, OPEN), (49, OPEN), (50, CLOSED), (99, CLOSED)] {
        let drop = run(&vec![(now, create())]);
        assert_eq!(head(&drop).state, state, "at {now}");
    }
}

#[test]
fn timers_open_and_close_it_in_order() {
    let mut drop = run(&scheduled());
    assert_eq!(Drop::due(head(&drop)), ms(10));
    assert_eq!(drop.fire(ms(9)), []);
    assert_eq!(drop.fire(ms(10)), [Event::Opened(Opened)]);
    assert_eq!(Drop::due(head(&drop)), ms(50));
    assert_eq!(drop.fire(ms(49)), []);
    assert_eq!(drop.fire(ms(50)), [Event::Closed(Closed)]);
    assert_eq!(Drop::due(head(&drop)), Timestamp::NEVER);
    let mut late = run(&scheduled());
    assert_eq!(late.fire(ms(99)), [Event::Opened(Opened), Event::Closed(Closed)]);
    assert_eq!(run(&closed_early()).fire(ms(99)), []);
}

#[test]
fn the_window_holds_though_no_timer_has_fired() {
    let drop = run(&scheduled());
    for (now, refused) in [
        (9, Some(Refusal::with(Code::NotOpen, at(10)))),
        (10, None),
        (49, None),
        (50, Some(Code::NotOpen.into())),
    ] {
        assert_eq!(decide(&drop, &claim("ann", 1), ms(now)).err(), refused, "a claim at {now}");
    }
    for command in [set_stock(20), Command::Close] {
        assert!(decide(&drop, &command, ms(49)).is_ok());
        assert_eq!(decide(&drop, &command, ms(50)), Err(Code::WrongState.into()));
    }
}

#[test]
fn a_claim_is_answered_by_its_event_and_kept_as_an_item() {
    let mut drop = run(&scheduled());
    let told = drop.ask(&claim("ann", 3), ms(20)).expect("claimed");
    assert_eq!(told.shows, Shows::event());
    assert_eq!(Drop::claim_id(told.position), id("c103"));
    let mut item = claim_item(1, 20, "ann", 3);
    assert_eq!(drop.item(&claim_key(told.position)), Some(&Item::Claim(item.clone())));
    assert_eq!(drop.item(&units_key(&id("ann"))), Some(&Item::Units(Units { units: 3 })));

    let told = drop.ask(&restock("c103", "ann"), ms(30)).expect("released");
    assert_eq!(told.shows, Shows::item(claim_key(Position::new(103))));
    item.state = ClaimState::Released;
    assert_eq!(drop.item(&claim_key(Position::new(103))), Some(&Item::Claim(item)));
    assert_eq!(drop.item(&units_key(&id("ann"))), None, "a claimant with nothing leaves nothing");
}

#[test]
fn without_a_limit_no_units_are_counted() {
    let mut drop = run(&vec![(10, create_with(|it| it.per_claimant = None))]);
    drop.ask(&claim("ann", 9), ms(20)).expect("claimed");
    assert_eq!(drop.items().count(), 2, "the metadata and the claim");
    drop.ask(&restock("c102", "ann"), ms(20)).expect("released");
    assert_eq!(how(&drop), (OPEN, 0, 10, 1));
    assert_eq!(drop.items().count(), 2);
}

#[test]
fn a_priced_claim_must_be_paid_and_names_its_asset() {
    let drop = run(&priced(None));
    let mut transit = Transit::default();
    let mut bought = run(&priced(None));
    let told = bought.ask_within(&buy("ann", 3), ms(20), &mut transit).expect("bought");
    let payment = Some(Box::new(Payment { payer: id("purse"), amount: Amount::from(21) }));
    let claimed = claimed(1, 7, "ann", 3, 3);
    let event = Event::Claimed(Claimed { payment: payment.clone(), ..claimed });
    assert_eq!(told.event, Some(event));
    assert_eq!(told.postings.list(), [], "the drop itself moves nothing");
    assert!(transit.is_empty());
    assert_eq!(transit.asset(), Some(usd()), "no later leg may pay in another asset");
    let item = Claim { payment, ..claim_item(1, 20, "ann", 3) };
    assert_eq!(bought.item(&claim_key(told.position)), Some(&Item::Claim(item)));

    let euro = Asset::new("EUR/2").expect("well formed");
    let mut transit = Transit::default();
    transit.give(euro, Amount::ZERO).expect("nothing");
    let refusal = bought.ask_within(&buy("ann", 1), ms(20), &mut transit).err();
    assert_eq!(refusal, Some(Code::AssetMismatch.into()));

    let mut transit = Transit::default();
    bought.ask_within(&restock("c102", "ann"), ms(30), &mut transit).expect("released");
    assert_eq!(transit.asset(), Some(usd()), "nor is it given back in another");

    // Not split, nobody pays it; its own refusals come first.
    for (command, code) in [
        (claim_from("ann", 1, "purse"), Code::NotFound),
        (claim("ann", 1), Code::Malformed),
        (claim_from("ann", 0, "purse"), Code::Malformed),
        (buy("ann", 0), Code::Malformed),
        (claim("ann", 11), Code::Malformed),
        (claim_from("ann", 11, "purse"), Code::SoldOut),
        (claim_from("ann", 5, "purse"), Code::ClaimLimitReached),
    ] {
        assert_eq!(decide(&drop, &command, ms(20)).map_err(|it| it.code), Err(code), "{command:?}");
    }
    assert_eq!(decide(&drop, &claim_from("ann", 1, "purse"), ms(50)), Err(Code::NotOpen.into()),);
}

#[test]
fn a_price_that_does_not_fit_is_an_overflow_after_everything_else() {
    let price = Some(Price { amount: Amount::MAX, asset: usd() });
    let drop = run(&vec![(10, create_with(|it| it.price = price))]);
    assert!(decide(&drop, &buy("ann", 1), ms(20)).is_ok());
    for (quantity, code) in [
        (2, Code::Overflow),
        (5, Code::ClaimLimitReached),
        (11, Code::SoldOut),
        (0, Code::Malformed),
    ] {
        let refusal = decide(&drop, &buy("ann", quantity), ms(20)).map_err(|it| it.code);
        assert_eq!(refusal, Err(code), "{quantity}");
    }
    let command = claim_from("ann", 2, "purse");
    assert_eq!(legs(&drop, &command), [Leg::Drop(command.clone())]);
    assert_eq!(decide(&drop, &command, ms(20)), Err(Code::Overflow.into()));
}

#[test]
fn a_priced_claim_is_split_into_itself_and_its_payment() {
    let command = claim_from("ann", 3, "purse");
    let (amount, metadata) = (Amount::from(21), Metadata::default());
    assert_eq!(
        legs(&run(&priced(None)), &command),
        [
            Leg::Drop(buy("ann", 3)),
            Leg::Account(id("purse"), account::Command::Spend { amount, on: id("d") }),
        ]
    );
    assert_eq!(
        legs(&run(&priced(Some("shop"))), &command),
        [
            Leg::Drop(buy("ann", 3)),
            Leg::Account(id("purse"), account::Command::Send { amount, to: id("shop"), metadata }),
            Leg::Account(id("shop"), account::Command::Receive { from: id("purse") }),
        ]
    );
    // What cannot be accepted, or costs nothing, stays alone.
    for (steps, command) in [
        (vec![], claim_from("ann", 3, "purse")),
        (open(), claim_from("ann", 3, "purse")),
        (priced(None), claim("ann", 3)),
        (priced(None), set_stock(1)),
    ] {
        assert_eq!(legs(&run(&steps), &command), [Leg::Drop(command.clone())]);
    }
}

#[test]
fn a_release_is_split_into_itself_and_the_refund() {
    let amount = Amount::from(21);
    assert_eq!(legs(&run(&one()), &release("c103")), [Leg::Drop(restock("c103", "ann"))]);
    assert_eq!(legs(&run(&released()), &release("c103")), [Leg::Drop(restock("c103", "ann"))]);
    assert_eq!(
        legs(&bought(None), &release("c102")),
        [
            Leg::Drop(restock("c102", "ann")),
            Leg::Account(id("purse"), account::Command::Restore { amount, from: id("d") }),
        ]
    );
    assert_eq!(
        legs(&bought(Some("shop")), &release("c102")),
        [
            Leg::Drop(restock("c102", "ann")),
            Leg::Account(id("shop"), account::Command::GiveBack { amount, to: id("purse") }),
            Leg::Account(id("purse"), account::Command::TakeBack { from: id("shop") }),
        ]
    );
    for claim in ["c101", "c", "c0102", "x102", "c99999999999999999999"] {
        assert_eq!(legs(&bought(None), &release(claim)), [Leg::Drop(release(claim))], "{claim}");
    }
}

#[test]
fn stock_raised_lets_more_win_and_never_falls_below_what_is_taken() {
    let mut drop = run(&vec![(10, create_with(|it| (it.stock, it.per_claimant) = (7, None)))]);
    drop.ask(&claim("ann", 7), ms(20)).expect("all");
    let refusal = drop.ask(&set_stock(5), ms(20)).err();
    assert_eq!(refusal, Some(Refusal::with(Code::BelowTaken, left(7))));
    drop.ask(&set_stock(10), ms(20)).expect("raised");
    for name in ["bob", "cyd", "dan"] {
        drop.ask(&claim(name, 1), ms(20)).expect("three more");
    }
    let refusal = drop.ask(&claim("eve", 1), ms(20)).err();
    assert_eq!(refusal, Some(Refusal::with(Code::SoldOut, left(0))));
}

#[test]
fn the_index_is_by_state() {
    for (steps, byte) in [(scheduled(), 1), (open(), 2), (closed(), 3)] {
        let mut found = Vec::new();
        Drop::indexes(head(&run(&steps)), &mut |index, key| found.push((index, key.to_vec())));
        assert_eq!(found, [(INDEX_STATE, vec![byte])]);
    }
}

#[test]
fn fingerprints_tell_commands_apart_and_leave_defaults_out() {
    let commands = [
        create(),
        create_with(|it| it.opens_at = None),
        create_with(|it| it.closes_at = None),
        create_with(|it| it.per_claimant = None),
        create_with(|it| it.price = Some(Price { amount: Amount::from(7), asset: usd() })),
        create_with(|it| it.metadata = Metadata::default()),
        claim("ann", 1),
        claim("ann", 2),
        claim("bob", 1),
        claim_from("ann", 1, "purse"),
        release("c1"),
        set_stock(1),
        set_stock(2),
        Command::Close,
        buy("ann", 1),
        restock("c1", "ann"),
        restock("c1", "bob"),
        Command::DropDue,
    ];
    are_told_apart(&commands);
    let mut canon = Canon::default();
    canon.field(1, &id("ann"));
    assert_eq!(said(&claim("ann", 1)).2, canon.bytes(), "one unit is the default");
    assert_eq!(release("c1").sub(), Some(&id("c1")));
    assert_eq!(claim("ann", 1).sub(), None);
}

#[test]
fn records_are_as_small_as_promised() {
    let event = Event::Claimed(claimed(1, 2, "claimant-123", 3, 4));
    let mut bytes = Vec::new();
    pack_into(&event, &mut bytes);
    assert!(16 + 24 + bytes.len().next_multiple_of(8) <= 100, "{} bytes", bytes.len());

    let longest = "x".repeat(128);
    let command = create_with(|it| {
        it.price = Some(Price { amount: Amount::MAX, asset: usd() });
        it.seller = Some(id(&longest));
    });
    let mut bytes = Vec::new();
    pack_into(head(&run(&vec![(5, command)])), &mut bytes);
    assert!(bytes.len() <= 256, "{} bytes", bytes.len());
}

/// Asks for a command after some steps, and checks what every command must keep to.
fn check(steps: &Steps, now: u64, command: &Command, then: &Then) -> Solo<Drop> {
    let mut drop = run(steps);
    drop.fire(ms(now));
    let before = all_of(&drop);
    let found = match drop.ask(command, ms(now)) {
        Ok(told) => {
            assert_eq!(told.postings.list(), [], "a drop moves nothing");
            Then::Event(told.event.expect("a drop always says what happened"))
        }
        Err(Refusal { code, fact }) => No(code, fact),
    };
    assert_eq!(found, *then, "{steps:?} then {command:?} at {now}");
    if matches!(found, No(..)) {
        assert_eq!(all_of(&drop), before, "{command:?} has changed something");
    }
    drop
}

fn run(steps: &Steps) -> Solo<Drop> {
    let mut drop = Solo::<Drop>::new("d");
    for (now, command) in steps {
        let refused = drop.ask(command, ms(*now)).err();
        assert_eq!(refused, None, "{command:?}");
    }
    drop
}

fn all_of(drop: &Solo<Drop>) -> String {
    let items: Vec<_> = drop.items().collect();
    format!("{:?} {:?} {items:?}", drop.version(), drop.head())
}

fn how(drop: &Solo<Drop>) -> Stands {
    let head = head(drop);
    assert_eq!(head.taken + head.remaining(), head.stock);
    (head.state, head.taken, head.remaining(), head.claims)
}

struct Nothing;

impl Items<Item> for Nothing {
    fn get(&self, _: &ItemKey) -> Option<&Item> {
        None
    }
}

/// A decision by itself, without the timers that an engine fires before it.
fn decide(drop: &Solo<Drop>, command: &Command, now: Timestamp) -> Result<Decided<Event>, Refusal> {
    let name = Name::new(Book::DEFAULT, Drop::KIND, id("d"));
    let view = View {
        name: &name,
        number: Number::new(101),
        version: drop.version(),
        head: drop.head(),
        items: &Nothing,
    };
    let mut cx = Context { now, transit: &mut Transit::default(), secret: &[7; 32] };
    Drop::decide(&view, command, &mut cx)
}

/// One leg of a command that was split.
#[derive(PartialEq, Debug)]
enum Leg {
    Drop(Command),
    Account(Id, account::Command),
}

fn legs(drop: &Solo<Drop>, command: &Command) -> Vec<Leg> {
    let legs = drop.expand(command, None);
    let legs = legs.into_iter().map(|(name, leg)| {
        assert_eq!(name.book, Book::DEFAULT);
        match (leg.get::<Drop>(), leg.get::<Account>()) {
            (Some(command), None) => {
                assert_eq!((name.kind, name.id), (Drop::KIND, id("d")));
                Leg::Drop(command.clone())
            }
            (None, Some(command)) => {
                assert_eq!(name.kind, Account::KIND);
                Leg::Account(name.id, command.clone())
            }
            _ => panic!("a leg of another kind"),
        }
    });
    legs.collect()
}

fn scheduled() -> Steps {
    vec![(5, create())]
}

/// The stock is set to what it is, which opens the drop on the way, at 102.
fn open() -> Steps {
    vec![(5, create()), (10, set_stock(10))]
}

fn closed() -> Steps {
    vec![(5, create()), (20, Command::Close)]
}

fn closed_early() -> Steps {
    vec![(5, create()), (6, Command::Close)]
}

/// One claim of three units, at 103.
fn one() -> Steps {
    vec![(5, create()), (20, claim("ann", 3))]
}

/// Another one of the same claimant, of one unit, at 104.
fn two() -> Steps {
    vec![(5, create()), (20, claim("ann", 3)), (20, claim("ann", 1))]
}

fn released() -> Steps {
    vec![(5, create()), (20, claim("ann", 3)), (25, restock("c103", "ann"))]
}

fn sold_out() -> Steps {
    let claims = [claim("ann", 4), claim("bob", 4), claim("cyd", 2)];
    scheduled().into_iter().chain(claims.map(|claim| (20, claim))).collect()
}

/// A drop that is open and has a price of 7.
fn priced(seller: Option<&str>) -> Steps {
    let command = create_with(|it| {
        it.opens_at = None;
        it.price = Some(Price { amount: Amount::from(7), asset: usd() });
        it.seller = seller.map(id);
    });
    vec![(10, command)]
}

/// The same with a claim of three units, at 102.
fn bought(seller: Option<&str>) -> Solo<Drop> {
    let mut drop = run(&priced(seller));
    drop.ask(&buy("ann", 3), ms(20)).expect("bought");
    drop
}

fn create() -> Command {
    create_with(|_| {})
}

/// What a drop of these tests is created with.
struct Plan {
    stock: u64,
    per_claimant: Option<u32>,
    opens_at: Option<Timestamp>,
    closes_at: Option<Timestamp>,
    price: Option<Price>,
    seller: Option<Id>,
    metadata: Metadata,
}

/// The command to create it, but for what `change` does to it.
fn create_with<T>(change: impl FnOnce(&mut Plan) -> T) -> Command {
    let mut plan = Plan {
        stock: 10,
        per_claimant: Some(4),
        opens_at: Some(ms(10)),
        closes_at: Some(ms(50)),
        price: None,
        seller: None,
        metadata: metadata(),
    };
    change(&mut plan);
    let Plan { stock, per_claimant, opens_at, closes_at, price, seller, metadata } = plan;
    Command::Create { stock, per_claimant, opens_at, closes_at, price, seller, metadata }
}

fn created() -> Event {
    Event::Created(Created {
        stock: 10,
        opens_at: ms(10),
        closes_at: ms(50),
        price: None,
        seller: None,
        metadata: Some(metadata()),
        per_claimant: Some(4),
    })
}

fn claim(claimant: &str, quantity: u32) -> Command {
    Command::Claim { claimant: id(claimant), quantity, pay_from: None }
}

fn claim_from(claimant: &str, quantity: u32, purse: &str) -> Command {
    Command::Claim { claimant: id(claimant), quantity, pay_from: Some(id(purse)) }
}

fn buy(claimant: &str, quantity: u32) -> Command {
    Command::Buy { claimant: id(claimant), quantity, payer: id("purse") }
}

fn release(claim: &str) -> Command {
    Command::Release { claim: id(claim) }
}

fn restock(claim: &str, claimant: &str) -> Command {
    Command::Restock { claim: id(claim), claimant: id(claimant) }
}

fn set_stock(stock: u64) -> Command {
    Command::SetStock { stock }
}

fn no(code: Code) -> Then {
    No(code, Fact::None)
}

fn claimed(number: u64, remaining: u64, claimant: &str, quantity: u32, units: u32) -> Claimed {
    Claimed { number, remaining, claimant: id(claimant), payment: None, quantity, units }
}

fn took(number: u64, remaining: u64, claimant: &str, quantity: u32, units: u32) -> Then {
    Then::Event(Event::Claimed(claimed(number, remaining, claimant, quantity, units)))
}

/// The claim at 103 came back.
fn back(remaining: u64, claimant: &str, quantity: u32, units: u32) -> Then {
    let claim = Position::new(103);
    let claimant = id(claimant);
    Then::Event(Event::Released(Released { claim, remaining, claimant, quantity, units }))
}

fn stock(stock: u64, remaining: u64) -> Then {
    Then::Event(Event::StockSet(StockSet { stock, remaining }))
}

fn claim_item(number: u64, at: u64, claimant: &str, quantity: u32) -> Claim {
    let claimant = id(claimant);
    let state = ClaimState::Taken;
    Claim { number, at: ms(at), claimant, payment: None, quantity, state }
}

fn head(drop: &Solo<Drop>) -> &<Drop as Machine>::Head {
    drop.head().expect("it exists")
}

fn metadata() -> Metadata {
    Metadata::new([("city", "Lima")]).expect("small")
}

fn usd() -> Asset {
    Asset::new("USD/2").expect("well formed")
}

fn left(units: u64) -> Fact {
    Fact::Remaining(units)
}

fn at(time: u64) -> Fact {
    Fact::At(ms(time))
}

fn ms(time: u64) -> Timestamp {
    Timestamp::from_ms(time)
}

fn id(text: &str) -> Id {
    Id::new(text).expect("well formed")
}
