//! Every planted bug, and what finds it.

use std::fmt::Write as _;
use std::process::ExitCode;

use quipu_sim::mutants::{Fate, Mutant, Report, Settings, Without, run as hunt};
use serde_json::{Value, json};

use super::Arguments;

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    // What finds a bug may be a panic, and many do.
    std::panic::set_hook(Box::new(|_| {}));
    let report = hunt(&Settings::ci(arguments.threads()), Mutant::ALL, &mut |fate| {
        if !arguments.json {
            eprintln!("{}", line(fate));
        }
    });
    if arguments.json {
        println!("{:#}", as_json(&report));
    } else {
        print!("{}", table(&report));
    }
    if report.alive().next().is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What found a bug, after how much, and what does without that.
fn line(fate: &Fate) -> String {
    let Some(kill) = &fate.kill else {
        return format!("{:<24}lives", format!("{:?}", fate.mutant));
    };
    let after = format!("{} {}", kill.after, fate.ground.unit());
    let without = match &fate.without {
        Without::NotAsked => String::new(),
        Without::Found(kill) => format!("{}, {}", kill.by, kill.after),
        Without::Lives => "lives".to_owned(),
    };
    let line = format!("{:<24}{:<18}{after:>14}  {without}", format!("{:?}", fate.mutant), kill.by);
    line.trim_end().to_owned()
}

fn table(report: &Report) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{:<24}{:<18}{:>14}  without that check", "mutant", "found by", "after");
    for fate in &report.fates {
        let _ = writeln!(out, "{}", line(fate));
    }
    let _ = writeln!(out);
    let _ = writeln!(out, "{:<24}{:>6}  lives without it", "check", "finds");
    for (check, found, needs) in report.by_check() {
        let needs: Vec<_> = needs.iter().map(|mutant| format!("{mutant:?}")).collect();
        let needs = if needs.is_empty() { "none".to_owned() } else { needs.join(", ") };
        let _ = writeln!(out, "{:<24}{:>6}  {needs}", check.as_str(), found.len());
    }
    let (all, alive) = (report.fates.len(), report.alive().count());
    let seconds = report.took.as_secs_f64();
    let _ = writeln!(out, "\n{all} mutants, {alive} live, {seconds:.1} s");
    out
}

fn as_json(report: &Report) -> Value {
    let kill = |kill: &quipu_sim::mutants::Kill| json!({ "by": kill.by, "after": kill.after, "what": kill.what });
    let fates: Vec<_> = report
        .fates
        .iter()
        .map(|fate| {
            json!({
                "mutant": format!("{:?}", fate.mutant),
                "bug": fate.mutant.bug().trim(),
                "found": fate.kill.as_ref().map(kill),
                "unit": fate.ground.unit(),
                "without": match &fate.without {
                    Without::NotAsked => Value::Null,
                    Without::Found(found) => kill(found),
                    Without::Lives => "lives".into(),
                },
            })
        })
        .collect();
    let names = |mutants: &[Mutant]| -> Vec<String> {
        mutants.iter().map(|mutant| format!("{mutant:?}")).collect()
    };
    let checks: serde_json::Map<_, _> = report
        .by_check()
        .iter()
        .map(|(check, found, needs)| {
            let row = json!({ "finds": names(found), "lives_without": names(needs) });
            (check.as_str().to_owned(), row)
        })
        .collect();
    json!({
        "mutants": fates,
        "checks": checks,
        "alive": report.alive().count(),
        "seconds": report.took.as_secs_f64(),
    })
}
