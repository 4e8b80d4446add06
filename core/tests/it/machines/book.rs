//! The rules of the book machine, as a table of cases.

use super::are_told_apart;
use quipu_core::machine::{ItemKey, Said, Shows, Solo};
use quipu_core::machines::book::{
    Access, Book, Command, Created, Event, Head, Issued, Item, KeyIssued, KeyRevoked, hash_key,
    issued_key, scope,
};
use quipu_core::words::{Code, Fact, Id, Position, Refusal, Timestamp};

use Command::Create;

/// The stream's events have positions from here on.
const FIRST: u64 = 101;

fn t(ms: u64) -> Timestamp {
    Timestamp::from_ms(1_000 + ms)
}

fn id(text: &str) -> Id {
    Id::new(text).expect("a test's id is well formed")
}

fn issue(hash: u8, scopes: u8) -> Command {
    Command::IssueKey { hash: [hash; 32], scopes, label: None }
}

fn revoke(key: &str) -> Command {
    Command::RevokeKey { key: id(key) }
}

/// A whole book, to compare before and after.
fn picture(solo: &Solo<Book>) -> (Position, Option<Head>, Vec<(ItemKey, Item)>) {
    let items = solo.items().map(|(key, item)| (key.clone(), item.clone())).collect();
    (solo.version(), solo.head().cloned(), items)
}

#[test]
fn every_command_on_every_state() {
    let first = |position| Fact::First(Position::new(position));
    let no = |code: Code| Err(Refusal::from(code));
    let exists = |position| Err(Refusal::with(Code::AlreadyExists, first(position)));
    let created = Ok(Some(Event::Created(Created { at: t(9) })));
    let issued = |hash, scopes| {
        Ok(Some(Event::KeyIssued(KeyIssued { hash: [hash; 32], scopes, label: None })))
    };
    let revoked = |key| Ok(Some(Event::KeyRevoked(KeyRevoked { key: Position::new(key) })));
    let already = Ok(None);
    let keyed = || vec![Create, issue(1, scope::READ)];
    let closed = || vec![Create, issue(1, scope::READ), revoke("k102")];

    // Given these commands, this one: what happens, and how many keys there are and open.
    type Row = (Vec<Command>, Command, Result<Option<Event>, Refusal>, Option<(u64, u64)>);
    #[rustfmt::skip]
    let rows: Vec<Row> = vec![
        (vec![], Create, created, Some((0, 0))),
        (vec![], issue(1, scope::READ), no(Code::NotFound), None),
        (vec![], revoke("k102"), no(Code::NotFound), None),
        (vec![Create], Create, exists(FIRST), Some((0, 0))),
        (closed(), Create, exists(FIRST), Some((1, 0))),
        (vec![Create], issue(1, scope::READ), issued(1, scope::READ), Some((1, 1))),
        (vec![Create], issue(1, scope::ALL), issued(1, scope::ALL), Some((1, 1))),
        (keyed(), issue(2, scope::READ), issued(2, scope::READ), Some((2, 2))),
        // A hash is issued once, whatever became of it.
        (keyed(), issue(1, scope::READ), exists(102), Some((1, 1))),
        (keyed(), issue(1, scope::WRITE), exists(102), Some((1, 1))),
        (closed(), issue(1, scope::READ), exists(102), Some((1, 0))),
        // Form comes before everything else.
        (vec![], issue(1, 0), no(Code::Malformed), None),
        (vec![Create], issue(1, 0), no(Code::Malformed), Some((0, 0))),
        (keyed(), issue(1, 16), no(Code::Malformed), Some((1, 1))),
        (keyed(), issue(2, 255), no(Code::Malformed), Some((1, 1))),
        // Revoking: once, then so already; and only what was issued.
        (keyed(), revoke("k102"), revoked(102), Some((1, 0))),
        (closed(), revoke("k102"), already, Some((1, 0))),
        (vec![Create, issue(1, scope::READ), issue(2, scope::READ)], revoke("k103"), revoked(103), Some((2, 1))),
        (keyed(), revoke("k101"), no(Code::NotFound), Some((1, 1))),
        (keyed(), revoke("k103"), no(Code::NotFound), Some((1, 1))),
        (keyed(), revoke("k0102"), no(Code::NotFound), Some((1, 1))),
        (keyed(), revoke("102"), no(Code::NotFound), Some((1, 1))),
        (keyed(), revoke("h102"), no(Code::NotFound), Some((1, 1))),
        (keyed(), revoke("k"), no(Code::NotFound), Some((1, 1))),
        (keyed(), revoke("k18446744073709551615"), no(Code::NotFound), Some((1, 1))),
        (keyed(), revoke("k18446744073709551616"), no(Code::NotFound), Some((1, 1))),
        (keyed(), revoke("somebodys"), no(Code::NotFound), Some((1, 1))),
    ];
    for (given, command, expected, keys) in rows {
        let mut solo = Solo::<Book>::new("shop");
        for before in &given {
            solo.ask(before, t(1)).expect("given");
        }
        let before = picture(&solo);
        let told = solo.ask(&command, t(9));
        if !matches!(&told, Ok(told) if told.event.is_some()) {
            assert_eq!(picture(&solo), before, "nothing happened: {command:?}");
        }
        let found = told.map(|told| {
            assert_eq!(told.postings.list(), []);
            let shown = match &command {
                Create => Shows::head(),
                Command::IssueKey { .. } => Shows::item(issued_key(told.position)),
                Command::RevokeKey { key } => {
                    Shows::item(issued_key(key.position('k').expect("it was issued")))
                }
            };
            assert_eq!(told.shows, shown, "{command:?}");
            told.event
        });
        assert_eq!(found, expected, "{given:?}, then {command:?}");
        let found = solo.head().map(|head| (head.keys, head.open));
        assert_eq!(found, keys, "{given:?}, then {command:?}");
    }
}

#[test]
fn a_request_and_a_list_find_the_same_key() {
    let mut solo = Solo::<Book>::new("shop");
    solo.ask(&Create, t(0)).expect("it is created");
    let (hash, scopes, label) = ([7; 32], scope::READ | scope::WRITE, Some(id("till")));
    let command = Command::IssueKey { hash, scopes, label: label.clone() };
    let key = solo.ask(&command, t(5)).expect("it is issued").position;
    let issued_at = t(5);

    let access = Access { key, scopes, revoked: false };
    assert_eq!(solo.item(&hash_key(&hash)), Some(&Item::Access(access.clone())));
    let issued = Issued { hash, scopes, label, issued_at, revoked_at: None };
    assert_eq!(solo.item(&issued_key(key)), Some(&Item::Issued(issued.clone())));

    solo.ask(&Command::RevokeKey { key: Id::made('k', key) }, t(8)).expect("it is revoked");
    let access = Access { revoked: true, ..access };
    assert_eq!(solo.item(&hash_key(&hash)), Some(&Item::Access(access)));
    let issued = Issued { revoked_at: Some(t(8)), ..issued };
    assert_eq!(solo.item(&issued_key(key)), Some(&Item::Issued(issued)));
    assert_eq!(solo.items().count(), 2);
}

#[test]
fn equal_commands_have_one_canonical_form() {
    let labelled = Command::IssueKey { hash: [1; 32], scopes: 1, label: Some(id("a")) };
    let commands =
        [Create, issue(1, 1), issue(2, 1), issue(1, 2), labelled, revoke("k1"), revoke("k2")];
    are_told_apart(&commands);
    assert_eq!(revoke("k1").sub(), Some(&id("k1")));
    assert_eq!(issue(1, 1).sub(), None);
}
