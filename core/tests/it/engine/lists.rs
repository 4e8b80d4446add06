//! Lists of items across streams: they say what the events of the log say, in any order of steps.

use std::collections::{BTreeMap, BTreeSet};

use super::say::*;
use quipu_core::driver::Driver;
use quipu_core::log::Frame;
use quipu_core::machine::{Command, Machine};
use quipu_core::machines::account::{self, Account, WithdrawalState, by_state, by_worker};
use quipu_core::machines::record::{self, Record, by_field};
use quipu_core::records::{Entries, Record as _, Table};
use quipu_core::shard::{Ask, Leg, Options, Reply};
use quipu_core::store::{ListedItem, Reader, list_items};
use quipu_core::words::{Book, Id, Kind, Name, Position, Timestamp};

/// Every list, made of the events of a log alone.
#[derive(Default, PartialEq, Debug)]
struct Lists {
    /// Where payouts in a state were planned.
    states: BTreeMap<u8, BTreeSet<Position>>,
    /// Where those were planned that a worker has.
    workers: BTreeMap<Id, BTreeSet<Position>>,
    /// The keys of records, by collection, field and value.
    fields: BTreeMap<(String, Id, String), BTreeSet<String>>,
}

impl Lists {
    fn of(frames: &[Frame]) -> Self {
        let mut payouts: BTreeMap<Position, (WithdrawalState, Option<Id>)> = BTreeMap::new();
        let mut names: BTreeMap<u64, Name> = BTreeMap::new();
        let mut records: BTreeMap<u64, Vec<(Id, String)>> = BTreeMap::new();
        for frame in frames {
            for entry in Entries::new(&frame.bytes, frame.first) {
                for part in entry.expect("an entry that can be read").parts {
                    let (head, number) = (&part.head, part.head.number.get());
                    names.extend(head.created.clone().map(|name| (number, name)));
                    if head.kind == Account::KIND {
                        let event = account::Event::unpack(head.tag, part.payload);
                        let event = event.expect("an event of an account");
                        if let Some((planned, now)) = payout(&event, head.position) {
                            payouts.insert(planned, now);
                        }
                    } else if head.kind == Record::KIND {
                        let event = record::Event::unpack(head.tag, part.payload);
                        match event.expect("an event of a record") {
                            record::Event::Put(put) => records.insert(number, put.fields),
                            _ => records.remove(&number),
                        };
                    }
                }
            }
        }
        let mut lists = Self::default();
        for (planned, (state, worker)) in payouts {
            lists.states.entry(state.byte()).or_default().insert(planned);
            if let Some(worker) = worker {
                lists.workers.entry(worker).or_default().insert(planned);
            }
        }
        for (number, fields) in records {
            let Some((collection, key)) = names[&number].id.split() else { continue };
            for (field, value) in fields {
                let list = lists.fields.entry((collection.to_string(), field, value));
                list.or_default().insert(key.to_string());
            }
        }
        lists
    }

    fn len(&self) -> usize {
        let states = self.states.values().chain(self.workers.values()).map(BTreeSet::len);
        states.sum::<usize>() + self.fields.values().map(BTreeSet::len).sum::<usize>()
    }
}

/// Which payout an event changes, and what that is afterwards and who has it.
fn payout(
    event: &account::Event,
    at: Position,
) -> Option<(Position, (WithdrawalState, Option<Id>))> {
    use WithdrawalState::{Completed, Dispatched, Failed, Pending, Unknown};
    use account::Event as E;
    Some(match event {
        E::WithdrawalPlanned(_) => (at, (Pending, None)),
        E::WithdrawalLeased(e) => (e.withdrawal, (Dispatched, Some(e.worker.clone()))),
        E::WithdrawalRetried(e) => (e.withdrawal, (Pending, None)),
        E::WithdrawalCompleted(e) => (e.withdrawal, (Completed, None)),
        E::WithdrawalFailed(e) => (e.withdrawal, (Failed, None)),
        E::WithdrawalUnknown(e) => (e.withdrawal, (Unknown, None)),
        E::WithdrawalInherited(e) => (e.withdrawal, (Unknown, None)),
        E::LeaseExpired(e) => (e.withdrawal, (Unknown, None)),
        E::WithdrawalReconciled(e) => {
            (e.withdrawal, (if e.completed { Completed } else { Failed }, None))
        }
        _ => return None,
    })
}

/// A whole list, asked for by pages of two, and at once.
fn list(reader: &dyn Reader, kind: Kind, index: u8, prefix: &[u8]) -> Vec<ListedItem> {
    let place = (Book::DEFAULT, kind, index);
    let page = |after: Option<&ListedItem>, limit| {
        list_items(reader, place, prefix, after, limit).expect("a readable store")
    };
    let all = page(None, usize::MAX);
    let mut paged: Vec<ListedItem> = Vec::new();
    while paged.len() <= all.len() {
        let next = page(paged.last(), 2);
        if next.is_empty() {
            break;
        }
        paged.extend(next);
    }
    assert_eq!(paged, all, "page by page");
    all
}

fn planned(items: &[ListedItem]) -> Vec<Position> {
    items.iter().map(|item| item.item.position().expect("a payout's key")).collect()
}

fn in_state(reader: &dyn Reader, state: WithdrawalState) -> Vec<Position> {
    let index = account::INDEX_WITHDRAWAL_STATE;
    planned(&list(reader, Account::KIND, index, &by_state(state)))
}

fn of_worker(reader: &dyn Reader, worker: &str) -> Vec<Position> {
    let index = account::INDEX_WITHDRAWAL_WORKER;
    planned(&list(reader, Account::KIND, index, &by_worker(&id(worker))))
}

/// The keys of the records of a collection whose field has a value.
fn where_is(reader: &dyn Reader, collection: &str, field: &Id, value: &str) -> Vec<String> {
    let prefix = by_field(collection, field, value);
    let found = list(reader, Record::KIND, record::INDEX_FIELD, &prefix);
    let key = |item: &ListedItem| String::from_utf8(item.bytes[prefix.len()..].to_vec());
    found.iter().map(|item| key(item).expect("a key is text")).collect()
}

/// Every list of the store is what the events of the log say, and there are no others.
pub(crate) fn lists_are_the_log(frames: &[Frame], reader: &dyn Reader) {
    use WithdrawalState::{Completed, Dispatched, Failed, Pending, Unknown};
    let lists = Lists::of(frames);
    for state in [Pending, Dispatched, Completed, Failed, Unknown] {
        let said = lists.states.get(&state.byte()).cloned().unwrap_or_default();
        assert_eq!(in_state(reader, state), Vec::from_iter(said), "payouts that are {state:?}");
    }
    for (worker, said) in &lists.workers {
        let has = of_worker(reader, worker.as_str());
        assert_eq!(has, Vec::from_iter(said.clone()), "payouts that {worker} has");
    }
    for ((collection, field, value), said) in &lists.fields {
        let found = where_is(reader, collection, field, value);
        assert_eq!(found, Vec::from_iter(said.clone()), "{collection} where {field} is {value:?}");
    }
    let mut rows = 0;
    let mut count = |_: &[u8], _: &[u8]| {
        rows += 1;
        true
    };
    reader.scan(Table::Index, &[], &mut count).expect("a readable store");
    assert_eq!(rows, lists.len(), "nothing else is listed");
}

/// On one shard and on several, with memory to spare and with none, decided at once and on
/// copies that are lent.
fn ledgers(check: impl Fn(Driver)) {
    for shards in [1, 3] {
        for memory_max in [usize::MAX, 0] {
            for short_way in [true, false] {
                let mut setup = setup(shards);
                (setup.config.memory_max, setup.config.short_way) = (memory_max, short_way);
                check(Driver::create(setup).expect("a new ledger opens"));
            }
        }
    }
}

fn agrees(ledger: &Driver) {
    lists_are_the_log(&ledger.log().frames(), ledger.store());
    assert_eq!(ledger.digest(), ledger.replayed_digest().map_err(|error| panic!("{error}")));
}

fn plan(ledger: &mut Driver, who: &str) -> Position {
    done(ledger.ask(command::<Account>(who, pay_out(1)))).position
}

fn lease(planned: Position, worker: &str, seconds: u64) -> account::Command {
    let withdrawal = Id::made('w', planned);
    account::Command::Lease { withdrawal, worker: id(worker), seconds }
}

#[test]
fn payouts_of_all_accounts_are_listed_in_the_order_in_which_they_were_planned() {
    use WithdrawalState::{Completed, Dispatched, Failed, Pending, Unknown};
    ledgers(|mut ledger| {
        for who in ["ann", "bo", "cy"] {
            done(ledger.ask(command::<Account>(who, open())));
            done(ledger.ask(command::<Account>(who, deposit(100))));
        }
        let whose = ["cy", "ann", "bo", "ann", "cy", "bo"];
        let payouts = whose.map(|who| plan(&mut ledger, who));
        assert_eq!(in_state(ledger.store(), Pending), payouts);
        agrees(&ledger);

        // Two of different accounts in one transaction, and one alone.
        let step = |of: usize, worker| leg::<Account>(whose[of], lease(payouts[of], worker, 60));
        let both = Ask::Transaction(vec![step(4, "w"), step(1, "w")], None);
        let fences = done(ledger.ask(both)).position;
        let fence = done(ledger.ask(Ask::Command(step(2, "w"), None))).position;
        done(ledger.ask(Ask::Command(step(0, "wide"), None)));
        assert_eq!(in_state(ledger.store(), Pending), [payouts[3], payouts[5]]);
        assert_eq!(of_worker(ledger.store(), "w"), [payouts[1], payouts[2], payouts[4]]);
        assert_eq!(of_worker(ledger.store(), "wide"), [payouts[0]], "not what begins like it");
        agrees(&ledger);

        // One that is given back is pending where it was planned. A retry of the same worker
        // changes nothing in any list.
        let (withdrawal, error) = (Id::made('w', payouts[2]), "later".to_owned());
        let retry = account::Command::Retry { withdrawal, fence, error };
        done(ledger.ask(command::<Account>("bo", retry)));
        assert_eq!(in_state(ledger.store(), Pending), [payouts[2], payouts[3], payouts[5]]);
        done(ledger.ask(Ask::Command(step(0, "wide"), None)));
        agrees(&ledger);

        // The same payout twice in one transaction: leased, and completed under that fence.
        let mut ledger = ledger;
        let withdrawal = Id::made('w', payouts[1]);
        let complete = account::Command::Complete { withdrawal, fence: fences, reference: None };
        let twice = vec![step(1, "w"), leg::<Account>("ann", complete)];
        let no = refused(ledger.ask(Ask::Transaction(twice, None)));
        assert_eq!(no.leg, Some(1), "the lease before it has a newer fence");
        agrees(&ledger);
        ledger.checkpoint().expect("a checkpoint");

        let now = Timestamp::from_ms(ledger.now().ms() + 61_000);
        ledger.set_now(now);
        ledger.run();
        let unknown = [payouts[0], payouts[1], payouts[4]];
        assert_eq!(in_state(ledger.store(), Unknown), unknown, "their leases are over");
        assert_eq!(of_worker(ledger.store(), "w"), []);
        agrees(&ledger);

        let mut ledger = reopened(ledger);
        for (of, completed) in [(0, true), (1, false)] {
            let withdrawal = Id::made('w', payouts[of]);
            let reconcile = account::Command::Reconcile { withdrawal, completed };
            done(ledger.ask(command::<Account>(whose[of], reconcile)));
        }
        let states = [Pending, Dispatched, Completed, Failed, Unknown];
        let counts = states.map(|state| in_state(ledger.store(), state).len());
        assert_eq!(counts, [3, 0, 1, 1, 1]);
        agrees(&ledger);
        agrees(&reopened(ledger));
    });
}

fn reopened(ledger: Driver) -> Driver {
    let now = ledger.now();
    ledger.crash(true, now).expect("it opens again")
}

fn record(key: &str, command: record::Command) -> Leg {
    let stream = Name::new(Book::DEFAULT, Record::KIND, Id::pair(&id("things"), &id(key)));
    Leg { stream, command: Command::of::<Record>(command), options: Options::default() }
}

fn put(key: &str, fields: &[(&str, &str)], ttl_ms: Option<u64>) -> Leg {
    let fields = fields.iter().map(|(field, value)| (id(field), (*value).to_owned())).collect();
    let value = "{}".to_owned();
    record(key, record::Command::Put { value, ttl_ms, must_be_absent: false, fields, era: 0 })
}

#[test]
fn records_are_listed_by_what_their_fields_are_now() {
    ledgers(|mut ledger| {
        let red = |ledger: &Driver| where_is(ledger.store(), "things", &id("colour"), "red");
        for key in ["pot", "cup", "jug", "can"] {
            done(
                ledger.ask(Ask::Command(put(key, &[("colour", "red"), ("size", "1")], None), None)),
            );
        }
        done(ledger.ask(Ask::Command(put("mug", &[("colour", "redder")], None), None)));
        assert_eq!(red(&ledger), ["can", "cup", "jug", "pot"], "in the order of keys");
        agrees(&ledger);
        ledger.checkpoint().expect("a checkpoint");
        let mut ledger = reopened(ledger);

        // Replaced by another value, by none, by no field at all; and deleted.
        done(
            ledger.ask(Ask::Command(put("pot", &[("colour", "blue"), ("size", "1")], None), None)),
        );
        done(ledger.ask(Ask::Command(put("cup", &[("size", "2")], None), None)));
        done(ledger.ask(Ask::Command(put("jug", &[], None), None)));
        assert_eq!(red(&ledger), ["can"]);
        done(ledger.ask(Ask::Command(record("can", record::Command::Delete), None)));
        assert_eq!(red(&ledger), [""; 0]);
        agrees(&ledger);

        // Replaced, deleted and put anew in one transaction: another stream of that name.
        let legs = vec![
            put("pot", &[("colour", "green")], None),
            record("pot", record::Command::Delete),
            put("pot", &[("colour", "red")], Some(5_000)),
            put("cup", &[("colour", "red")], None),
        ];
        done(ledger.ask(Ask::Transaction(legs, None)));
        assert_eq!(red(&ledger), ["cup", "pot"]);
        agrees(&ledger);

        // A life that is over ends what it was listed by, told by time alone.
        let now = Timestamp::from_ms(ledger.now().ms() + 6_000);
        ledger.set_now(now);
        ledger.run();
        assert_eq!(red(&ledger), ["cup"]);
        agrees(&ledger);
        agrees(&reopened(ledger));
    });
}

#[test]
fn the_longest_fields_of_a_record_are_listed() {
    let mut ledger = ledger(1);
    let long = |letter: char| letter.to_string().repeat(128);
    for value in ["\0".repeat(record::FIELD_LEN_MAX), "z".repeat(record::FIELD_LEN_MAX)] {
        let mut put = put("k", &[(&long('f'), &value)], None);
        put.stream.id = Id::pair(&id(&long('c')), &id(&long('k')));
        let reply = ledger.ask(Ask::Command(put, None));
        assert!(matches!(reply, Reply::Done(_)), "{reply:?}");
        let found = where_is(ledger.store(), &long('c'), &id(&long('f')), &value);
        assert_eq!(found, [long('k')]);
        agrees(&ledger);
    }
}
