//! The rules of the record machine, as a table of cases.

use super::{are_told_apart, said};
use quipu_core::machine::{
    Command as AnyCommand, Context, Decided, Expansion, ItemKey, Items, Machine, Solo, Transit,
    View,
};
use quipu_core::machines::collection::{self, Collection};
use quipu_core::machines::record::{
    Command, Event, FIELD_LEN_MAX, FIELDS_MAX, Head, Item, Record, VALUE_LEN_MAX,
};
use quipu_core::records::pack_into;
use quipu_core::words::{Book, Id, Name, Number, Position, Timestamp};

fn id(text: &str) -> Id {
    Id::new(text).expect("a test's id is well formed")
}

fn at(ms: u64) -> Timestamp {
    Timestamp::from_ms(ms)
}

fn put(value: &str) -> Command {
    put_with(value, None, false, &[])
}

fn put_for(value: &str, ttl_ms: u64) -> Command {
    put_with(value, Some(ttl_ms), false, &[])
}

fn put_new(value: &str) -> Command {
    put_with(value, None, true, &[])
}

fn put_with(
    value: &str,
    ttl_ms: Option<u64>,
    must_be_absent: bool,
    fields: &[(&str, &str)],
) -> Command {
    let fields = fields.iter().map(|(name, value)| (id(name), (*value).to_owned())).collect();
    Command::Put { value: value.to_owned(), ttl_ms, must_be_absent, fields, era: 0 }
}

type Everything = (Option<Head>, Vec<(ItemKey, Item)>, Position);

fn everything(solo: &Solo<Record>) -> Everything {
    let items = solo.items().map(|(key, item)| (key.clone(), item.clone()));
    (solo.head().cloned(), items.collect(), solo.version())
}

/// Asks, and says what came of it: what happened, or the refusal with its fact. A refusal
/// changes nothing.
fn outcome(solo: &mut Solo<Record>, command: &Command, now: u64) -> String {
    solo.fire(at(now));
    let before = everything(solo);
    match solo.ask(command, at(now)) {
        Err(refusal) => {
            assert_eq!(everything(solo), before, "a refusal changes nothing");
            refusal.to_string()
        }
        Ok(told) => {
            assert!(told.postings.list().is_empty(), "a record moves no money");
            match told.event.expect("every accepted command happens") {
                Event::Put(_) => "put",
                Event::Deleted(_) => "deleted",
                Event::Expired(_) => "expired",
            }
            .to_owned()
        }
    }
}

/// What the record is, on one line: value, fields, end of life.
fn shown(solo: &Solo<Record>) -> String {
    let Some(head) = solo.head() else {
        assert_eq!(solo.items().count(), 0, "a record that is absent leaves no items");
        return "absent".to_owned();
    };
    let value = match solo.item(&ItemKey::only(b'V')) {
        Some(Item::Value(value)) => value.text.clone(),
        other => panic!("a record that is present has a value, not {other:?}"),
    };
    assert_eq!(head.value_len as usize, value.len());
    let fields = match solo.item(&ItemKey::only(b'F')) {
        None => vec![],
        Some(Item::Fields(fields)) => fields.pairs.clone(),
        Some(Item::Value(_)) => panic!("no value lies where the fields are"),
    };
    assert_eq!(usize::from(head.field_count), fields.len());
    let fields: Vec<_> = fields.iter().map(|(name, value)| format!(" {name}={value}")).collect();
    let life = head.expires_at.map_or("for ever".to_owned(), |end| format!("until {}", end.ms()));
    format!("{value}{} {life}", fields.concat())
}

#[test]
fn every_command_in_every_state() {
    let absent = vec![];
    let present = vec![(put("1"), 10)];
    let lives = vec![(put_for("1", 100), 10)];
    let indexed = vec![(put_with("1", None, false, &[("a", "x")]), 10)];
    let deleted = vec![(put("1"), 10), (Command::Delete, 11)];
    let now = 20;
    for (steps, command, now, expected, after) in [
        (&absent, put("2"), now, "put", "2 for ever"),
        (&absent, put_for("2", 5), now, "put", "2 until 25"),
        (&absent, put_new("2"), now, "put", "2 for ever"),
        (&absent, Command::Delete, now, "not_found", "absent"),
        (&absent, Command::RecordDue, now, "not_found", "absent"),
        //
        (&present, put("2"), now, "put", "2 for ever"),
        (&present, put_for("2", 5), now, "put", "2 until 25"),
        (&present, put_new("2"), now, "version_mismatch (Version(101))", "1 for ever"),
        (&present, Command::Delete, now, "deleted", "absent"),
        (&present, Command::RecordDue, now, "wrong_state", "1 for ever"),
        // A put replaces value, fields and life, whichever the record had.
        (&lives, put("2"), now, "put", "2 for ever"),
        (&lives, put_for("2", 500), now, "put", "2 until 520"),
        (&indexed, put("2"), now, "put", "2 for ever"),
        (
            &indexed,
            put_with("2", None, false, &[("b", "y"), ("c", "z")]),
            now,
            "put",
            "2 b=y c=z for ever",
        ),
        (&indexed, Command::Delete, now, "deleted", "absent"),
        // Its time: there until one millisecond before.
        (&lives, put_new("2"), 109, "version_mismatch (Version(101))", "1 until 110"),
        (&lives, Command::Delete, 109, "deleted", "absent"),
        (&lives, Command::RecordDue, 109, "wrong_state", "1 until 110"),
        (&lives, put_new("2"), 110, "put", "2 for ever"),
        (&lives, Command::Delete, 110, "not_found", "absent"),
        (&lives, Command::RecordDue, 110, "not_found", "absent"),
        // A name is free again.
        (&deleted, put_new("2"), now, "put", "2 for ever"),
        (&deleted, Command::Delete, now, "not_found", "absent"),
        (&deleted, Command::RecordDue, now, "not_found", "absent"),
    ] {
        let mut solo = Solo::new("k");
        for (step, now) in steps {
            solo.ask(step, at(*now)).expect("every step is accepted");
        }
        let got = outcome(&mut solo, &command, now);
        let after_all = shown(&solo);
        assert_eq!(
            (got.as_str(), &*after_all),
            (expected, after),
            "{steps:?}, {command:?} at {now}"
        );
    }
}

#[test]
fn time_takes_the_record_with_all_that_belongs_to_it() {
    let mut solo = Solo::new("k");
    let command = put_with("1", Some(100), false, &[("a", "x")]);
    solo.ask(&command, at(10)).expect("accepted");
    assert!(solo.fire(at(109)).is_empty());
    assert!(matches!(solo.fire(at(110))[..], [Event::Expired(_)]));
    assert_eq!(shown(&solo), "absent");
    assert!(solo.fire(at(u64::MAX - 1)).is_empty());
}

struct NoItems;

impl Items<Item> for NoItems {
    fn get(&self, _: &ItemKey) -> Option<&Item> {
        None
    }
}

fn view<'a>(name: &'a Name, head: Option<&'a Head>) -> View<'a, Record> {
    let number = head.map_or(Number::ZERO, |_| Number::new(5));
    View { name, number, version: Position::new(5), head, items: &NoItems }
}

/// A decision without firing what is due first: the refusal, or what happens.
fn decide(head: Option<&Head>, command: &Command, now: u64) -> String {
    let name = Name::new(Book::DEFAULT, Record::KIND, id("k"));
    let mut cx = Context { now: at(now), transit: &mut Transit::default(), secret: &[0; 32] };
    match Record::decide(&view(&name, head), command, &mut cx) {
        Ok(Decided::Event(Event::Put(_))) => "put".to_owned(),
        Ok(Decided::Event(Event::Deleted(_))) => "deleted".to_owned(),
        Ok(Decided::Event(Event::Expired(_))) => "expired".to_owned(),
        Ok(Decided::Already(_)) => panic!("nothing was so already"),
        Err(refusal) => refusal.to_string(),
    }
}

#[test]
fn what_is_over_is_absent_although_time_was_not_told_so() {
    let head = Head { expires_at: Some(at(100)), value_len: 1, field_count: 0 };
    for (command, before, from_then_on) in [
        (put("2"), "put", "put"),
        (put_new("2"), "version_mismatch (Version(5))", "put"),
        (Command::Delete, "deleted", "not_found"),
        (Command::RecordDue, "wrong_state", "expired"),
    ] {
        assert_eq!(decide(Some(&head), &command, 99), before, "{command:?}");
        assert_eq!(decide(Some(&head), &command, 100), from_then_on, "{command:?}");
    }
}

#[test]
fn values_fields_and_lives_have_limits() {
    let value = "x".repeat(VALUE_LEN_MAX);
    let field = "x".repeat(FIELD_LEN_MAX);
    let names: Vec<String> = (0..=FIELDS_MAX).map(|number| format!("f{number}")).collect();
    let fields: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "v")).collect();
    let end = Timestamp::LAST.ms();
    for (command, expected) in [
        (put(&value), "put"),
        (put(&format!("{value}x")), "malformed"),
        (put_with("1", None, false, &fields[..FIELDS_MAX]), "put"),
        (put_with("1", None, false, &fields), "malformed"),
        (put_with("1", None, false, &[("a", &field)]), "put"),
        (put_with("1", None, false, &[("a", &format!("{field}x"))]), "malformed"),
        (put_with("1", None, false, &[("a", "1"), ("b", "1"), ("a", "2")]), "malformed"),
        (put_for("1", 0), "malformed"),
        (put_for("1", 1), "put"),
        (put_for("1", end - 20), "put"),
        (put_for("1", end - 19), "overflow"),
        (put_for("1", u64::MAX), "overflow"),
    ] {
        assert_eq!(outcome(&mut Solo::new("k"), &command, 20), expected, "{command:.80?}");
    }
}

#[test]
fn where_two_refusals_apply_the_first_is_given() {
    let mut present = Solo::new("k");
    present.ask(&put("1"), at(10)).expect("accepted");
    let long = "x".repeat(VALUE_LEN_MAX + 1);
    for (rule, command, expected) in [
        ("form before version", put_new(&long), "malformed"),
        ("form before version", put_with("1", Some(0), true, &[]), "malformed"),
        ("form before overflow", put_for(&long, u64::MAX), "malformed"),
        (
            "version before overflow",
            put_with("1", Some(u64::MAX), true, &[]),
            "version_mismatch (Version(101))",
        ),
    ] {
        assert_eq!(outcome(&mut present, &command, 20), expected, "{rule}");
    }
}

#[test]
fn a_put_is_also_a_use_of_its_collection() {
    let pair = Id::pair(&id("nodes"), &id("n1"));
    let name = Name::new(Book::DEFAULT, Record::KIND, pair);
    let command = Command::Put {
        value: "1".to_owned(),
        ttl_ms: None,
        must_be_absent: false,
        fields: vec![],
        era: 7,
    };
    let Expansion::Legs(legs) = Record::expand(&view(&name, None), &command, None) else {
        panic!("a put has two legs");
    };
    let [(record, first), (collection, second)] = &legs[..] else { panic!("two, not {legs:?}") };
    assert_eq!((record, first.get::<Record>()), (&name, Some(&command)));
    assert_eq!(*collection, name.beside(Collection::KIND, id("nodes")));
    assert_eq!(second.get::<Collection>(), Some(&collection::Command::Use { era: 7 }));

    for command in [Command::Delete, Command::RecordDue] {
        let expansion = Record::expand(&view(&name, None), &command, None);
        assert!(matches!(expansion, Expansion::Alone), "{command:?}");
    }
    let plain: Vec<(Name, AnyCommand)> = Solo::<Record>::new("k").expand(&put("1"), None);
    assert_eq!(plain.len(), 1, "a plain id is in no collection");
}

#[test]
fn a_put_shows_the_head_and_an_end_shows_itself() {
    let mut solo = Solo::<Record>::new("k");
    let told = solo.ask(&put("1"), at(10)).expect("accepted");
    assert!(told.shows.head && !told.shows.event && told.shows.items.is_empty());
    let told = solo.ask(&Command::Delete, at(10)).expect("accepted");
    assert!(!told.shows.head && told.shows.event && told.shows.items.is_empty());
}

#[test]
fn the_index_holds_the_end_of_life() {
    for (ttl_ms, expected) in
        [(None, vec![]), (Some(0x0102), vec![(2, vec![0, 0, 0, 0, 0, 0, 1, 2])])]
    {
        let mut solo = Solo::<Record>::new("k");
        solo.ask(&put_with("1", ttl_ms, false, &[]), at(0)).expect("accepted");
        let mut rows = Vec::new();
        let head = solo.head().expect("it exists");
        Record::indexes(head, &mut |index, key| rows.push((index, key.to_vec())));
        assert_eq!(rows, expected);
    }
}

#[test]
fn the_largest_head_is_small() {
    let head = Head { expires_at: Some(Timestamp::LAST), value_len: u32::MAX, field_count: 16 };
    let mut bytes = Vec::new();
    pack_into(&head, &mut bytes);
    assert!(bytes.len() <= 256, "{} bytes", bytes.len());
}

#[test]
fn fingerprints_tell_commands_apart_and_ignore_what_follows_from_the_value() {
    let commands = [
        put("1"),
        put("2"),
        put_for("1", 5),
        put_for("1", 6),
        put_new("1"),
        Command::Delete,
        Command::RecordDue,
    ];
    are_told_apart(&commands);
    let later = Command::Put {
        value: "1".to_owned(),
        ttl_ms: None,
        must_be_absent: false,
        fields: vec![(id("a"), "1".to_owned())],
        era: 9,
    };
    assert_eq!(said(&later), said(&put("1")));
}
