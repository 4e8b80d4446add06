//! The suite that every log passes, unchanged. It panics with what a log did wrong.

use super::{Anchor, Finish, Frame, Log, LogError, Reader};
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
    no_more_appends_are_under_way_than_the_log_takes(place());
    appends_under_way_end_in_order(place());
    an_unfinished_append_is_whole_or_absent(place());
    an_append_needs_the_epoch_of_its_handle(place());
    a_stale_writer_cannot_append(place());
    epochs_rise_across_openings(place());
    time_survives_without_events(place());
    large_frames_fit(place());
    anchors_say_all_that_lies_before(place());
    history_is_dropped_from_its_beginning_only(place());
    what_was_promised_room_fits(place());
    a_reader_sees_what_becomes_durable(place());
    another_log_is_adopted_as_it_is(place(), Anchor::START);
    another_log_is_adopted_as_it_is(
        place(),
        Anchor { position: Position::new(500), hash: [9; 32] },
    );
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
        for position in made.first.get()..=made.last().get() {
            let read = log.read(Position::new(position)).expect("readable").expect("kept");
            assert!(read == *made, "the frame that holds position {position}");
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

fn no_more_appends_are_under_way_than_the_log_takes<P: Place>(mut place: P) {
    let mut log = place.open();
    let epoch = log.take_epoch().expect("an epoch");
    assert_eq!(log.finish(), None, "nothing is under way");
    let depth = log.depth() as u64;
    assert!(depth > 0);
    for index in 0..depth {
        let next = frame(epoch, Position::new(1 + 2 * index), 2, 1, 600);
        log.append(next).expect("the append begins");
    }
    for first in [1, 3, 1 + 2 * depth] {
        let early = frame(epoch, Position::new(first), 1, 2, 64);
        assert_eq!(log.append(early), Err(LogError::Closed), "until an end was told");
    }
    for index in 0..depth {
        assert_eq!(wait(&mut log), Finish::Durable);
        assert!(log.bounds().1 >= Position::new(3 + 2 * index));
    }
    assert_eq!(log.finish(), None, "an end is told once");
    assert_eq!(log.bounds().1, Position::new(1 + 2 * depth));
    append(&mut log, frame(epoch, Position::new(1 + 2 * depth), 1, 3, 64));
}

/// As many as the log takes, of all lengths, told late or at once.
fn appends_under_way_end_in_order<P: Place>(mut place: P) {
    let mut log = place.open();
    let epoch = log.take_epoch().expect("an epoch");
    let mut made = Vec::new();
    let mut told = 0;
    for round in 0..40_usize {
        let len = [96, 70_000, 1 << 20, 600, 300_000][round % 5];
        let next = frame(epoch, Position::new(1 + 3 * round as u64), 3, round as u8, len);
        while made.len() - told == log.depth() || (round % 3 == 0 && told < made.len()) {
            assert_eq!(wait(&mut log), Finish::Durable);
            told += 1;
            assert!(log.bounds().1 >= Position::new(1 + 3 * told as u64), "what was told is read");
        }
        log.append(next.clone()).expect("there is room for it");
        made.push(next);
    }
    while told < made.len() {
        assert_eq!(wait(&mut log), Finish::Durable);
        told += 1;
    }
    assert_eq!(log.anchor(), made.iter().fold(Anchor::START, |anchor, frame| anchor.then(frame)));
    place.crash(log);
    let log = place.open();
    for frame in &made {
        let read = log.read(frame.first).expect("readable").expect("kept");
        assert!(read == *frame, "the frame at {}", frame.first);
    }
}

fn an_unfinished_append_is_whole_or_absent<P: Place>(mut place: P) {
    let mut before: Vec<Frame> = Vec::new();
    for (round, len) in [8, 504, 4_096, 70_000, 1 << 20].into_iter().enumerate() {
        let mut log = place.open();
        let epoch = log.take_epoch().expect("an epoch");
        let durable = frame(epoch, log.bounds().1, 1, round as u8, 700);
        append(&mut log, durable.clone());
        before.push(durable);
        let begun = frame(epoch, log.bounds().1, 3, !(round as u8), len);
        log.append(begun.clone()).expect("the append begins");
        let shown = log.read(begun.first).expect("readable");
        assert!(shown.is_none_or(|shown| shown == begun), "a part of a frame is shown");
        place.crash(log);

        let log = place.open();
        let next = log.bounds().1;
        if let Some(kept) = log.read(begun.first).expect("readable") {
            assert!(kept == begun, "a part of a frame is kept");
            assert_eq!(next, begun.last().plus(1));
            before.push(begun);
        } else {
            assert_eq!(next, begun.first);
        }
        place.crash(log);

        // What one opening has found is what every later one finds.
        let log = place.open();
        assert_eq!(log.bounds().1, next);
        for frame in &before {
            let kept = log.read(frame.first).expect("readable");
            assert!(kept.as_ref() == Some(frame), "the frame at {} is kept", frame.first);
        }
        assert_eq!(log.read(next).expect("readable"), None);
        place.crash(log);
    }
}

fn an_append_needs_the_epoch_of_its_handle<P: Place>(mut place: P) {
    let mut log = place.open();
    assert!(is_refused(&mut log, frame(Epoch::ZERO, Position::new(1), 1, 1, 64)), "none taken");
    place.crash(log);
    let mut log = place.open();
    let epoch = log.take_epoch().expect("an epoch");
    append(&mut log, frame(epoch, Position::new(1), 1, 1, 64));
    place.crash(log);
    let mut log = place.open();
    assert!(is_refused(&mut log, frame(epoch, Position::new(2), 1, 2, 64)), "another's epoch");
    place.crash(log);
    let mut log = place.open();
    let epoch = log.take_epoch().expect("an epoch");
    let unborn = frame(epoch.plus(1), Position::new(2), 1, 3, 64);
    assert!(is_refused(&mut log, unborn), "an epoch that nobody took");
    place.crash(log);
    assert_eq!(place.open().bounds().1, Position::new(2), "nothing of these was written");
}

fn a_stale_writer_cannot_append<P: Place>(mut place: P) {
    let mut old = place.open();
    let stale = old.take_epoch().expect("an epoch");
    append(&mut old, frame(stale, Position::new(1), 1, 1, 64));
    place.crash(old);
    let mut new = place.open();
    let epoch = new.take_epoch().expect("a higher epoch");
    assert!(epoch > stale);
    let late = frame(stale, Position::new(2), 1, 2, 64);
    assert!(is_refused(&mut new, late), "a frame of an older epoch is fenced");
    place.crash(new);
    let mut third = place.open();
    assert_eq!(third.bounds().1, Position::new(2), "nothing of it was written");
    let epoch = third.take_epoch().expect("an epoch");
    append(&mut third, frame(epoch, Position::new(2), 1, 3, 64));
}

/// Whether a frame of the wrong epoch is fenced, at once or when it ends.
fn is_refused<L: Log>(log: &mut L, frame: Frame) -> bool {
    match log.append(frame) {
        Err(error) => error == LogError::Fenced,
        Ok(()) => wait(log) == Finish::Fenced,
    }
}

fn epochs_rise_across_openings<P: Place>(mut place: P) {
    let mut last = Epoch::ZERO;
    for _ in 0..4 {
        let mut log = place.open();
        let epoch = log.take_epoch().expect("an epoch");
        assert!(epoch > last, "{epoch} follows {last}");
        assert_eq!(log.epoch(), epoch);
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

fn anchors_say_all_that_lies_before<P: Place>(mut place: P) {
    let mut expected = vec![Anchor::START];
    for round in 0..3 {
        let mut log = place.open();
        assert_eq!(Some(&log.anchor()), expected.last(), "an opening changes no anchor");
        let epoch = log.take_epoch().expect("an epoch");
        for len in [40, 600] {
            let made = frame(epoch, log.bounds().1, 2, round, len);
            expected.push(expected[expected.len() - 1].then(&made));
            append(&mut log, made);
            let next = log.bounds().1;
            append(&mut log, frame(epoch, next, 0, 0, 0));
            assert_eq!(Some(&log.anchor()), expected.last());
        }
        for (index, anchor) in expected[..expected.len() - 1].iter().enumerate() {
            for position in [2 * index as u64 + 1, 2 * index as u64 + 2] {
                let before = log.anchor_before(Position::new(position));
                assert_eq!(before.as_ref(), Ok(anchor), "before the frame of {position}");
            }
        }
        assert_eq!(log.anchor_before(log.bounds().1), Ok(log.anchor()));
        place.crash(log);
    }
}

fn history_is_dropped_from_its_beginning_only<P: Place>(mut place: P) {
    let mut log = place.open();
    let epoch = log.take_epoch().expect("an epoch");
    let mut anchors = vec![Anchor::START];
    for round in 0..40 {
        let made = frame(epoch, log.bounds().1, 1, round, 60_000);
        anchors.push(anchors[anchors.len() - 1].then(&made));
        append(&mut log, made);
    }
    let end = log.anchor();
    let mut first = Position::new(1);
    for before in [0, 1, 2, 17, 40, 41, 1_000] {
        let kept = log.trim(Position::new(before)).expect("dropped");
        assert!(kept >= first && kept <= log.bounds().1, "{kept} after {first}");
        assert!(kept <= first.max(Position::new(before)), "what was to be kept is kept");
        assert_eq!(log.bounds(), (kept, Position::new(41)));
        first = kept;
        check_from(&log, first, &anchors);
    }
    append(&mut log, frame(epoch, Position::new(41), 1, 77, 600));
    let end = end.then(&frame(epoch, Position::new(41), 1, 77, 600));
    place.crash(log);
    let log = place.open();
    assert_eq!(log.bounds(), (first, Position::new(42)), "what is gone stays gone");
    assert_eq!(log.anchor(), end);
}

fn check_from<L: Log>(log: &L, first: Position, anchors: &[Anchor]) {
    for position in 1..=40 {
        let at = Position::new(position);
        let (read, before) = (log.read(at), log.anchor_before(at));
        if at < first {
            assert_eq!(read, Err(LogError::Trimmed(first)));
            assert_eq!(before, Err(LogError::Trimmed(first)));
        } else {
            assert_eq!(read.expect("readable").expect("kept").first, at);
            assert_eq!(before.as_ref(), Ok(&anchors[position as usize - 1]));
        }
    }
}

/// Room is asked for first, tended until there is some, and then holds what it promised.
fn what_was_promised_room_fits<P: Place>(mut place: P) {
    let mut log = place.open();
    let epoch = log.take_epoch().expect("an epoch");
    for round in 0..60 {
        let len = [96, 4_000, 700_000, 8 << 20][round % 4];
        for _ in 0..1_000_000 {
            if log.room() >= log.room_of(len) || !log.tend().expect("room can be made") {
                break;
            }
        }
        let (room, wanted) = (log.room(), log.room_of(len));
        assert!(room >= wanted, "tended, there is room for {wanted}, not {room}");
        let next = log.bounds().1;
        append(&mut log, frame(epoch, next, 1, round as u8, len));
        assert!(log.room() >= room.saturating_sub(wanted), "an entry takes no more than its room");
    }
}

fn a_reader_sees_what_becomes_durable<P: Place>(mut place: P) {
    let mut log = place.open();
    let (early, epoch) = (log.reader(), log.take_epoch().expect("an epoch"));
    for round in 0..5 {
        let next = Position::new(1 + 2 * round);
        assert_eq!(early.bounds().1, next);
        assert_eq!(early.read(next).expect("readable"), None);
        let made = frame(epoch, next, 2, round as u8, 700);
        append(&mut log, made.clone());
        assert_eq!(early.bounds(), log.bounds());
        assert_eq!(early.read(next.plus(1)), Ok(Some(made)));
        assert_eq!((early.anchor(), early.now_limit()), (log.anchor(), log.now_limit()));
    }
    let late = log.reader();
    assert_eq!(late.read(Position::new(1)).expect("readable").expect("kept").events, 2);
}

fn another_log_is_adopted_as_it_is<P: Place>(mut place: P, start: Anchor) {
    let mut end = start;
    let mut frames = Vec::new();
    for (epoch, len) in [(2, 96), (2, 0), (3, 5_000), (7, 1 << 20), (7, 8)] {
        let events = if len == 0 { 0 } else { 3 };
        let made = frame(Epoch::new(epoch), end.position.plus(1), events, epoch as u8, len);
        end = end.then(&made);
        frames.push(made);
    }
    let mut log = place.open();
    log.adopt(start, Epoch::new(11), &mut frames.iter().cloned().map(Ok)).expect("it is new");
    let check = |log: &P::Log| {
        assert_eq!(log.bounds(), (start.position.plus(1), end.position.plus(1)));
        assert_eq!(log.anchor(), end);
        assert_eq!(log.anchor_before(start.position.plus(1)), Ok(start));
        for made in frames.iter().filter(|made| made.events > 0) {
            let read = log.read(made.first).expect("readable").expect("kept");
            let Frame { epoch, first, events, now, now_limit, .. } = read;
            assert_eq!((epoch, first, events), (made.epoch, made.first, made.events));
            assert_eq!((now, now_limit), (made.now, made.now_limit));
            assert!(read.bytes == made.bytes, "the frame at {first} has the bytes it had");
        }
    };
    check(&log);
    place.crash(log);
    let mut log = place.open();
    check(&log);
    let again = log.adopt(start, Epoch::new(11), &mut frames.iter().cloned().map(Ok));
    assert_eq!(again, Err(LogError::NotEmpty));
    place.crash(log);
    let mut log = place.open();
    let epoch = log.take_epoch().expect("an epoch");
    assert!(epoch > Epoch::new(11), "{epoch} is above all that were adopted");
    append(&mut log, frame(epoch, end.position.plus(1), 1, 1, 64));
    place.crash(log);
    assert_eq!(place.open().bounds().1, end.position.plus(2));
}
