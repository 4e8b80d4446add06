//! Bits that flip: what is told of each, by what they belong to.

use quipu_sim::flips::ground::Kind;
use quipu_sim::flips::{Flip, Settings, replay, run};

#[test]
fn no_bit_that_an_answer_rests_on_flips_unseen() {
    let settings = Settings { flips: 1_500, seed: 7, threads: 2 };
    let report = run(&settings, &mut |_| {}).unwrap_or_else(|failure| panic!("{failure}"));
    println!("{report}");
    assert_eq!(report.flips(), settings.flips);
    assert_eq!(report.kinds.len(), 11, "{report}");
    for (kind, counts) in &report.kinds {
        let found = counts.at_opening + counts.at_reading + counts.rebuilt;
        match kind {
            // A footer is a hint, whose loss costs a look at the frames.
            Kind::Padding | Kind::Free | Kind::Footer => assert_eq!(found, 0, "{report}"),
            _ => assert_eq!(counts.harmless, 0, "{kind}: {report}"),
        }
        assert_eq!(counts.rebuilt > 0, *kind == Kind::Store, "{report}");
    }
}

#[test]
fn one_bit_can_be_looked_at_again() {
    let replay = |flip: &str| replay(&flip.parse::<Flip>().expect("a flip"));
    assert_eq!(replay("files/LEDGER:17:3"), Ok("manifest: AtOpening".to_owned()));
    assert_eq!(replay("redb/log/log.redb:8200:0"), Ok("log in redb: AtOpening".to_owned()));
    assert_eq!(replay("backup/a.backup:600:5"), Ok("backup: AtOpening".to_owned()));
    let failure = replay("files/LEDGER:512:0").expect_err("the file has no such byte");
    assert!(failure.to_string().contains("--flips --flip files/LEDGER:512:0"), "{failure}");
}
