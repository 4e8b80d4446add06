//! The rules of the source machine, as a table of cases.

use super::are_told_apart;
use quipu_core::machine::{Said, Shows, Solo};
use quipu_core::machines::source::{Advanced, Command, Event, Source};
use quipu_core::words::Timestamp;

#[test]
fn a_cursor_never_runs_back_and_nothing_is_refused() {
    // From the first to the last: how far, what the cursor is then, whether something happened.
    let scripts: [&[(u64, u64, bool)]; 4] = [
        &[(0, 0, true), (0, 0, false), (1, 1, true)],
        &[(7, 7, true), (7, 7, false), (6, 7, false), (0, 7, false), (8, 8, true)],
        &[
            (5, 5, true),
            (u64::MAX, u64::MAX, true),
            (u64::MAX, u64::MAX, false),
            (1, u64::MAX, false),
        ],
        &[(u64::MAX, u64::MAX, true), (0, u64::MAX, false)],
    ];
    for script in scripts {
        let mut solo = Solo::<Source>::new("bank");
        let mut now = 1_000;
        for &(to, cursor, happens) in script {
            now += 1;
            let before = solo.version();
            let told = solo
                .ask(&Command::Advance { cursor: to }, Timestamp::from_ms(now))
                .expect("nothing is refused");
            let event = happens.then_some(Event::Advanced(Advanced { cursor }));
            assert_eq!(told.event, event, "{script:?} to {to}");
            assert_eq!(told.shows, Shows::head());
            assert_eq!(told.postings.list(), []);
            assert_eq!(solo.head().map(|head| head.cursor), Some(cursor), "{script:?} to {to}");
            assert_eq!(solo.version() > before, happens);
            assert_eq!(solo.items().count(), 0);
        }
    }
}

#[test]
fn equal_commands_have_one_canonical_form() {
    are_told_apart(&[Command::Advance { cursor: 1 }, Command::Advance { cursor: 2 }]);
    assert_eq!(Command::Advance { cursor: 1 }.operation(), 1);
}
