//! Single bits that are turned over, or one of them again.

use std::process::ExitCode;

use quipu_sim::flips::{Counts, Flip, Report, Settings, replay, run as flip};
use serde_json::{Value, json};

use super::progress::Progress;
use super::{Arguments, conclude};

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    match &arguments.flip {
        Some(flip) => again(flip, arguments.json),
        None => many(arguments),
    }
}

fn again(flip: &Flip, is_json: bool) -> ExitCode {
    let fate = |fate: &String| format!("{flip}: {fate}");
    conclude(is_json, replay(flip), fate, |fate| json!({ "flip": flip.to_string(), "fate": fate }))
}

fn many(arguments: &Arguments) -> ExitCode {
    let threads = arguments.threads();
    let settings = if arguments.soak { Settings::soak(threads) } else { Settings::ci(threads) };
    let mut progress = Progress::new();
    let flipped = flip(&settings, &mut |report| {
        progress.say(|| format!("{} of {} bits", report.flips(), settings.flips));
    });
    conclude(arguments.json, flipped, Report::to_string, |report| {
        let kinds: serde_json::Map<String, Value> = report
            .kinds
            .iter()
            .map(|(kind, counts)| {
                let Counts { at_opening, at_reading, rebuilt, harmless } = counts;
                let counts = json!({
                    "at_opening": at_opening, "at_reading": at_reading,
                    "rebuilt": rebuilt, "harmless": harmless,
                });
                (kind.to_string(), counts)
            })
            .collect();
        json!({ "flips": report.flips(), "kinds": kinds, "seconds": report.took.as_secs_f64() })
    })
}
