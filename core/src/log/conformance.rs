//! The suite that every log passes, unchanged. It panics with what a log did wrong.

use super::{Finish, Frame, Log, LogError};
use crate::words::{Epoch, Position, Timestamp};

/// A log under test: one place, opened again and again.
pub trait Place {
    /// The log.
    type Log: Log;

    /// Opens the log that lies in this place; the first time, a new one.
    fn open(&mut self) -> Self::Log;

    /// Ends a handle as power loss does: whatever was not durable is gone.
    fn crash(&mut self, log: Self::Log);
}

/// Runs the whole suite; `place` gives a fresh, empty place for each case.
pub fn check<P: Place>(mut place: impl FnMut() -> P) {
    a_new_log_is_empty(place());
    frames_come_back_as_they_were(place());
    what_is_durable_survives_a_crash(place());
    a_frame_continues_the_log(place());
    a_stale_writer_cannot_append(place());
    epochs_rise_across_openings(place());
    time_survives_without_events(place());
    large_frames_fit(place());
}

/// A frame of `events` events whose bytes are told apart by `seed`.
#[must_use]
pub fn frame(epoch: Epoch, first: Position, events: u64, seed: u8, len: usize) -> Frame {
    Frame {
        epoch,
        first,
        events,
        now: Timestamp::from_ms(1_000 + first.get()),
        now_limit: Timestamp::from_ms(2_000 + first.get()),
        watermark: Position::new(first.get() - 1),
        bytes: (0..len).map(|index| seed ^ index as u8).collect(),
    }
}

/// Appends a frame and waits until it is durable.
pub fn append<L: Log>(log: &mut L, frame: Frame) {
    log.append(frame).expect("the append begins");
    assert_eq!(wait(log), Finish::Durable);
}

fn wait<L: Log>(log: &mut L) -> Finish {
    for _ in 0..1_000_000 {
        if let Some(finish) = log.finish() {
            return finish;
        }
        std::thread::yield_now();
    }
    panic!("an append ends");
}

fn a_new_log_is_empty<P: Place>(mut place: P) {
    let mut log = place.open();
    assert_eq!(log.bounds(), (Position::new(1), Position::new(1)));
    assert_eq!(log.read(Position::new(1)).expect("readable"), None);
    assert!(log.take_epoch().expect("an epoch") > Epoch::ZERO);
}

fn frames_come_back_as_they_were<P: Place>(mut place: P) {
    let mut log = place.open();
    let epoch = log.take_epoch().expect("an epoch");
    let mut frames = Vec::new();
    for (events, len) in [(1, 8), (3, 504), (1, 512), (200, 4_096), (2, 520)] {
        let made = frame(epoch, log.bounds().1, events, len as u8, len);
        append(&mut log, made.clone());
        frames.push(made);
    }
    assert_eq!(log.bounds(), (Position::new(1), Position::new(208)));
    for made in &frames {
        for position in [made.first, made.last()] {
            let read = log.read(position).expect("readable").expect("kept");
            assert_eq!(
                (read.first, read.events, &read.bytes),
                (made.first, made.events, &made.bytes)
            );
            assert_eq!(
                (read.epoch, read.now, read.now_limit),
                (made.epoch, made.now, made.now_limit)
            );
            assert_eq!(read.watermark, made.watermark);
        }
    }
    assert_eq!(log.read(Position::new(208)).expect("readable"), None);
}

fn what_is_durable_survives_a_crash<P: Place>(mut place: P) {
    let mut made = Vec::new();
    for round in 0..5 {
        let mut log = place.open();
        assert_eq!(log.bounds().1, Position::new(1 + 2 * round));
        let epoch = log.take_epoch().expect("an epoch");
        let next = frame(epoch, log.bounds().1, 2, round as u8, 100);
        append(&mut log, next.clone());
        made.push(next);
        for frame in &made {
            let read = log.read(frame.first).expect("readable").expect("kept");
            assert_eq!(read.bytes, frame.bytes);
        }
        place.crash(log);
    }
}

fn a_frame_continues_the_log<P: Place>(mut place: P) {
    let mut log = place.open();
    let epoch = log.take_epoch().expect("an epoch");
    append(&mut log, frame(epoch, Position::new(1), 2, 1, 64));
    for first in [1, 2, 4, 100] {
        let wrong = frame(epoch, Position::new(first), 1, 2, 64);
        let error = log.append(wrong).expect_err("a gap or an overlap is refused");
        assert!(matches!(error, LogError::NotNext { .. }), "{error}");
    }
    append(&mut log, frame(epoch, Position::new(3), 1, 3, 64));
}

fn a_stale_writer_cannot_append<P: Place>(mut place: P) {
    let mut old = place.open();
    let stale = old.take_epoch().expect("an epoch");
    append(&mut old, frame(stale, Position::new(1), 1, 1, 64));
    place.crash(old);
    let mut new = place.open();
    let epoch = new.take_epoch().expect("a higher epoch");
    assert!(epoch > stale);
    // The new handle itself refuses a frame under the old epoch.
    let late = frame(stale, Position::new(2), 1, 2, 64);
    let refused = match new.append(late) {
        Err(error) => error == LogError::Fenced,
        Ok(()) => wait(&mut new) == Finish::Fenced,
    };
    assert!(refused, "a frame of an older epoch is fenced");
    place.crash(new);
    let mut third = place.open();
    assert_eq!(third.bounds().1, Position::new(2), "nothing of it was written");
    let epoch = third.take_epoch().expect("an epoch");
    append(&mut third, frame(epoch, Position::new(2), 1, 3, 64));
}

fn epochs_rise_across_openings<P: Place>(mut place: P) {
    let mut last = Epoch::ZERO;
    for _ in 0..4 {
        let mut log = place.open();
        let epoch = log.take_epoch().expect("an epoch");
        assert!(epoch > last, "{epoch} follows {last}");
        last = epoch;
        place.crash(log);
    }
}

fn time_survives_without_events<P: Place>(mut place: P) {
    let mut log = place.open();
    let epoch = log.take_epoch().expect("an epoch");
    append(&mut log, frame(epoch, Position::new(1), 1, 1, 64));
    let mut empty = frame(epoch, Position::new(2), 0, 0, 0);
    empty.now_limit = Timestamp::from_ms(9_000);
    append(&mut log, empty);
    append(&mut log, frame(epoch, Position::new(2), 1, 2, 64));
    place.crash(log);
    let log = place.open();
    assert_eq!(log.now_limit(), Timestamp::from_ms(9_000));
    assert_eq!(log.bounds().1, Position::new(3));
    let read = log.read(Position::new(2)).expect("readable").expect("kept");
    assert_eq!(read.events, 1, "frames without events are not met");
}

fn large_frames_fit<P: Place>(mut place: P) {
    let mut log = place.open();
    let epoch = log.take_epoch().expect("an epoch");
    for (index, len) in [1 << 20, 8 << 20, 8].into_iter().enumerate() {
        append(&mut log, frame(epoch, Position::new(1 + index as u64), 1, index as u8, len));
    }
    place.crash(log);
    let log = place.open();
    let read = log.read(Position::new(2)).expect("readable").expect("kept");
    assert_eq!(read.bytes.len(), 8 << 20);
    assert_eq!(read.bytes[77], 1 ^ 77);
}
