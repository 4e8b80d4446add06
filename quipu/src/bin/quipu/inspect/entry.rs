//! The entry that holds a position, and the frame that it lies in.

use quipu_core::records::{Entries, Entry, Part};
use quipu_core::words::Position;
use quipu_log_file::FrameFacts;
use serde_json::{Value, json};

use super::{Look, kind_name, shown, unreadable};
use crate::terminal::{Facts, Table, Trouble, count, hex, print, print_json, size};

pub(super) fn show(look: &Look<'_>, at: Position) -> Result<(), Trouble> {
    let log = look.closed.log();
    let (first, next) = log.bounds();
    if at < first || at >= next {
        let last = next.get() - 1;
        let kept = format!("this ledger keeps positions {first} to {last}");
        return Err(look.refused(format!("there is no position {at}: {kept}")));
    }
    let frame = log.read(at).map_err(|error| look.inside(error))?;
    let Some(frame) = frame else {
        return Err(unreadable(look, at, "the log goes on, but it is not there"));
    };
    let before = log.anchor_before(at).map_err(|error| look.inside(error))?;
    let mut found = None;
    for entry in Entries::new(&frame.bytes, frame.first) {
        let entry = entry.map_err(|why| unreadable(look, at, why))?;
        if at.get() < entry.first.get() + u64::from(entry.events) {
            found = Some(entry);
            break;
        }
    }
    let Some(entry) = found else {
        return Err(unreadable(look, at, "no entry of the frame takes the position"));
    };
    let events = entry.parts.iter().map(|part| event(look, part)).collect::<Result<Vec<_>, _>>()?;
    let place = place(look, at)?;
    let last = entry.first.get() + u64::from(entry.events) - 1;
    if look.json {
        return print_json(&json!({
            "first": entry.first.get(),
            "last": last,
            "at": entry.now.to_string(),
            "has_key": entry.note.is_some(),
            "events": events,
            "frame": {
                "first": frame.first.get(),
                "last": frame.last().get(),
                "epoch": frame.epoch.get(),
                "bytes": frame.bytes.len(),
                "made_at": frame.now.to_string(),
                "now_limit": frame.now_limit.to_string(),
                "hash_before": hex(&before.hash),
                "segment": place.as_ref().map(|(segment, _)| segment),
                "offset": place.as_ref().map(|(_, facts)| facts.offset),
            },
        }));
    }
    print(&text(&entry, &events))?;
    let mut facts = Facts::default();
    facts.add("frame", span(frame.first, frame.last()));
    if let Some((segment, FrameFacts { offset, .. })) = &place {
        facts.add("place", format!("segment {segment} at byte {}", count(*offset)));
    }
    facts.add("payload", size(frame.bytes.len() as u64)).add("epoch", frame.epoch);
    facts.add("made", frame.now).add("hash before it", hex(&before.hash));
    print(&format!("\n{}", facts.text()))
}

fn text(entry: &Entry<'_>, events: &[Value]) -> String {
    let mut facts = Facts::default();
    let last = Position::new(entry.first.get() + u64::from(entry.events) - 1);
    facts.add("entry", span(entry.first, last)).add("decided", entry.now);
    facts.add("idempotency key", if entry.note.is_some() { "kept with it" } else { "none" });
    let mut table = Table::new(&["POSITION", "STREAM", "EVENT", "DATA"], &[0]);
    for event in events {
        let word = |name: &str| event[name].as_str().unwrap_or_default();
        let stream = match event["stream"].as_str() {
            Some(id) => format!("{} {id}", word("kind")),
            None => format!("{} number {}", word("kind"), event["number"]),
        };
        let data = event["data"].as_object().map(shown::line).unwrap_or_default();
        table.row(vec![event["position"].to_string(), stream, word("type").to_owned(), data]);
    }
    let events = if events.is_empty() { "nothing happened\n".into() } else { table.text() };
    format!("{}\n{events}", facts.text())
}

fn span(first: Position, last: Position) -> String {
    if first == last { format!("position {first}") } else { format!("positions {first} to {last}") }
}

fn event(look: &Look<'_>, part: &Part<'_>) -> Result<Value, Trouble> {
    let head = &part.head;
    let shown = shown::event(head.kind, head.tag, part.payload);
    let (what, data) = shown.map_err(|why| unreadable(look, head.position, why))?;
    let name = look.name(head.number)?;
    let book = name.as_ref().map(|name| look.book(name.book)).transpose()?.flatten();
    Ok(json!({
        "position": head.position.get(),
        "kind": kind_name(head.kind),
        "stream": name.as_ref().map(|name| name.id.as_str()),
        "book": book.as_ref().map(|book| book.as_str()),
        "number": head.number.get(),
        "previous": head.previous.get(),
        "type": what,
        "data": data,
    }))
}

/// The segment that holds a position and the frame in it, where the log is in files.
fn place(look: &Look<'_>, at: Position) -> Result<Option<(u64, FrameFacts)>, Trouble> {
    let Some(files) = look.closed.files() else { return Ok(None) };
    let Some(segment) = files.segment_of(at) else { return Ok(None) };
    let mut found = None;
    let walked = files.frames(segment, &mut |facts| {
        let is_it = at >= facts.first && at < facts.first.plus(facts.events);
        found = is_it.then_some(facts);
        !is_it
    });
    walked.map_err(|error| look.inside(error))?;
    Ok(found.map(|facts| (segment, facts)))
}
