//! Segments and frames, as a log that nobody has open tells them.

use std::path::Path;

use quipu_core::log::Log;
use quipu_core::words::Position;
use quipu_log_file::{ClosedLog, SegmentState};
use quipu_sim::disk::SimDisk;

use crate::promise::{ID, Promise};

#[test]
fn every_frame_is_told_once_also_one_that_an_opening_has_copied() {
    let disk = SimDisk::new();
    let mut promise = Promise::new();
    // No clean stop between: the last frame of each writer is proven by nothing, and copied.
    for _ in 0..3 {
        let mut log = promise.open(&disk).expect("it opens");
        promise.take_epoch(&mut log).expect("its epoch");
        for events in [1, 3] {
            let frame = promise.frame(events, 400);
            promise.append(&mut log, frame).expect("durable");
        }
        while log.tend().expect("there is room") {}
    }
    let closed = ClosedLog::open(disk, Path::new(""), ID).expect("it opens");
    let segments = closed.segments().expect("they can be read");
    let states: Vec<_> = segments.iter().map(|segment| segment.state).collect();
    assert_eq!(states.iter().filter(|state| **state == SegmentState::Open).count(), 1);
    let is_ahead = |state: &SegmentState| *state == SegmentState::Ahead;
    assert!(states.is_sorted_by_key(is_ahead), "those made ahead come last: {states:?}");

    let (mut numbers, mut next) = (Vec::new(), Position::new(1));
    for segment in &segments {
        let mut positions = None;
        let there = closed.frames(segment.number, &mut |frame| {
            numbers.push(frame.number);
            assert_eq!(frame.first, next, "without a gap and without a repeat");
            next = frame.first.plus(frame.events);
            for at in frame.first.get()..next.get() {
                let at = Position::new(at);
                assert_eq!(closed.segment_of(at), Some(segment.number), "position {at}");
                positions = Some((positions.map_or(at, |(first, _)| first), at));
            }
            true
        });
        assert_eq!(there, Ok(true));
        assert_eq!(segment.positions, positions, "segment {}", segment.number);
    }
    assert_eq!(next, promise.next());
    assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{numbers:?}");
    assert_eq!(closed.segment_of(next), None);
    assert_eq!(closed.frames(99, &mut |_| true), Ok(false));
}
