//! The rules of the key machine, as a table of cases.

use super::said;
use quipu_core::machine::{Shows, Solo};
use quipu_core::machines::key::{Command, Event, Forgotten, Kept, Key, LIFE_MS};
use quipu_core::words::{Code, Id, Timestamp};

const BEGIN: u64 = 1_000_000;
const END: u64 = BEGIN + LIFE_MS;

fn keep(made: Option<&str>) -> Command {
    Command::Keep { made: id(made) }
}

fn id(text: Option<&str>) -> Option<Id> {
    text.map(|text| Id::new(text).expect("a test's id is well formed"))
}

#[test]
fn a_key_is_kept_for_a_day_with_the_id_that_was_made_first() {
    use Command::Forget;
    // At this time this command: what happens, and the id that the key keeps then.
    type Row = (u64, Command, Result<bool, Code>, Option<Option<&'static str>>);
    let scripts: [Vec<Row>; 4] = [
        vec![
            (BEGIN, Forget, Err(Code::NotFound), None),
            (BEGIN, keep(Some("a")), Ok(true), Some(Some("a"))),
            (BEGIN, keep(Some("b")), Ok(false), Some(Some("a"))),
            (BEGIN, Forget, Err(Code::WrongState), Some(Some("a"))),
            (END - 1, keep(None), Ok(false), Some(Some("a"))),
            (END - 1, Forget, Err(Code::WrongState), Some(Some("a"))),
            // Time has taken it before any command comes.
            (END, Forget, Err(Code::NotFound), None),
        ],
        vec![
            (BEGIN, keep(None), Ok(true), Some(None)),
            (END - 1, keep(Some("b")), Ok(false), Some(None)),
            (END, keep(Some("b")), Ok(true), Some(Some("b"))),
            (END + LIFE_MS - 1, keep(None), Ok(false), Some(Some("b"))),
            (END + LIFE_MS, keep(None), Ok(true), Some(None)),
        ],
        vec![
            (0, keep(None), Ok(true), Some(None)),
            (LIFE_MS - 1, keep(None), Ok(false), Some(None)),
            (LIFE_MS, Forget, Err(Code::NotFound), None),
        ],
        vec![
            (Timestamp::LAST.ms(), keep(None), Ok(true), Some(None)),
            (Timestamp::LAST.ms(), keep(None), Ok(false), Some(None)),
            (u64::MAX - 1, keep(None), Ok(false), Some(None)),
        ],
    ];
    for script in scripts {
        let mut solo = Solo::<Key>::new("somebodys-key");
        for (at, command, expected, made) in script {
            solo.fire(Timestamp::from_ms(at));
            let (head, version) = (solo.head().cloned(), solo.version());
            let told = solo.ask(&command, Timestamp::from_ms(at));
            match &told {
                Ok(told) => {
                    assert_eq!(told.shows, Shows::head(), "{command:?} at {at}");
                    assert_eq!(told.postings.list(), []);
                    assert_eq!(solo.version() > version, told.event.is_some());
                }
                Err(_) => assert_eq!((solo.head(), solo.version()), (head.as_ref(), version)),
            }
            let happened = told.map(|told| told.event.is_some()).map_err(|refusal| refusal.code);
            assert_eq!(happened, expected, "{command:?} at {at}");
            let kept = solo.head().map(|head| head.made.clone());
            assert_eq!(kept, made.map(id), "{command:?} at {at}");
            assert_eq!(solo.items().count(), 0);
        }
    }
}

#[test]
fn events_say_until_when_it_is_kept() {
    let mut solo = Solo::<Key>::new("somebodys-key");
    let told = solo.ask(&keep(Some("a")), Timestamp::from_ms(BEGIN)).expect("it is kept");
    let expires_at = Timestamp::from_ms(END);
    let kept = Event::Kept(Kept { made: id(Some("a")), expires_at });
    assert_eq!(told.event, Some(kept));
    assert_eq!(solo.fire(Timestamp::from_ms(END - 1)), []);
    let forgotten = Event::Forgotten(Forgotten { expires_at });
    assert_eq!(solo.fire(Timestamp::from_ms(END)), [forgotten]);
    assert_eq!(solo.head(), None);
}

#[test]
fn equal_commands_have_one_canonical_form() {
    assert_ne!(said(&keep(None)), said(&Command::Forget));
    // The server makes another id for every repeat, so an id tells no two apart.
    for other in [Some("a"), Some("b")] {
        assert_eq!(said(&keep(None)), said(&keep(other)));
    }
}
