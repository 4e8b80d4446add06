//! Looking ahead is a hint: a shard does the same with it as without, whatever it is shown.

use super::say::*;
use quipu_core::batch::MemoryRing;
use quipu_core::commit::Published;
use quipu_core::machine::Machine;
use quipu_core::machines::account::Account;
use quipu_core::machines::registry;
use quipu_core::machines::ticket::Ticket;
use quipu_core::shard::{Ask, CallId, Config, Effect, LOOK_AHEAD, Leg, Options, Shard, Sweep};
use quipu_core::words::{Book, Id, Kind, Name, Position, Timestamp};

#[test]
fn a_shard_does_the_same_whether_or_not_it_looks_ahead() {
    let asks = asks();
    let (plain, ahead) = (run(&asks, false), run(&asks, true));
    assert_eq!(plain.1.bytes, ahead.1.bytes, "the same entries");
    assert_eq!(format!("{:?}", plain.0), format!("{:?}", ahead.0), "the same effects");
    assert_eq!(plain.2, ahead.2, "as much in memory");
    let accepted = ahead.1.entries.len();
    assert!(accepted > 100, "{accepted} of {} asks did something", asks.len());
}

#[test]
fn what_is_shown_need_not_make_sense() {
    let shard = Shard::new(Config::new(0, 2), &registry(), Published::default());
    let command = command::<Ticket>("t", claim("ann"));
    let Ask::Command(Leg { command, .. }, _) = command else { unreachable!("one command") };
    for kind in [Kind::new(0), Kind::new(200), Kind::new(255), <Account as Machine>::KIND] {
        let stream = Name::new(Book::DEFAULT, kind, Id::new("t").expect("a sound id"));
        let leg = Leg { stream, command: command.clone(), options: Options::default() };
        let many = vec![leg.clone(); 3 * LOOK_AHEAD];
        let asks = [Ask::Command(leg, None), Ask::Transaction(many, None)];
        shard.look_ahead(&asks);
    }
    shard.look_ahead(&[]);
    assert_eq!(shard.streams_resident(), 0);
}

type Done = (Vec<Effect>, quipu_core::batch::Batch, [usize; 2]);

fn run(asks: &[Ask], ahead: bool) -> Done {
    let mut shard = Shard::new(Config::new(0, 1), &registry(), Published::default());
    shard.noted_all();
    let mut ring = MemoryRing::new(Position::new(1), 1 << 20, 1 << 30);
    let (mut out, now) = (Vec::new(), Timestamp::from_ms(1_800_000_000_000));
    for (group, asks) in asks.chunks(LOOK_AHEAD).enumerate() {
        if ahead {
            shard.look_ahead(asks);
        }
        for (index, ask) in asks.iter().enumerate() {
            let call = CallId((group * LOOK_AHEAD + index) as u64);
            shard.submit(call, ask.clone(), now, &mut ring, &mut out);
        }
    }
    let batch = shard.take_batch();
    let watermark = Position::new(ring.next().get() - 1);
    shard.publish(Published { watermark, now_limit: Timestamp::NEVER }, &mut out);
    let memory = [shard.streams_resident(), shard.memory()];
    (out, batch, memory)
}

fn asks() -> Vec<Ask> {
    let mut asks = Vec::new();
    for index in 0..100 {
        let (ticket, account) = (format!("t{index}"), format!("a{index}"));
        asks.push(command::<Ticket>(&ticket, issue()));
        asks.push(command::<Account>(&account, open()));
        asks.push(command::<Account>(&account, deposit(10)));
        asks.push(command::<Ticket>(&ticket, claim("ann")));
        asks.push(command::<Ticket>(&ticket, claim("bob")));
        asks.push(keyed::<Account>("key", &account, deposit(1)));
        asks.push(command::<Account>("a0", transfer(&account, 1)));
    }
    asks.push(Ask::Sweep(Sweep::default()));
    asks
}
