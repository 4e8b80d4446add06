//! The record machine against a naive model of it.
//!
//! The model keeps the whole history as a list and looks at its end to know what is there.

use proptest::prelude::*;
use quipu_core::machine::{Context, Decided, ItemKey, Items, Machine, Solo, Transit, View};
use quipu_core::machines::record::{Command, Event, FIELDS, INDEX_FIELD, Item, Record, by_field};
use quipu_core::words::{Book, Code, Fact, Id, Name, Number, Refusal, Timestamp};

/// The last millisecond that a time can name.
const LAST_MS: u128 = 253_402_300_799_999;

#[derive(Clone, Debug)]
struct PutOf {
    value: String,
    ttl_ms: Option<u64>,
    must_be_absent: bool,
    fields: Vec<(&'static str, String)>,
}

#[derive(Clone, Debug)]
enum Ask {
    Put(PutOf),
    Delete,
    Due,
}

/// How time goes on before a command.
#[derive(Clone, Copy, Debug)]
enum Jump {
    By(u64),
    /// To the end of the record's life and this much past it, where that lies ahead.
    ToTheEnd(i64),
}

/// What happened, and when.
#[derive(Clone, Debug)]
enum Past {
    Put(u64, PutOf),
    Gone,
}

#[derive(Default)]
struct Model {
    history: Vec<Past>,
}

impl Model {
    fn last_put(&self) -> Option<(u64, &PutOf)> {
        match self.history.last() {
            Some(Past::Put(at, put)) => Some((*at, put)),
            _ => None,
        }
    }

    fn end(&self) -> Option<u128> {
        let (at, put) = self.last_put()?;
        Some(u128::from(at) + u128::from(put.ttl_ms?))
    }

    fn is_over(&self, now: u64) -> bool {
        self.end().is_some_and(|end| end <= u128::from(now))
    }

    fn version(&self) -> u64 {
        match self.history.len() as u64 {
            0 => 0,
            count => 100 + count,
        }
    }

    fn ask(&mut self, ask: &Ask, now: u64) -> Result<(), Refusal> {
        if self.is_over(now) {
            self.history.push(Past::Gone);
        }
        let is_present = self.last_put().is_some();
        match ask {
            Ask::Put(put) => {
                let mut names: Vec<_> = put.fields.iter().map(|(name, _)| *name).collect();
                names.sort_unstable();
                names.dedup();
                let is_short = put.value.len() <= 65_536
                    && put.fields.len() <= 16
                    && put.fields.iter().all(|(_, value)| value.len() <= 256);
                let end = u128::from(now) + u128::from(put.ttl_ms.unwrap_or(0));
                if !is_short || names.len() < put.fields.len() || put.ttl_ms == Some(0) {
                    Err(Code::Malformed.into())
                } else if put.must_be_absent && is_present {
                    let version = quipu_core::words::Position::new(self.version());
                    Err(Refusal::with(Code::VersionMismatch, Fact::Version(version)))
                } else if put.ttl_ms.is_some() && end > LAST_MS {
                    Err(Code::Overflow.into())
                } else {
                    self.history.push(Past::Put(now, put.clone()));
                    Ok(())
                }
            }
            Ask::Delete | Ask::Due if !is_present => Err(Code::NotFound.into()),
            Ask::Due => Err(Code::WrongState.into()),
            Ask::Delete => {
                self.history.push(Past::Gone);
                Ok(())
            }
        }
    }
}

fn command(ask: &Ask) -> Command {
    match ask {
        Ask::Delete => Command::Delete,
        Ask::Due => Command::RecordDue,
        Ask::Put(put) => Command::Put {
            value: put.value.clone(),
            ttl_ms: put.ttl_ms,
            must_be_absent: put.must_be_absent,
            fields: put
                .fields
                .iter()
                .map(|(name, value)| (Id::new(name).expect("well formed"), value.clone()))
                .collect(),
            era: 0,
        },
    }
}

struct NoItems;

impl Items<Item> for NoItems {
    fn get(&self, _: &ItemKey) -> Option<&Item> {
        None
    }
}

/// What a decision says where time was not told that anything is over.
fn unswept(solo: &Solo<Record>, command: &Command, now: Timestamp) -> Result<Event, Refusal> {
    let name = Name::new(Book::DEFAULT, Record::KIND, Id::new("k").expect("well formed"));
    let (number, version, head) = (Number::new(1), solo.version(), solo.head());
    let view = View { name: &name, number, version, head, items: &NoItems };
    let mut cx = Context { now, transit: &mut Transit::default(), secret: &[0; 32] };
    match Record::decide(&view, command, &mut cx)? {
        Decided::Event(event) => Ok(event),
        Decided::Already(_) => panic!("a record has nothing that is so already"),
    }
}

/// The record as the machine keeps it, against the end of the model's history.
fn compare(solo: &Solo<Record>, model: &Model) {
    assert_eq!(solo.version().get(), model.version());
    let items: Vec<_> = solo.items().map(|(_, item)| item.clone()).collect();
    let Some((_, put)) = model.last_put() else {
        assert!(solo.head().is_none() && items.is_empty(), "nothing is left of what is gone");
        assert!(solo.listed(INDEX_FIELD, b"").is_empty(), "and nothing lists it");
        return;
    };
    let head = solo.head().expect("it is present");
    assert_eq!(head.expires_at.map(|end| u128::from(end.ms())), model.end());
    assert_eq!(head.value_len as usize, put.value.len());
    let (mut value, mut fields) = (None, vec![]);
    for item in items {
        match item {
            Item::Value(item) => value = Some(item.text),
            Item::Fields(item) => fields = item.pairs,
        }
    }
    assert_eq!(value.as_ref(), Some(&put.value));
    let fields: Vec<_> =
        fields.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    assert_eq!(fields, put.fields);
    assert_eq!(solo.listed(INDEX_FIELD, b"").len(), fields.len(), "once for each field");
    for (field, value) in &put.fields {
        let field = Id::new(field).expect("well formed");
        let mut listed = by_field("things", &field, value);
        listed.push(b'k');
        assert_eq!(solo.listed(INDEX_FIELD, &listed), [ItemKey::only(FIELDS)]);
    }
}

fn run(steps: &[(Jump, Ask)]) {
    let (mut solo, mut model, mut now) =
        (Solo::<Record>::new("things/k"), Model::default(), 1_000_u64);
    for (jump, ask) in steps {
        now = match (*jump, model.end()) {
            (Jump::By(ms), _) => now + ms,
            (Jump::ToTheEnd(past), Some(end)) => {
                let end = u64::try_from(end).expect("an end is a time");
                now.max(end.saturating_add_signed(past))
            }
            (Jump::ToTheEnd(_), None) => now,
        };
        let (command, time) = (command(ask), Timestamp::from_ms(now));
        let expected_of_time = model.is_over(now);
        let unswept = unswept(&solo, &command, time);
        let expected = model.ask(ask, now);
        assert_eq!(solo.fire(time).len(), usize::from(expected_of_time));
        let before: Vec<_> = solo.items().map(|(key, item)| (key.clone(), item.clone())).collect();
        match solo.ask(&command, time) {
            Ok(told) => {
                assert_eq!(expected, Ok(()), "accepted");
                assert_eq!(told.event, unswept.ok(), "swept or not");
                assert!(told.postings.list().is_empty());
            }
            Err(refusal) => {
                assert_eq!(expected, Err(refusal));
                if !(expected_of_time && matches!(ask, Ask::Due)) {
                    assert_eq!(unswept, Err(refusal), "swept or not");
                }
                let after: Vec<_> =
                    solo.items().map(|(key, item)| (key.clone(), item.clone())).collect();
                assert_eq!(after, before, "a refusal changes nothing");
            }
        }
        compare(&solo, &model);
    }
}

fn any_field() -> impl Strategy<Value = (&'static str, String)> {
    (prop::sample::select(&["a", "b", "c", "d"][..]), "[xy]{0,2}")
}

fn any_put() -> impl Strategy<Value = PutOf> {
    let ttl_ms = prop_oneof![
        3 => Just(None),
        6 => (1..40_u64).prop_map(Some),
        1 => prop::sample::select(vec![Some(0), Some(u64::MAX), Some(253_402_300_798_999)]),
    ];
    let fields = prop::collection::vec(any_field(), 0..3);
    ("[0-9]{1,3}", ttl_ms, any::<bool>(), fields).prop_map(
        |(value, ttl_ms, must_be_absent, fields)| PutOf { value, ttl_ms, must_be_absent, fields },
    )
}

fn any_ask() -> impl Strategy<Value = Ask> {
    prop_oneof![5 => any_put().prop_map(Ask::Put), 2 => Just(Ask::Delete), 1 => Just(Ask::Due)]
}

fn any_jump() -> impl Strategy<Value = Jump> {
    prop_oneof![
        3 => (0..30_u64).prop_map(Jump::By),
        2 => (-1..=1_i64).prop_map(Jump::ToTheEnd),
    ]
}

proptest! {
    #![proptest_config(crate::cases(10_000))]

    #[test]
    fn any_sequence_does_what_the_model_does(
        steps in prop::collection::vec((any_jump(), any_ask()), 5..40),
    ) {
        run(&steps);
    }
}

/// Values and lives that are anything, and weird ids.
fn any_extreme() -> impl Strategy<Value = Command> {
    let value = prop_oneof![Just(0), Just(1), Just(65_536), Just(65_537), Just(1_000_000)];
    let name = prop_oneof![Just("a".to_owned()), "[A-Za-z0-9._:@-]{1,128}"];
    let field = (name, 0..600_usize)
        .prop_map(|(name, len)| (Id::new(&name).expect("well formed"), "é".repeat(len / 2)));
    let put = (
        value,
        any::<Option<u64>>(),
        any::<bool>(),
        prop::collection::vec(field, 0..20),
        any::<u64>(),
    );
    let put = put.prop_map(|(len, ttl_ms, must_be_absent, fields, era)| Command::Put {
        value: "x".repeat(len),
        ttl_ms,
        must_be_absent,
        fields,
        era,
    });
    prop_oneof![4 => put, 1 => Just(Command::Delete), 1 => Just(Command::RecordDue)]
}

proptest! {
    #![proptest_config(crate::cases(500))]

    #[test]
    fn extremes_do_no_harm(
        commands in prop::collection::vec((any::<u64>(), any_extreme()), 1..12),
    ) {
        let mut solo = Solo::<Record>::new("things/k");
        for (now, command) in commands {
            // Only what time gives to a record that lives for ever may not be asked at "never".
            let now = Timestamp::from_ms(now.min(u64::MAX - 1));
            let _ = unswept(&solo, &command, now);
            let _ = solo.ask(&command, now);
            let _ = solo.expand(&command, None);
        }
    }
}
