//! The history of a stream is what the log says of it, and nothing else passes for it.

use std::collections::BTreeMap;

use super::say::*;
use quipu_core::driver::Driver;
use quipu_core::history::{History, HistoryError, Knot};
use quipu_core::log::{Frame, Log, LogError, MemoryLog, Reader, Settle};
use quipu_core::machines::account::Account;
use quipu_core::records::{Corrupt, Entries};
use quipu_core::words::{Number, Position};

/// Every part of the log by stream, oldest first.
fn scanned(frames: &[Frame]) -> BTreeMap<Number, Vec<Knot>> {
    let mut knots: BTreeMap<Number, Vec<Knot>> = BTreeMap::new();
    for frame in frames {
        for entry in Entries::new(&frame.bytes, frame.first) {
            let entry = entry.expect("a readable entry");
            for part in entry.parts {
                knots.entry(part.head.number).or_default().push(Knot {
                    position: part.head.position,
                    now: entry.now,
                    trace: entry.trace,
                    kind: part.head.kind,
                    tag: part.head.tag,
                    payload: part.payload.to_vec(),
                    previous: part.head.previous,
                });
            }
        }
    }
    knots
}

/// The walk back over every stream gives what a scan of the whole log gives.
pub(crate) fn histories_are_the_log(log: &MemoryLog) {
    for (number, mut knots) in scanned(&log.frames()) {
        knots.reverse();
        let version = knots[0].position;
        let walked: Result<Vec<Knot>, HistoryError> = History::new(log, number, version).collect();
        assert_eq!(walked, Ok(knots), "the history of stream {number}");
    }
}

/// An account with deposits, alone in a frame or among many, and transfers to itself.
fn busy() -> (Driver, Number) {
    let mut ledger = ledger(2);
    done(ledger.ask(command::<Account>("b", open())));
    let opened = done(ledger.ask(command::<Account>("a", open())));
    for round in 0..6 {
        done(ledger.ask(command::<Account>("a", deposit(100))));
        done(ledger.ask(command::<Account>("b", deposit(100))));
        done(ledger.ask(command::<Account>("a", transfer("a", 3))));
        for _ in 0..round {
            ledger.submit(command::<Account>("a", transfer("b", 1)));
            ledger.submit(command::<Account>("b", transfer("a", 1)));
        }
        ledger.run();
    }
    (ledger, Number::new(opened.position.get()))
}

#[test]
fn a_walk_stops_anywhere_and_goes_on_from_there() {
    let (ledger, number) = busy();
    let log = ledger.log();
    histories_are_the_log(log);
    let mut all = scanned(&log.frames()).remove(&number).expect("the account");
    all.reverse();
    for limit in 1..all.len() {
        let (mut walked, mut version) = (Vec::new(), all[0].position);
        while version > Position::ZERO {
            let mut walk = History::new(log, number, version);
            let before = walked.len();
            walked.extend(walk.by_ref().take(limit).map(|knot| knot.expect("a sound log")));
            // The two parts of one event come together.
            while walk.version() == walked[walked.len() - 1].position {
                walked.extend(walk.next().map(|knot| knot.expect("a sound log")));
            }
            assert!(walked.len() - before <= limit + 1);
            version = walk.version();
        }
        assert_eq!(walked, all, "pieces of {limit}");
    }
}

#[test]
fn a_walk_says_where_history_begins_later() {
    let (ledger, number) = busy();
    let mut all = scanned(&ledger.log().frames()).remove(&number).expect("the account");
    all.reverse();
    let mut log = ledger.log().reopen();
    let first = log.trim(all[all.len() / 2].position).expect("a log in memory");
    assert!(first > Position::new(number.get()));
    let walked: Vec<_> = History::new(&log, number, all[0].position).collect();
    let (last, kept) = walked.split_last().expect("at least one step");
    assert_eq!(*last, Err(HistoryError::Log(LogError::Trimmed(first))));
    let kept: Vec<Knot> = kept.iter().map(|knot| knot.clone().expect("a sound log")).collect();
    let wanted: Vec<Knot> = all.into_iter().take_while(|knot| knot.position >= first).collect();
    assert_eq!(kept, wanted);
}

#[test]
fn a_version_of_another_stream_is_none_of_this_one() {
    let (ledger, number) = busy();
    let log = ledger.log();
    let (_, next) = log.bounds();
    let versions: Vec<_> =
        scanned(&log.frames())[&number].iter().map(|knot| knot.position).collect();
    for at in 1..=next.get() {
        let at = Position::new(at);
        let first = History::new(log, number, at).next().expect("a knot or an error");
        if versions.contains(&at) {
            assert_eq!(first.map(|knot| knot.position), Ok(at));
        } else {
            assert_eq!(first, Err(HistoryError::NotThere { number, at }));
        }
    }
    let mut nothing = History::new(log, number, Position::ZERO);
    assert_eq!(nothing.next(), None);
}

/// Frames whose every link was bent, one at a time: the walk does not come to its end. One
/// that is bent to an older version of the same stream is for the checksums of frames to find.
#[test]
fn a_bent_link_is_found() {
    let (ledger, number) = busy();
    let frames = ledger.log().frames();
    let all = scanned(&frames).remove(&number).expect("the account");
    let newest = all[all.len() - 1].position;
    let mut bent = 0;
    for frame in &frames {
        for entry in Entries::new(&frame.bytes, frame.first) {
            for part in entry.expect("a readable entry").parts {
                if part.head.number != number || part.head.created.is_some() {
                    continue;
                }
                // `previous u64 │ payload`: what is right before the payload.
                let payload = part.payload.as_ptr().addr() - frame.bytes.as_ptr().addr();
                let is_version = |at: u64| all.iter().any(|knot| knot.position.get() == at);
                let bends = [1_u8, 2, 4, 0x80].into_iter();
                let previous = part.head.previous.get();
                for by in bends.filter(|by| !is_version(previous ^ u64::from(*by))) {
                    let mut frame = frame.clone();
                    frame.bytes[payload - 8] ^= by;
                    let log = log_of(frames_with(&frames, &frame));
                    let walked: Vec<_> = History::new(&log, number, newest).collect();
                    let last = walked.last().expect("at least one step");
                    assert!(last.is_err(), "{} bent by {by}", part.head.position);
                    bent += 1;
                }
            }
        }
    }
    assert!(bent > 40, "{bent} links were bent");
    let mut torn = frames.clone();
    let frame = torn.last_mut().expect("frames");
    frame.bytes.truncate(frame.bytes.len() - 8);
    let at = frame.last();
    let walked: Vec<_> = History::new(&log_of(torn), number, at).collect();
    assert_eq!(walked, [Err(HistoryError::Entry { at, why: Corrupt::Short })]);
}

fn frames_with(frames: &[Frame], bent: &Frame) -> Vec<Frame> {
    let put = |frame: &Frame| if frame.first == bent.first { bent.clone() } else { frame.clone() };
    frames.iter().filter(|frame| frame.events > 0).map(put).collect()
}

/// A log that holds these frames.
pub(crate) fn log_of(frames: Vec<Frame>) -> MemoryLog {
    let mut log = MemoryLog::new(Settle::AtOnce);
    let epoch = log.take_epoch().expect("an epoch");
    for frame in frames {
        log.append(Frame { epoch, ..frame }).expect("frames that follow each other");
        log.finish().expect("it ends at once");
    }
    log
}
