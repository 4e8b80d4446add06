//! The rules of the collection machine, as a table of cases.

use super::are_told_apart;
use quipu_core::machine::{Context, Decided, ItemKey, Items, Link, Machine, Solo, Transit, View};
use quipu_core::machines::collection::{
    Collection, Command, Event, Head, INDEXES_LEN_MAX, INDEXES_MAX, Indexes, Nothing,
};
use quipu_core::records::pack_into;
use quipu_core::words::{Book, Id, Name, Number, Position, Timestamp};

fn id(text: &str) -> Id {
    Id::new(text).expect("a test's id is well formed")
}

fn define(names: &[&str]) -> Command {
    Command::Define { indexes: names.iter().map(|name| id(name)).collect() }
}

fn use_under(era: u64) -> Command {
    Command::Use { era }
}

const NOW: Timestamp = Timestamp::from_ms(10);

/// A collection after these steps.
fn collection(steps: &[Command]) -> Solo<Collection> {
    let mut solo = Solo::new("nodes");
    for step in steps {
        solo.ask(step, NOW).expect("every step is accepted");
    }
    solo
}

/// Asks, and says what came of it: what happened, `same`, or the refusal with its fact.
/// Only what happened changes anything.
fn outcome(solo: &mut Solo<Collection>, command: &Command) -> String {
    let before = (solo.head().cloned(), solo.version());
    let told = solo.ask(command, NOW);
    assert_eq!(solo.items().count(), 0, "a collection has no items");
    let event = match told {
        Err(refusal) => {
            assert_eq!((solo.head().cloned(), solo.version()), before, "a refusal changes nothing");
            return refusal.to_string();
        }
        Ok(told) => {
            assert!(told.postings.list().is_empty(), "a collection moves no money");
            told.event
        }
    };
    match event {
        None => {
            assert_eq!((solo.head().cloned(), solo.version()), before, "nothing happened");
            "same"
        }
        Some(Event::Defined(_)) => "defined",
        Some(Event::Used(_)) => "used",
        Some(Event::Reset(_)) => "reset",
    }
    .to_owned()
}

/// What the collection is, on one line.
fn shown(solo: &Solo<Collection>) -> String {
    let Some(Head { era, used, indexes }) = solo.head() else { return "absent".to_owned() };
    let names: Vec<_> = indexes.names().map(|name| name.to_string()).collect();
    format!("era {era}, {}, [{}]", if *used { "used" } else { "unused" }, names.join(" "))
}

#[test]
fn every_command_in_every_state() {
    let absent = vec![];
    let put_into = vec![use_under(0)];
    let put_into_and_reset = vec![use_under(0), Command::Reset];
    let defined = vec![define(&["a"])];
    let used = vec![define(&["a"]), use_under(1)];
    let reset = vec![define(&["a"]), use_under(1), Command::Reset];
    for (steps, command, expected, after) in [
        (&absent, define(&["a", "b"]), "defined", "era 1, unused, [a b]"),
        (&absent, define(&[]), "defined", "era 1, unused, []"),
        (&absent, Command::Reset, "not_found", "absent"),
        (&absent, use_under(0), "used", "era 0, used, []"),
        (&absent, use_under(1), "malformed (Remaining(0))", "absent"),
        //
        (&put_into, define(&["a"]), "wrong_state", "era 0, used, []"),
        (&put_into, define(&[]), "wrong_state", "era 0, used, []"),
        (&put_into, Command::Reset, "reset", "era 0, unused, []"),
        (&put_into, use_under(0), "same", "era 0, used, []"),
        (&put_into, use_under(1), "malformed (Remaining(0))", "era 0, used, []"),
        //
        (&put_into_and_reset, define(&["a"]), "defined", "era 1, unused, [a]"),
        (&put_into_and_reset, define(&[]), "defined", "era 1, unused, []"),
        (&put_into_and_reset, use_under(0), "used", "era 0, used, []"),
        //
        (&defined, define(&["b"]), "defined", "era 2, unused, [b]"),
        (&defined, define(&[]), "defined", "era 2, unused, []"),
        (&defined, define(&["a"]), "same", "era 1, unused, [a]"),
        (&defined, Command::Reset, "same", "era 1, unused, [a]"),
        (&defined, use_under(1), "used", "era 1, used, [a]"),
        (&defined, use_under(0), "malformed (Remaining(1))", "era 1, unused, [a]"),
        (&defined, use_under(2), "malformed (Remaining(1))", "era 1, unused, [a]"),
        //
        (&used, define(&["b"]), "wrong_state", "era 1, used, [a]"),
        (&used, define(&["a"]), "same", "era 1, used, [a]"),
        (&used, Command::Reset, "reset", "era 1, unused, [a]"),
        (&used, use_under(1), "same", "era 1, used, [a]"),
        (&used, use_under(2), "malformed (Remaining(1))", "era 1, used, [a]"),
        //
        (&reset, define(&["b"]), "defined", "era 2, unused, [b]"),
        (&reset, define(&["a"]), "same", "era 1, unused, [a]"),
        (&reset, Command::Reset, "same", "era 1, unused, [a]"),
        (&reset, use_under(1), "used", "era 1, used, [a]"),
        (&reset, use_under(0), "malformed (Remaining(1))", "era 1, unused, [a]"),
    ] {
        let mut solo = collection(steps);
        let got = outcome(&mut solo, &command);
        assert_eq!(
            (got.as_str(), shown(&solo).as_str()),
            (expected, after),
            "{steps:?}, {command:?}"
        );
    }
}

#[test]
fn a_put_between_the_reset_and_the_definition_refuses_the_definition() {
    let mut solo = collection(&[define(&["a"]), use_under(1)]);
    for (command, expected) in [
        (Command::Reset, "reset"),
        (use_under(1), "used"),
        (define(&["b"]), "wrong_state"),
        (Command::Reset, "reset"),
        (define(&["b"]), "defined"),
        (use_under(1), "malformed (Remaining(2))"),
        (use_under(2), "used"),
    ] {
        assert_eq!(outcome(&mut solo, &command), expected, "{command:?}");
    }
}

#[test]
fn names_are_few_short_and_different() {
    let many: Vec<String> = (0..=INDEXES_MAX).map(|number| format!("f{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let half = "x".repeat(INDEXES_LEN_MAX / 2 - 1);
    let longer = "y".repeat(INDEXES_LEN_MAX / 2 + 1);
    let fits = "y".repeat(INDEXES_LEN_MAX / 2);
    for (names, expected) in [
        (&many[..INDEXES_MAX], "defined"),
        (&many[..], "malformed"),
        (&[&*half, &*fits], "defined"),
        (&[&*half, &*longer], "malformed"),
        (&["a", "b", "a"], "malformed"),
        (&["a", "A"], "defined"),
    ] {
        assert_eq!(outcome(&mut collection(&[]), &define(names)), expected, "{names:?}");
    }
    let pair = Command::Define { indexes: vec![Id::pair(&id("a"), &id("b"))] };
    assert_eq!(outcome(&mut collection(&[]), &pair), "malformed");
}

#[test]
fn where_two_refusals_apply_the_first_is_given() {
    let malformed = define(&["a", "a"]);
    let used = vec![define(&["a"]), use_under(1)];
    assert_eq!(outcome(&mut collection(&used), &malformed), "malformed", "before wrong_state");
    let last = |used| Head { era: u64::MAX, used, indexes: Indexes::default() };
    for (head, command, expected) in [
        (last(false), define(&["a"]), Some("overflow")),
        (last(true), define(&["a"]), Some("wrong_state")),
        (last(true), use_under(u64::MAX), None),
        (last(false), Command::Reset, None),
    ] {
        assert_eq!(decide(&head, &command).as_deref(), expected, "{head:?}, {command:?}");
    }
}

struct NoItems;

impl Items<Nothing> for NoItems {
    fn get(&self, _: &ItemKey) -> Option<&Nothing> {
        None
    }
}

/// A decision on a head that no test lives long enough to see: the refusal, if it is one.
fn decide(head: &Head, command: &Command) -> Option<String> {
    let name = Name::new(Book::DEFAULT, Collection::KIND, id("nodes"));
    let (number, version) = (Number::new(1), Position::new(1));
    let view = View { name: &name, number, version, head: Some(head), items: &NoItems };
    let mut cx = Context { now: NOW, transit: &mut Transit::default(), secret: &[0; 32] };
    match Collection::decide(&view, command, &mut cx) {
        Ok(Decided::Event(_) | Decided::Already(_)) => None,
        Err(refusal) => Some(refusal.to_string()),
    }
}

#[test]
fn the_link_names_the_era_and_the_fields() {
    let solo = collection(&[define(&["started", "zone"])]);
    let link = Collection::link(solo.head().expect("it exists"));
    assert_eq!(link, Some(Link { era: 1, names: vec![id("started"), id("zone")] }));
    let solo = collection(&[use_under(0)]);
    let link = Collection::link(solo.head().expect("it exists"));
    assert_eq!(link, Some(Link::default()), "as if it did not exist");
}

#[test]
fn a_refused_era_is_not_kept_under_an_idempotency_key() {
    let refusal = collection(&[]).ask(&use_under(7), NOW).expect_err("another era");
    assert!(!refusal.code.is_stored());
}

#[test]
fn only_the_callers_own_commands_show_the_collection() {
    for (steps, command, head) in [
        (vec![], define(&["a"]), true),
        (vec![define(&["a"])], define(&["a"]), true),
        (vec![define(&["a"])], Command::Reset, true),
        (vec![use_under(0)], Command::Reset, true),
        (vec![], use_under(0), false),
        (vec![use_under(0)], use_under(0), false),
    ] {
        let told = collection(&steps).ask(&command, NOW).expect("accepted");
        assert_eq!((told.shows.head, told.shows.event), (head, false), "{steps:?}, {command:?}");
        assert!(told.shows.items.is_empty());
    }
}

#[test]
fn the_index_holds_whether_it_is_used() {
    for (steps, used) in [(vec![define(&["a"])], 0), (vec![use_under(0)], 1)] {
        let mut rows = Vec::new();
        let solo = collection(&steps);
        let head = solo.head().expect("it exists");
        Collection::indexes(head, &mut |index, key| rows.push((index, key.to_vec())));
        assert_eq!(rows, [(1, vec![used])]);
    }
}

#[test]
fn the_largest_head_is_small() {
    let solo = collection(&[define(&["x".repeat(128).as_str(), "y".repeat(31).as_str()])]);
    let mut bytes = Vec::new();
    pack_into(solo.head().expect("it exists"), &mut bytes);
    assert!(bytes.len() <= 256, "{} bytes", bytes.len());
}

#[test]
fn fingerprints_tell_commands_apart() {
    let commands = [
        define(&[]),
        define(&["a"]),
        define(&["a", "b"]),
        define(&["ab"]),
        Command::Reset,
        use_under(0),
        use_under(1),
    ];
    are_told_apart(&commands);
}

#[test]
fn extremes_do_no_harm() {
    let names: Vec<Id> = (0..10_000).map(|number| id(&format!("n{number}"))).collect();
    let pair = Id::pair(&id("a"), &id("b"));
    for command in [
        Command::Define { indexes: names },
        Command::Define { indexes: vec![Id::pair(&pair, &pair)] },
        use_under(u64::MAX),
    ] {
        for era in [0, 1, u64::MAX] {
            for used in [false, true] {
                decide(&Head { era, used, indexes: Indexes::default() }, &command);
            }
        }
    }
}
