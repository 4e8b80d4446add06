//! Ledgers of another format: refused by whoever opens, upgraded once, begun again after a crash.

use super::craft::{contents, set_format, set_page_format, set_store_format};
use super::rest::{Rest, stopped};
use super::say::*;
use super::told::tell;
use quipu::upgrade::Upgraded;
use quipu::{FORMAT, LogKind, OpenError, upgrade};
use quipu_core::recovery::Progress;
use quipu_sim::disk::{Keep, SimDisk};
use quipu_store_redb::store::Opened;

fn upgraded(disk: &SimDisk, rest: &Rest) -> Result<Upgraded, OpenError> {
    upgrade(disk.clone(), &machines(), &rest.options, &mut |_| {})
}

/// A ledger of which the store's tables, its pages or the manifest are of an older version.
type Older = fn(&SimDisk);

const OLDER: [(Older, Upgraded); 4] = [
    (|disk| set_store_format(disk, 0), Upgraded { from: FORMAT, to: FORMAT, store: true }),
    (
        |disk| set_page_format(disk, "store/store.redb", 0),
        Upgraded { from: FORMAT, to: FORMAT, store: true },
    ),
    (|disk| set_format(disk, "LEDGER", 0), Upgraded { from: 0, to: FORMAT, store: false }),
    (
        |disk| {
            set_store_format(disk, 0);
            set_format(disk, "LEDGER", 0);
        },
        Upgraded { from: 0, to: FORMAT, store: true },
    ),
];

#[test]
fn an_older_ledger_is_refused_until_it_is_upgraded() {
    for log in [LogKind::Files, LogKind::Redb] {
        let rest = stopped(log);
        for (age, expected) in OLDER {
            let disk = rest.image();
            age(&disk);
            let before = contents(&disk);
            let refused = tell(&disk, &rest.options).expect_err("it is older");
            assert!(matches!(refused, OpenError::Older { found: 0, known: 1, .. }), "{refused}");
            let said = refused.to_string();
            assert!(said.ends_with("; upgrade the ledger once, then open it"), "{said}");
            assert!(contents(&disk) == before, "it was changed");

            let mut reached: Vec<Progress> = Vec::new();
            let done = upgrade(disk.clone(), &machines(), &rest.options, &mut |progress| {
                reached.push(progress);
            });
            assert_eq!(done, Ok(expected));
            assert!(reached.iter().all(|progress| progress.reached <= progress.last));
            assert_eq!(reached.is_empty(), !expected.store, "a replay says how far it is");
            let again = upgraded(&disk, &rest).expect("nothing is left to do");
            assert_eq!(again, Upgraded { from: FORMAT, to: FORMAT, store: false });
            let (found, told) = tell(&disk, &rest.options).expect("it opens");
            assert!(matches!(found, Opened::At(_)), "{found:?}");
            assert!(told == rest.told, "something else is told");
        }
    }
}

#[test]
fn an_upgrade_that_was_cut_short_anywhere_is_begun_again() {
    let mut crashes = 0;
    for (log, ages) in [(LogKind::Files, &OLDER[..2]), (LogKind::Redb, &OLDER[3..])] {
        let rest = stopped(log);
        for (age, _) in ages {
            let older = rest.image();
            age(&older);
            let all = {
                let disk = older.image(Keep::All);
                upgraded(&disk, &rest).expect("upgraded");
                disk.operations()
            };
            for operation in 1..=all {
                let disk = older.image(Keep::All);
                disk.die_at(operation);
                let _ = upgraded(&disk, &rest);
                let keeps = [Keep::Torn(operation), Keep::Nothing, Keep::All];
                for keep in keeps.into_iter().take(if log == LogKind::Files { 3 } else { 1 }) {
                    let found = disk.image(keep);
                    // Whoever opens meanwhile is refused, or sees all of it.
                    match tell(&found.image(Keep::All), &rest.options) {
                        Err(OpenError::Older { .. }) => {}
                        Err(error) => panic!("operation {operation}, {keep:?}: {error}"),
                        Ok((_, told)) => assert!(told == rest.told, "operation {operation}"),
                    }
                    upgraded(&found, &rest).expect("begun again");
                    let (_, told) = tell(&found, &rest.options).expect("it opens");
                    assert!(told == rest.told, "operation {operation}, {keep:?}");
                    crashes += 1;
                }
            }
        }
    }
    println!("{crashes} crashes of an upgrade");
    assert!(crashes > 300, "{crashes}");
}

#[test]
fn a_ledger_of_this_format_stays_as_it_is() {
    for log in [LogKind::Files, LogKind::Redb] {
        let rest = stopped(log);
        let disk = rest.image();
        let before = contents(&disk);
        let done = upgraded(&disk, &rest);
        assert_eq!(done, Ok(Upgraded { from: FORMAT, to: FORMAT, store: false }));
        assert!(contents(&disk) == before, "it was changed");
    }
}

#[test]
fn what_is_newer_or_damaged_is_refused_and_stays_as_it_is() {
    let rest = stopped(LogKind::Files);
    let newer: [Older; 4] = [
        |disk| set_store_format(disk, 2),
        |disk| set_page_format(disk, "store/store.redb", 2),
        |disk| set_format(disk, "LEDGER", 2),
        // The rest would be upgraded, were it not for this.
        |disk| {
            set_store_format(disk, 0);
            set_format(disk, "LEDGER", 0);
            set_format(disk, "log/000000000002.seg", 2);
        },
    ];
    for newer in newer {
        let disk = rest.image();
        newer(&disk);
        let before = contents(&disk);
        let refused = upgraded(&disk, &rest).expect_err("it is newer").to_string();
        assert!(refused.ends_with("up to 1 only; use a newer version"), "{refused}");
        assert!(contents(&disk) == before, "it was changed");
    }
    let damaged = rest.image();
    set_format(&damaged, "LEDGER", 0);
    damaged.flip("log/000000000002.seg".as_ref(), 100, 1).expect("a bit");
    let before = contents(&damaged);
    let refused = upgraded(&damaged, &rest).expect_err("it is damaged");
    let damage = refused.damage().expect("a place");
    assert_eq!(
        damage.to_string(),
        "log/000000000002.seg at byte 0: the header of the segment is damaged"
    );
    assert!(contents(&damaged) == before, "it was changed");
}
