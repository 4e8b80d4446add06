//! The segments of the log, and the frames of one of them.

use quipu_disk::RealDisk;
use quipu_log_file::{ClosedLog, FrameFacts, SegmentState};
use serde_json::{Value, json};

use super::Look;
use crate::terminal::{Table, Trouble, count, hex, print, print_json, size};

pub(super) fn list(look: &Look<'_>) -> Result<(), Trouble> {
    let segments = files(look)?.segments().map_err(|error| look.inside(error))?;
    if look.json {
        let segments = segments.iter().map(|segment| {
            json!({
                "number": segment.number,
                "file": segment.path.display().to_string(),
                "state": name(segment.state),
                "first": segment.positions.map(|(first, _)| first.get()),
                "last": segment.positions.map(|(_, last)| last.get()),
                "bytes": segment.bytes,
                "epoch": segment.epoch.get(),
            })
        });
        return print_json(&segments.collect());
    }
    let titles = ["SEGMENT", "STATE", "FIRST", "LAST", "SIZE", "EPOCH", "FILE"];
    let mut table = Table::new(&titles, &[0, 2, 3, 4, 5]);
    for segment in &segments {
        let (first, last) = match segment.positions {
            Some((first, last)) => (count(first.get()), count(last.get())),
            None => ("-".to_owned(), "-".to_owned()),
        };
        table.row(vec![
            segment.number.to_string(),
            name(segment.state).to_owned(),
            first,
            last,
            size(segment.bytes),
            segment.epoch.to_string(),
            segment.path.display().to_string(),
        ]);
    }
    print(&table.text())
}

pub(super) fn frames(look: &Look<'_>, number: u64) -> Result<(), Trouble> {
    let mut frames = Vec::new();
    let walked = files(look)?.frames(number, &mut |facts| {
        frames.push(facts);
        true
    });
    if !walked.map_err(|error| look.inside(error))? {
        return Err(look
            .refused(format!("there is no segment {number}; `quipu inspect segment` lists all")));
    }
    if look.json {
        return print_json(&frames.iter().map(json_of).collect());
    }
    let titles = ["FRAME", "BYTE", "SIZE", "FIRST", "EVENTS", "EPOCH", "MADE"];
    let mut table = Table::new(&titles, &[0, 1, 2, 3, 4, 5]);
    for frame in &frames {
        table.row(vec![
            frame.number.to_string(),
            count(frame.offset),
            size(frame.bytes),
            count(frame.first.get()),
            count(frame.events),
            frame.epoch.to_string(),
            frame.now.to_string(),
        ]);
    }
    print(&table.text())
}

fn json_of(frame: &FrameFacts) -> Value {
    json!({
        "number": frame.number,
        "offset": frame.offset,
        "bytes": frame.bytes,
        "first": frame.first.get(),
        "events": frame.events,
        "epoch": frame.epoch.get(),
        "made_at": frame.now.to_string(),
        "now_limit": frame.now_limit.to_string(),
        "hash_before": hex(&frame.link),
    })
}

fn files<'a>(look: &'a Look<'_>) -> Result<&'a ClosedLog<RealDisk>, Trouble> {
    let none = || look.refused("the log of this ledger is one file of redb and has no segments");
    look.closed.files().ok_or_else(none)
}

fn name(state: SegmentState) -> &'static str {
    match state {
        SegmentState::Sealed => "sealed",
        SegmentState::Open => "open",
        SegmentState::Ahead => "ahead",
    }
}
