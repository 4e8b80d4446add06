//! Every small workload, crashed everywhere, or one crash again.

use std::process::ExitCode;

use quipu_sim::exhaustive::{Case, Report, Settings, replay, run as explore};
use serde_json::json;

use super::progress::Progress;
use super::{Arguments, conclude};

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    match &arguments.case {
        Some(case) => again(case, arguments.json),
        None => all(arguments),
    }
}

fn again(case: &Case, is_json: bool) -> ExitCode {
    let sound = |_: &()| format!("{case}: sound");
    conclude(is_json, replay(case), sound, |()| json!({ "case": case.to_string() }))
}

fn all(arguments: &Arguments) -> ExitCode {
    let threads = arguments.threads();
    let settings = if arguments.soak { Settings::soak(threads) } else { Settings::ci(threads) };
    let mut progress = Progress::new();
    let explored = explore(&settings, &mut |report| {
        progress.say(|| {
            let Report { workloads, counts, .. } = report;
            let (crashes, again) = (counts.crashes, counts.crashes_again);
            format!("{workloads} workloads, {crashes} crash points, {again} recovery points")
        });
    });
    conclude(arguments.json, explored, Report::to_string, |report| {
        let Report { workloads, counts, took } = report;
        json!({
            "workloads": workloads,
            "crash_points": counts.crashes,
            "images": counts.images,
            "different_images": counts.different,
            "recovery_points": counts.crashes_again,
            "recovery_images": counts.images_again,
            "different_recovery_images": counts.different_again,
            "seconds": took.as_secs_f64(),
        })
    })
}
