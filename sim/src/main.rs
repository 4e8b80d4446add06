//! The simulator.
fn main() {
    let mut total = quipu_sim::world::Tally::default();
    let args: Vec<u64> = std::env::args().skip(1).map(|a| a.parse().unwrap_or(0)).collect();
    let t = std::time::Instant::now();
    if args.len() == 1 {
        let end = quipu_sim::world::run(
            args[0],
            &quipu_sim::world::market,
            Some(&mut |line: &str| println!("{line}")),
        );
        println!("{end:#?}");
        return;
    }
    for seed in args[0]..args[0] + args[1] {
        let end = quipu_sim::world::run(seed, &quipu_sim::world::market, None);
        total.merge(&end.tally);
        if let Some(breach) = end.breach {
            println!("seed {seed}: {}", &format!("{breach}").chars().take(600).collect::<String>());
        }
    }
    for (site, count) in total.sites.each() {
        println!("{:<26} {count}", site.name());
    }
    total.sites = Default::default();
    println!("{total:?} {:?}", t.elapsed());
}
