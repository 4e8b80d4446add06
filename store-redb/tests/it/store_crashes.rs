//! Power is lost at every operation of the disk, and every one may leave what it likes.

use quipu_core::store::{Reader, Store, StoreError};
use quipu_core::words::Position;
use quipu_sim::disk::{Keep, SimDisk};
use quipu_store_redb::store::Opened;

use crate::sample::{History, everything, model, open, round};

/// What was asked of a store until its disk died.
struct Life {
    history: History,
    /// The last checkpoint that was said to be written.
    checkpoint: Position,
}

/// Applies and checkpoints, one of them with rows that come after its freeze.
fn live(disk: &SimDisk) -> Life {
    let mut life = Life { history: History::new(), checkpoint: Position::ZERO };
    // Where it ends is where the disk died.
    let _ = steps(disk, &mut life);
    life
}

fn steps(disk: &SimDisk, life: &mut Life) -> Result<(), StoreError> {
    let (mut store, _) = open(disk)?;
    for number in 1..=4 {
        let through = Position::new(3 * number);
        store.apply(&mut round(number).iter(), through)?;
        life.history.push((round(number), through));
        if number == 3 {
            store.drop_keys_before(2)?;
            continue;
        }
        let frozen = store.freeze()?;
        let behind = Position::new(3 * number + 1);
        store.apply(&mut round(number + 10).iter(), behind)?;
        life.history.push((round(number + 10), behind));
        life.checkpoint = frozen.run()?;
        assert_eq!(life.checkpoint, through);
    }
    Ok(())
}

#[test]
fn a_crash_at_any_operation_leaves_a_position_that_was_applied() {
    let whole = SimDisk::new();
    let last = live(&whole).checkpoint;
    assert_eq!(last, Position::new(12));
    let operations = whole.operations();
    assert!(operations > 50, "{operations} operations are a store's life");
    let mut positions = std::collections::BTreeSet::new();
    for operation in 1..=operations + 1 {
        let disk = SimDisk::new();
        disk.die_at(operation);
        let life = live(&disk);
        disk.lose_power();
        let half = disk.pending() / 2;
        for keep in [Keep::Nothing, Keep::All, Keep::First(half), Keep::Torn(operation)] {
            let image = disk.image(keep);
            let place = format!("operation {operation} of {operations}, {keep:?}");
            let (store, opened) = open(&image).expect(&place);
            assert!(!matches!(opened, Opened::SetAside { .. }), "{place}: {opened:?}");
            let position = store.position();
            assert!(position >= life.checkpoint, "{place}: at {position}");
            // Dropped keys may be there again: what has been dropped is no rule of a crash.
            let mut found = store;
            found.drop_keys_before(2).expect("droppable");
            let mut wanted = model(&life.history, position);
            wanted.drop_keys_before(2).expect("droppable");
            assert_eq!(everything(&found), everything(&wanted), "{place}: at {position}");
            drop(found);
            let (again, _) = open(&image.reopen()).expect(&place);
            assert_eq!(again.position(), position, "{place}: opened twice");
            positions.insert(position);
        }
    }
    assert_eq!(Vec::from_iter(positions), [0, 3, 6, 12].map(Position::new));
}
