//! The watermark only rises, and whoever sees it sees what it speaks of.

use std::sync::Arc;

use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;
use quipu_sync::Watermark;
use quipu_sync::explore::{catches, holds, is_caught};
use quipu_sync::planted::Planted;

/// How far the time of a position lies above it.
const AHEAD: u64 = 100;

/// A committer that applies rows to memory and publishes, and two readers. `publish_first`
/// publishes before the rows are there.
fn watermark(publish_first: bool) -> impl Fn() + Send + Sync + 'static {
    move || {
        let watermark = Arc::new(Watermark::new(0, AHEAD));
        // Nothing but the watermark orders these.
        let rows: Arc<[AtomicU64; 2]> = Arc::default();
        let reader = || {
            let (watermark, rows) = (Arc::clone(&watermark), Arc::clone(&rows));
            move || {
                let mut before = (0, 0);
                for _ in 0..2 {
                    let (position, now_limit) = watermark.read();
                    assert!((position, now_limit) >= before, "it only rises");
                    assert!(now_limit >= before.1, "its time only rises");
                    for row in &rows[..position as usize] {
                        assert_eq!(row.load(Ordering::Relaxed), 1, "the row is there");
                    }
                    assert!(now_limit >= position + AHEAD, "its time covers its position");
                    before = (position, now_limit);
                }
            }
        };
        let readers = [thread::spawn(reader()), thread::spawn(reader())];
        for (row, position) in rows.iter().zip(1..) {
            if publish_first {
                watermark.publish(position, position + AHEAD);
            }
            row.store(1, Ordering::Relaxed);
            if !publish_first {
                watermark.publish(position, position + AHEAD);
            }
        }
        readers.into_iter().for_each(|reader| reader.join().expect("it ends"));
    }
}

#[test]
fn the_watermark_rises_and_shows_what_it_speaks_of() {
    holds("watermark", 3, 103_750, watermark(false));
}

#[test]
fn a_watermark_before_its_rows_is_caught() {
    is_caught("publish before apply", 2, "the row is there", watermark(true));
}

#[test]
fn a_watermark_that_orders_nothing_is_caught() {
    catches(Planted::PublishRelaxed, 2, "the row is there", watermark(false));
}

#[test]
fn a_position_before_its_time_is_caught() {
    catches(Planted::PositionFirst, 2, "covers", watermark(false));
}
