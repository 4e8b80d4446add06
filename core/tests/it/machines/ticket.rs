//! The rules of the ticket machine, as a table of cases.

use super::{are_told_apart, said};
use quipu_core::machine::{Context, Decided, ItemKey, Items, Machine, Shows, Solo, Transit, View};
use quipu_core::machines::ticket::{
    Claimed, Command, Event, Evidence, EvidenceKept, Expired, INDEX_STATE, INDEX_TOKEN, Issued,
    Item, Reason, Reference, Revoked, State, Ticket, evidence_key, is_token_of, metadata_key,
    reason_key, reference_key, token, token_hash,
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
    /// It was so already.
    Already,
    /// A rule says no.
    No(Code, Fact),
}
use Then::{Already, No};

/// Steps that bring a ticket into a state: time and command.
type Steps = Vec<(u64, Command)>;

#[test]
fn every_command_in_every_state() {
    // Every ticket here is issued at 10, expires at 50, and is made by the event at 101.
    let first = Fact::First(Position::new(101));
    let rows = [
        // steps before, time, command, what is answered, where the ticket then stands
        (absent(), 10, issue(), Then::Event(issued()), State::Unclaimed),
        (unclaimed(), 20, issue(), No(Code::AlreadyExists, first), State::Unclaimed),
        (claimed(), 30, issue(), No(Code::AlreadyExists, first), State::Claimed),
        (expired(), 60, issue(), No(Code::AlreadyExists, first), State::Expired),
        (revoked(), 30, issue(), No(Code::AlreadyExists, first), State::Revoked),
        // In a batch, what exists is kept as it is, and what is new about it as evidence.
        (absent(), 10, batch(Some("tx1")), Then::Event(issued()), State::Unclaimed),
        (unclaimed(), 20, batch(Some("tx1")), Already, State::Unclaimed),
        (unclaimed(), 20, batch(None), Already, State::Unclaimed),
        (unclaimed(), 20, batch(Some("tx2")), kept("tx2"), State::Unclaimed),
        (unclaimed_with("tx2"), 20, batch(Some("tx2")), Already, State::Unclaimed),
        (unclaimed_with("tx2"), 20, batch(Some("tx1")), Already, State::Unclaimed),
        (unclaimed_with("tx2"), 20, batch(Some("tx3")), kept("tx3"), State::Unclaimed),
        (without_reference(), 20, batch(Some("tx1")), kept("tx1"), State::Unclaimed),
        (claimed(), 30, batch(Some("tx1")), Already, State::Claimed),
        (claimed(), 30, batch(Some("tx2")), kept("tx2"), State::Claimed),
        (expired(), 60, batch(Some("tx2")), kept("tx2"), State::Expired),
        (revoked(), 30, batch(Some("tx2")), kept("tx2"), State::Revoked),
        // A claim: revoked before claimed before expired.
        (unclaimed(), 20, claim("ann"), claimed_by("ann"), State::Claimed),
        (unclaimed(), 49, claim("ann"), claimed_by("ann"), State::Claimed),
        (unclaimed(), 50, claim("ann"), No(Code::Expired, at(50)), State::Expired),
        (unclaimed(), 51, claim("ann"), No(Code::Expired, at(50)), State::Expired),
        (expired(), 70, claim("ann"), No(Code::Expired, at(50)), State::Expired),
        (claimed(), 30, claim("ann"), Already, State::Claimed),
        (claimed(), 30, claim("bob"), No(Code::AlreadyClaimed, at(20)), State::Claimed),
        (claimed(), 50, claim("ann"), Already, State::Claimed),
        (claimed(), 50, claim("bob"), No(Code::AlreadyClaimed, at(20)), State::Claimed),
        (claimed_then_revoked(), 30, claim("ann"), No(Code::Revoked, at(25)), State::Revoked),
        (claimed_then_revoked(), 30, claim("bob"), No(Code::Revoked, at(25)), State::Revoked),
        (revoked(), 30, claim("ann"), No(Code::Revoked, at(25)), State::Revoked),
        (revoked(), 50, claim("ann"), No(Code::Revoked, at(25)), State::Revoked),
        (expired_then_revoked(), 70, claim("ann"), No(Code::Revoked, at(60)), State::Revoked),
        // A revocation: the first counts.
        (unclaimed(), 20, revoke("lost"), revoked_for("lost"), State::Revoked),
        (unclaimed(), 20, revoke(""), revoked_for(""), State::Revoked),
        (claimed(), 30, revoke("lost"), revoked_for("lost"), State::Revoked),
        (expired(), 60, revoke("lost"), revoked_for("lost"), State::Revoked),
        (revoked(), 30, revoke("again"), Already, State::Revoked),
        (unclaimed(), 20, revoke(&long(512)), revoked_for(&long(512)), State::Revoked),
        (unclaimed(), 20, revoke(&long(513)), No(Code::Malformed, Fact::None), State::Unclaimed),
        (revoked(), 30, revoke(&long(513)), Already, State::Revoked),
        // Time: the engine has fired it before this, so a second one is refused.
        (unclaimed(), 49, Command::TicketDue, No(Code::WrongState, Fact::None), State::Unclaimed),
        (unclaimed(), 50, Command::TicketDue, No(Code::WrongState, Fact::None), State::Expired),
        (claimed(), 60, Command::TicketDue, No(Code::WrongState, Fact::None), State::Claimed),
        (revoked(), 60, Command::TicketDue, No(Code::WrongState, Fact::None), State::Revoked),
    ];
    for (steps, now, command, then, state) in rows {
        let ticket = check(&steps, now, &command, &then);
        assert_eq!(head(&ticket).state, state, "{steps:?} then {command:?} at {now}");
    }
}

#[test]
fn what_does_not_exist_is_not_found() {
    for command in [claim("ann"), revoke(""), revoke(&long(513)), Command::TicketDue] {
        let ticket = check(&absent(), 10, &command, &No(Code::NotFound, Fact::None));
        assert!(ticket.head().is_none());
    }
}

#[test]
fn a_ticket_keeps_what_it_was_issued_with_and_nothing_empty() {
    let ticket = check(&absent(), 10, &issue(), &Then::Event(issued()));
    assert_eq!((head(&ticket).amount, head(&ticket).asset), (Some(Amount::from(42)), usd()));
    assert_eq!(head(&ticket).expires_at, ms(50));
    assert_eq!(ticket.item(&metadata_key()), Some(&Item::Metadata(metadata())));
    assert_eq!(ticket.item(&reference_key()), Some(&reference("tx1")));
    assert_eq!(ticket.items().count(), 2);

    let mut bare = Solo::<Ticket>::new("t");
    bare.ask(&bare_issue(), ms(10)).expect("issued");
    assert_eq!(head(&bare).expires_at, Timestamp::NEVER);
    assert_eq!(bare.items().count(), 0);
    assert_eq!(bare.ask(&claim("ann"), Timestamp::LAST).expect("never late").postings.list(), []);
}

#[test]
fn one_that_is_issued_too_late_is_expired() {
    for (now, state) in [(49, State::Unclaimed), (50, State::Expired), (60, State::Expired)] {
        let ticket = check(&absent(), now, &issue(), &Then::Event(issued()));
        assert_eq!(head(&ticket).state, state, "at {now}");
    }
    let late = run(&vec![(60, issue())]);
    assert_eq!(Ticket::due(head(&late)), Timestamp::NEVER);
    check(&vec![(60, issue())], 60, &claim("ann"), &No(Code::Expired, at(50)));
}

#[test]
fn a_claim_is_answered_the_same_for_ever() {
    let mut ticket = run(&unclaimed());
    let told = ticket.ask(&claim("ann"), ms(20)).expect("the first");
    let (shows, before) = (told.shows, head(&ticket).clone());
    assert_eq!(shows, Shows::head());
    let made = before.claim.clone().expect("claimed");
    assert_eq!((made.claimant, made.at, made.position), (id("ann"), ms(20), told.position));

    let again = ticket.ask(&claim("ann"), ms(99)).expect("the same");
    assert!(again.event.is_none());
    assert_eq!((again.shows, again.position), (shows.clone(), told.position));
    assert_eq!(*head(&ticket), before, "the same bytes");

    ticket.ask(&batch(Some("tx9")), ms(100)).expect("evidence");
    let again = ticket.ask(&claim("ann"), ms(100)).expect("the same");
    assert_eq!((again.shows, &head(&ticket).claim), (shows, &before.claim));
}

#[test]
fn a_revocation_leaves_the_claim_known_and_takes_its_reason_along() {
    let ticket = check(&claimed(), 25, &revoke("lost"), &revoked_for("lost"));
    assert_eq!(head(&ticket).claim.as_ref().map(|claim| claim.at), Some(ms(20)));
    assert_eq!(head(&ticket).revoked_at, Some(ms(25)));
    let reason = Item::Reason(Reason { reason: "lost".into() });
    assert_eq!(ticket.item(&reason_key()), Some(&reason));
    // A second one changes neither.
    let ticket = check(&claimed_then_revoked(), 99, &revoke("again"), &Already);
    assert_eq!(head(&ticket).revoked_at, Some(ms(25)));
    assert_eq!(ticket.item(&reason_key()), Some(&reason));
    let ticket = check(&unclaimed(), 20, &revoke(""), &revoked_for(""));
    assert_eq!(ticket.item(&reason_key()), None);
}

#[test]
fn evidence_is_counted_and_says_where_and_when() {
    let mut ticket = run(&claimed());
    let told = ticket.ask(&batch(Some("tx2")), ms(33)).expect("kept");
    let evidence = Evidence { reference: id("tx2"), position: told.position, at: ms(33) };
    assert_eq!(ticket.item(&evidence_key(&id("tx2"))), Some(&Item::Evidence(evidence)));
    ticket.ask(&batch(Some("tx3")), ms(34)).expect("kept");
    assert_eq!(head(&ticket).evidence, 2);
    assert_eq!(ticket.item(&reference_key()), Some(&reference("tx1")));
}

#[test]
fn timers_stand_while_it_is_unclaimed_only() {
    for (steps, due) in [
        (unclaimed(), ms(50)),
        (claimed(), Timestamp::NEVER),
        (expired(), Timestamp::NEVER),
        (revoked(), Timestamp::NEVER),
    ] {
        assert_eq!(Ticket::due(head(&run(&steps))), due, "{steps:?}");
    }
    let mut ticket = run(&unclaimed());
    assert_eq!(ticket.fire(ms(49)), []);
    assert_eq!(ticket.fire(ms(50)), [Event::Expired(Expired)]);
    assert_eq!(ticket.fire(ms(50)), []);
}

#[test]
fn a_claim_at_its_end_is_refused_though_no_timer_has_fired() {
    let ticket = run(&unclaimed());
    for (now, claimed) in [(49, true), (50, false), (51, false)] {
        let decided = decide(&ticket, &claim("ann"), ms(now));
        assert_eq!(decided.is_ok(), claimed, "at {now}");
        assert!(claimed || decided == Err(Refusal::with(Code::Expired, at(50))));
    }
    let due = decide(&ticket, &Command::TicketDue, ms(50));
    assert_eq!(due, Ok(Decided::Event(Event::Expired(Expired))));
}

#[test]
fn tokens_are_derived_from_secret_book_number_and_id() {
    let name = |book, text: &str| Name::new(Book::new(Number::new(book)), Ticket::KIND, id(text));
    let base = token(&[7; 32], &name(1, "t"), Number::new(101));
    let mut input = b"token v1".to_vec();
    input.extend_from_slice(&1_u64.to_le_bytes());
    input.extend_from_slice(&101_u64.to_le_bytes());
    input.push(b't');
    assert_eq!(base, *blake3::keyed_hash(&[7; 32], &input).as_bytes());
    assert_eq!(token_hash(&base), xxhash_rust::xxh3::xxh3_128(&base).to_le_bytes());
    for other in [
        token(&[8; 32], &name(1, "t"), Number::new(101)),
        token(&[7; 32], &name(2, "t"), Number::new(101)),
        token(&[7; 32], &name(1, "u"), Number::new(101)),
        token(&[7; 32], &name(1, "t"), Number::new(102)),
        token(&[7; 32], &name(1, &long(128)), Number::new(101)),
    ] {
        assert_ne!(base, other);
        assert!(!is_token_of(&[7; 32], &name(1, "t"), Number::new(101), &other));
    }
    assert!(is_token_of(&[7; 32], &name(1, "t"), Number::new(101), &base));
    for bit in 0..256 {
        let mut near = base;
        near[bit / 8] ^= 1 << (bit % 8);
        assert!(!is_token_of(&[7; 32], &name(1, "t"), Number::new(101), &near), "bit {bit}");
    }
}

#[test]
fn indexes_are_by_state_and_by_token() {
    for (steps, rows) in [
        (unclaimed(), vec![(INDEX_STATE, vec![1])]),
        (claimed(), vec![(INDEX_STATE, vec![2]), (INDEX_TOKEN, hash().to_vec())]),
        (claimed_then_revoked(), vec![(INDEX_STATE, vec![3]), (INDEX_TOKEN, hash().to_vec())]),
        (revoked(), vec![(INDEX_STATE, vec![3])]),
        (expired(), vec![(INDEX_STATE, vec![4])]),
    ] {
        let mut found = Vec::new();
        Ticket::indexes(head(&run(&steps)), &mut |index, key| found.push((index, key.to_vec())));
        assert_eq!(found, rows, "{steps:?}");
    }
}

#[test]
fn fingerprints_tell_commands_apart_and_leave_defaults_out() {
    let commands = [
        bare_issue(),
        issue(),
        batch(Some("tx1")),
        batch(None),
        claim("ann"),
        claim("bob"),
        revoke(""),
        revoke("lost"),
        Command::TicketDue,
    ];
    are_told_apart(&commands);
    for bare in [bare_issue(), revoke(""), Command::TicketDue] {
        assert!(said(&bare).2.is_empty(), "{bare:?}");
    }
}

#[test]
fn records_are_as_small_as_promised() {
    let claimed = Claimed { claimant: id("claimant-123"), token_hash: [9; 16] };
    assert!(on_the_log(&Event::Claimed(claimed)) <= 100);

    let mut ticket = Solo::<Ticket>::new("t");
    let issue = Command::Issue {
        amount: Some(Amount::MAX),
        asset: usd(),
        reference: Some(id(&long(128))),
        expires_at: Some(Timestamp::LAST),
        metadata: metadata(),
        batch: false,
    };
    ticket.ask(&issue, ms(10)).expect("issued");
    ticket.ask(&claim(&long(128)), ms(20)).expect("claimed");
    ticket.ask(&revoke(&long(512)), ms(30)).expect("revoked");
    let mut bytes = Vec::new();
    pack_into(head(&ticket), &mut bytes);
    assert!(bytes.len() <= 256, "{} bytes", bytes.len());
}

/// Asks for a command after some steps, and checks what every command must keep to.
fn check(steps: &Steps, now: u64, command: &Command, then: &Then) -> Solo<Ticket> {
    let mut ticket = run(steps);
    ticket.fire(ms(now));
    let before = all_of(&ticket);
    let found = match ticket.ask(command, ms(now)) {
        Ok(told) => {
            assert_eq!(told.postings.list(), [], "a ticket moves nothing");
            told.event.map_or(Already, Then::Event)
        }
        Err(Refusal { code, fact }) => No(code, fact),
    };
    assert_eq!(found, *then, "{steps:?} then {command:?} at {now}");
    if !matches!(found, Then::Event(_)) {
        assert_eq!(all_of(&ticket), before, "{command:?} has changed something");
    }
    ticket
}

fn run(steps: &Steps) -> Solo<Ticket> {
    let mut ticket = Solo::<Ticket>::new("t");
    for (now, command) in steps {
        let refused = ticket.ask(command, ms(*now)).err().map(|refusal| refusal.code);
        let late = (*command == claim("late")).then_some(Code::Expired);
        assert_eq!(refused, late, "{command:?}");
    }
    ticket
}

fn all_of(ticket: &Solo<Ticket>) -> String {
    let items: Vec<_> = ticket.items().collect();
    format!("{:?} {:?} {items:?}", ticket.version(), ticket.head())
}

struct Nothing;

impl Items<Item> for Nothing {
    fn get(&self, _: &ItemKey) -> Option<&Item> {
        None
    }
}

/// A decision by itself, without the timers that an engine fires before it.
fn decide(
    ticket: &Solo<Ticket>,
    command: &Command,
    now: Timestamp,
) -> Result<Decided<Event>, Refusal> {
    let name = Name::new(Book::DEFAULT, Ticket::KIND, id("t"));
    let view = View {
        name: &name,
        number: Number::new(101),
        version: ticket.version(),
        head: ticket.head(),
        items: &Nothing,
    };
    let mut cx = Context { now, transit: &mut Transit::default(), secret: &[7; 32] };
    Ticket::decide(&view, command, &mut cx)
}

fn absent() -> Steps {
    vec![]
}

fn unclaimed() -> Steps {
    vec![(10, issue())]
}

fn unclaimed_with(reference: &str) -> Steps {
    vec![(10, issue()), (15, batch(Some(reference)))]
}

fn without_reference() -> Steps {
    vec![(10, bare_issue())]
}

fn claimed() -> Steps {
    vec![(10, issue()), (20, claim("ann"))]
}

fn expired() -> Steps {
    vec![(10, issue()), (55, claim("late"))]
}

fn revoked() -> Steps {
    vec![(10, issue()), (25, revoke("lost"))]
}

fn claimed_then_revoked() -> Steps {
    vec![(10, issue()), (20, claim("ann")), (25, revoke("lost"))]
}

fn expired_then_revoked() -> Steps {
    vec![(10, issue()), (60, revoke("lost"))]
}

fn issue() -> Command {
    issue_of(Some("tx1"), false)
}

fn batch(reference: Option<&str>) -> Command {
    issue_of(reference, true)
}

fn issue_of(reference: Option<&str>, batch: bool) -> Command {
    Command::Issue {
        amount: Some(Amount::from(42)),
        asset: usd(),
        reference: reference.map(id),
        expires_at: Some(ms(50)),
        metadata: metadata(),
        batch,
    }
}

fn bare_issue() -> Command {
    Command::Issue {
        amount: None,
        asset: None,
        reference: None,
        expires_at: None,
        metadata: Metadata::default(),
        batch: false,
    }
}

fn claim(claimant: &str) -> Command {
    Command::Claim { claimant: id(claimant) }
}

fn revoke(reason: &str) -> Command {
    Command::Revoke { reason: reason.into() }
}

fn issued() -> Event {
    Event::Issued(Issued {
        amount: Some(Amount::from(42)),
        expires_at: ms(50),
        reference: Some(id("tx1")),
        metadata: Some(metadata()),
        asset: usd(),
    })
}

fn claimed_by(claimant: &str) -> Then {
    Then::Event(Event::Claimed(Claimed { claimant: id(claimant), token_hash: hash() }))
}

fn revoked_for(reason: &str) -> Then {
    Then::Event(Event::Revoked(Revoked { reason: reason.into() }))
}

fn kept(reference: &str) -> Then {
    Then::Event(Event::EvidenceKept(EvidenceKept { reference: id(reference) }))
}

fn reference(reference: &str) -> Item {
    Item::Reference(Reference { reference: id(reference) })
}

/// The token's hash of the one ticket of these tests.
fn hash() -> [u8; 16] {
    let name = Name::new(Book::DEFAULT, Ticket::KIND, id("t"));
    token_hash(&token(&[7; 32], &name, Number::new(101)))
}

fn on_the_log(event: &Event) -> usize {
    let mut bytes = Vec::new();
    pack_into(event, &mut bytes);
    16 + 24 + bytes.len().next_multiple_of(8)
}

fn head(ticket: &Solo<Ticket>) -> &<Ticket as Machine>::Head {
    ticket.head().expect("it exists")
}

fn metadata() -> Metadata {
    Metadata::new([("seat", "12")]).expect("small")
}

fn usd() -> Option<Asset> {
    Asset::new("USD/2").ok()
}

fn long(len: usize) -> String {
    "x".repeat(len)
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
