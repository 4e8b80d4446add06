//! What came of runs, for people and for programs.

use std::fmt::Write as _;
use std::time::Duration;

use quipu_sim::world::{Breach, End, Site, Tally};
use serde_json::{Value, json};

use super::many::Found;

/// A line while it goes on.
pub(super) fn progress(found: &Found) -> String {
    let Tally { seeds, operations, .. } = &found.tally;
    let crashes = found.tally.crashes();
    let breaches = found.breaches.len();
    format!("{seeds} seeds, {crashes} crashes, {operations} operations, {breaches} breaches")
}

/// One run in a line.
pub(super) fn in_short(tally: &Tally) -> String {
    let Tally { power, asks, operations, refused, steps, events, micros, .. } = tally;
    let crashes = tally.crashes();
    let seconds = micros / 1_000_000;
    format!(
        "{seconds} s of virtual time, {crashes} crashes ({power} by power loss), {asks} asks, {operations} \
         answers ({refused} refusals), {steps} steps, {events} events"
    )
}

/// All runs.
pub(super) fn table(found: &Found, missing: &[Site], lasted: Duration) -> String {
    let tally = &found.tally;
    let mut out = String::new();
    for (name, count) in rows(found) {
        let _ = writeln!(out, "{name:<44}{:>16}", grouped(count));
    }
    let _ = writeln!(out, "{:<44}{:>15.1} s", "lasted", lasted.as_secs_f64());
    let _ = writeln!(out, "\nsites");
    for (site, count) in tally.sites.each() {
        let _ = writeln!(out, "  {:<42}{:>16}", site.name(), grouped(count));
    }
    for (seed, breach) in &found.breaches {
        let _ = writeln!(out, "\nseed {seed}: {}\n  {}", short(breach), replay(*seed));
    }
    if !missing.is_empty() {
        let names: Vec<_> = missing.iter().map(|site| site.name()).collect();
        let _ = writeln!(out, "\nnever met: {}", names.join(", "));
    }
    out
}

/// All runs as a JSON object.
pub(super) fn json_of_many(found: &Found, missing: &[Site], lasted: Duration) -> Value {
    let counts: serde_json::Map<_, _> = rows(found)
        .into_iter()
        .map(|(name, count)| (name.replace(' ', "_"), count.into()))
        .collect();
    let sites: serde_json::Map<_, _> = sites_of(&found.tally);
    let breaches: Vec<_> = found
        .breaches
        .iter()
        .map(|(seed, breach)| {
            json!({
                "seed": seed, "check": breach.check, "what": breach.what, "replay": replay(*seed),
            })
        })
        .collect();
    let missing: Vec<_> = missing.iter().map(|site| site.name()).collect();
    json!({
        "counts": counts,
        "seconds": lasted.as_secs_f64(),
        "sites": sites,
        "never_met": missing,
        "breaches": breaches,
    })
}

/// One run as a JSON object.
pub(super) fn json_of_one(seed: u64, end: &End, is_same: bool) -> Value {
    let breach = end.breach.as_ref();
    json!({
        "seed": seed,
        "hash": format!("{:016x}", end.hash),
        "is_deterministic": is_same,
        "crashes": end.tally.crashes(),
        "operations": end.tally.operations,
        "sites": sites_of(&end.tally),
        "breach": breach.map(|breach| json!({ "check": breach.check, "what": breach.what })),
    })
}

fn sites_of(tally: &Tally) -> serde_json::Map<String, Value> {
    tally.sites.each().map(|(site, count)| (site.name().to_owned(), count.into())).collect()
}

fn rows(found: &Found) -> Vec<(&'static str, u64)> {
    let tally = &found.tally;
    let per_second = tally.operations as f64 / found.busy.as_secs_f64().max(f64::EPSILON);
    vec![
        ("seeds", tally.seeds),
        ("run twice with one hash", found.twice),
        ("crash and recover cycles", tally.crashes()),
        ("of them by power loss", tally.power),
        ("openings checked", tally.openings),
        ("asks", tally.asks),
        ("operations held against the log", tally.operations),
        ("of them refusals", tally.refused),
        ("neither yes nor no", tally.failed),
        ("lost with their process", tally.lost),
        ("placed by witness in all checks", tally.audited.witnessed),
        ("given an order by search", tally.audited.searched),
        ("not searched", tally.audited.skipped),
        ("durable prefixes summed up in all checks", tally.audited.prefixes),
        ("steps of the engine", tally.steps),
        ("seconds of virtual time", tally.micros / 1_000_000),
        ("operations per second and core", per_second as u64),
        ("breaches", found.breaches.len() as u64),
    ]
}

fn replay(seed: u64) -> String {
    format!("cargo run --release -p quipu-sim -- --seed {seed}")
}

/// A breach in a few lines: what contradicts what can be long.
fn short(breach: &Breach) -> String {
    let text = breach.to_string();
    match text.char_indices().nth(1_200) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn long_numbers_are_grouped_by_three() {
        let shown = [0, 999, 1_000, 12_345_678].map(grouped);
        assert_eq!(shown, ["0", "999", "1,000", "12,345,678"]);
    }
}
