//! An order of each stream, without a look at any version.

use quipu_core::machines::account::{self, Account};
use quipu_core::machines::drop::{self, Drop};
use quipu_core::machines::record::Record;
use quipu_core::machines::ticket::{self, Ticket};
use quipu_core::shard::{Leg, Reply};
use quipu_core::words::{Code, Fact, Signed};
use quipu_sim::Random;
use quipu_sim::audit::{Breach, Check};

use super::story::*;

fn opens(story: &mut Story, who: &str) -> Result<(), Breach> {
    story.asks(ask::<Account>(who, open(), "Opened"), done(1))
}

fn pays(story: &mut Story, who: &str, amount: u64) -> Result<(), Breach> {
    story.asks(ask::<Account>(who, deposit(amount), "Deposited"), done(2))
}

fn reads(story: &mut Story, who: &str, balance: i64, held: u64) -> Result<(), Breach> {
    story.asks(read::<Account>(who), stands::<Account>(9, &account_with(balance, held)))
}

fn short(available: i64) -> Reply {
    refused(9, Code::InsufficientFunds, Fact::Available(Signed::from(available)))
}

/// Its version is that of the claim, and the log has just that claim, so nothing contradicts the
/// witness. But the claim is another's: nobody was ever told yes in any order.
#[test]
fn a_witness_that_lies_is_found() {
    let tell = |story: &mut Story, who: &str, is_searched: bool| {
        story.event(&name::<Ticket>("t"), issued());
        story.event(&name::<Ticket>("t"), claimed("ann"));
        story.asks(ask::<Ticket>("t", issue(), "Issued"), done(1))?;
        story.asks(ask::<Ticket>("t", claim("ann"), "Claimed"), done(2))?;
        let already = stands::<Ticket>(2, &ticket_of(Some("ann")));
        story.asks(ask::<Ticket>("t", claim(who), "Claimed"), already)?;
        story.checks()?;
        if is_searched { story.audit.search() } else { Ok(()) }
    };
    let counts = accepted(|story| tell(story, "ann", true));
    assert_eq!((counts.searched, counts.streams_searched), (3, 1));
    accepted(|story| tell(story, "bo", false));
    rejected(Check::Linearizability, |story| tell(story, "bo", true));
}

#[test]
fn a_read_is_as_old_as_its_ask_at_most() {
    let tell = |story: &mut Story, is_later: bool| {
        opens(story, "a")?;
        let early = story.sends(read::<Account>("a"));
        pays(story, "a", 5)?;
        if is_later {
            reads(story, "a", 0, 0)?;
        } else {
            story.hears(early, stands::<Account>(9, &account_with(0, 0)))?;
        }
        story.audit.search()
    };
    accepted(|story| tell(story, false));
    rejected(Check::Linearizability, |story| tell(story, true));
}

#[test]
fn what_there_is_once_is_spent_once() {
    let tell = |story: &mut Story, amount: u64| {
        opens(story, "a")?;
        pays(story, "a", 10)?;
        let pay = || ask::<Account>("a", charge(amount), "Charged");
        let (first, second) = (story.sends(pay()), story.sends(pay()));
        story.hears(first, done(3))?;
        story.hears(second, done(4))?;
        story.audit.search()
    };
    accepted(|story| tell(story, 5));
    rejected(Check::Linearizability, |story| tell(story, 6));
}

#[test]
fn a_refusal_has_its_place_in_the_order() {
    let tell = |story: &mut Story, available: i64| {
        opens(story, "a")?;
        let charge = story.sends(ask::<Account>("a", charge(8), "Charged"));
        pays(story, "a", 3)?;
        pays(story, "a", 4)?;
        pays(story, "a", 5)?;
        story.hears(charge, short(available))?;
        story.audit.search()
    };
    accepted(|story| tell(story, 3));
    accepted(|story| tell(story, 7));
    // After the second there was 7, after the third enough.
    rejected(Check::Linearizability, |story| tell(story, 4));
    rejected(Check::Linearizability, |story| tell(story, 12));
}

#[test]
fn a_balance_behind_an_event_tells_its_place() {
    let tell = |story: &mut Story, first: i64, second: i64| {
        opens(story, "a")?;
        let pay = |amount| ask::<Account>("a", deposit(amount), "Deposited");
        let (two, three) = (story.sends(pay(2)), story.sends(pay(3)));
        story.hears(two, done_with::<Account>(2, &deposited(2, first)))?;
        story.hears(three, done_with::<Account>(3, &deposited(3, second)))?;
        story.audit.search()
    };
    accepted(|story| tell(story, 2, 5));
    accepted(|story| tell(story, 5, 3));
    rejected(Check::Linearizability, |story| tell(story, 2, 3));
}

#[test]
fn what_nobody_was_told_happens_once_or_not_at_all() {
    let tell = |story: &mut Story, shown: &[i64]| {
        opens(story, "a")?;
        let call = story.sends(ask::<Account>("a", deposit(5), "Deposited"));
        story.audit.gone(call);
        for balance in shown {
            reads(story, "a", *balance, 0)?;
        }
        story.audit.search()
    };
    accepted(|story| tell(story, &[0, 0]));
    accepted(|story| tell(story, &[0, 5]));
    rejected(Check::Linearizability, |story| tell(story, &[5, 0]));
    rejected(Check::Linearizability, |story| tell(story, &[5, 10]));
}

#[test]
fn what_a_crash_has_lost_does_not_come_back() {
    let tell = |story: &mut Story, shown: [i64; 2]| {
        opens(story, "a")?;
        story.sends(ask::<Account>("a", deposit(5), "Deposited"));
        story.audit.crashed();
        reads(story, "a", shown[0], 0)?;
        reads(story, "a", shown[1], 0)?;
        story.audit.search()
    };
    accepted(|story| tell(story, [0, 0]));
    accepted(|story| tell(story, [5, 5]));
    rejected(Check::Linearizability, |story| tell(story, [0, 5]));
}

/// Whatever fits at once would do, were it not that a claim which a crash has swallowed can only
/// come before all that was asked behind the crash.
#[test]
fn what_a_crash_has_left_comes_before_all_that_was_asked_behind_it() {
    let tell = |story: &mut Story, is_crashed: bool, claimant: Option<&str>| {
        story.asks(ask::<Ticket>("t", issue(), "Issued"), done(1))?;
        let call = story.sends(ask::<Ticket>("t", claim("ann"), "Claimed"));
        if is_crashed {
            story.audit.crashed();
        } else {
            story.audit.gone(call);
        }
        let exists = refused(1, Code::AlreadyExists, Fact::First(at(1)));
        story.asks(ask::<Ticket>("t", issue(), "Issued"), exists)?;
        if claimant.is_none() {
            story.asks(read::<Ticket>("t"), stands::<Ticket>(1, &ticket_of(None)))?;
        }
        story.asks(read::<Ticket>("t"), stands::<Ticket>(2, &ticket_of(Some("ann"))))?;
        story.audit.search()
    };
    accepted(|story| tell(story, true, Some("ann")));
    accepted(|story| tell(story, false, None));
    rejected(Check::Linearizability, |story| tell(story, true, None));
}

#[test]
fn a_hold_sets_aside_and_ends_once() {
    let tell = |story: &mut Story, times: u64| {
        opens(story, "a")?;
        pays(story, "a", 10)?;
        story.asks(ask::<Account>("a", hold(4), "HoldPlaced"), done(3))?;
        reads(story, "a", 10, 4)?;
        story.asks(ask::<Account>("a", charge(7), "Charged"), short(6))?;
        for time in 0..times {
            story.asks(ask::<Account>("a", release(3), "HoldReleased"), done(4 + time))?;
        }
        let over = refused(9, Code::WrongState, Fact::None);
        story.asks(ask::<Account>("a", release(3), "HoldReleased"), over)?;
        reads(story, "a", 10, 0)?;
        story.audit.search()
    };
    accepted(|story| tell(story, 1));
    rejected(Check::Linearizability, |story| tell(story, 2));
}

#[test]
fn a_hold_that_only_a_repeat_has_told_can_be_released() {
    let tell = |story: &mut Story, told: u64| {
        opens(story, "a")?;
        pays(story, "a", 10)?;
        story.sends(keyed::<Account>("k", 0, "a", hold(4)));
        story.audit.crashed();
        let again = keyed::<Account>("k", 0, "a", hold(4));
        story.asks(again, replayed(done(told)))?;
        story.asks(ask::<Account>("a", release(3), "HoldReleased"), done(4))?;
        reads(story, "a", 10, 0)?;
        story.audit.search()
    };
    assert_eq!(accepted(|story| tell(story, 3)).streams_searched, 1);
    // Nobody was told the id that was named: it may be that of what was lost.
    assert_eq!(accepted(|story| tell(story, 7)).streams_skipped, 1);
}

#[test]
fn a_transfer_is_a_leg_on_each_of_its_streams() {
    let tell = |story: &mut Story, from: i64, to: i64| {
        opens(story, "a")?;
        opens(story, "b")?;
        pays(story, "a", 10)?;
        story.asks(ask::<Account>("a", transfer("b", 4), "Sent"), done(3))?;
        reads(story, "a", from, 0)?;
        reads(story, "b", to, 0)?;
        story.audit.search()
    };
    assert_eq!(accepted(|story| tell(story, 6, 4)).searched, 7);
    rejected(Check::Linearizability, |story| tell(story, 10, 4));
    rejected(Check::Linearizability, |story| tell(story, 6, 0));
}

#[test]
fn a_transaction_that_was_lost_may_have_happened() {
    let tell = |story: &mut Story, balance: i64, claimant: Option<&str>| {
        opens(story, "a")?;
        story.asks(ask::<Ticket>("t", issue(), "Issued"), done(2))?;
        let legs = vec![leg::<Account>("a", deposit(5)), leg::<Ticket>("t", claim("ann"))];
        story.sends(together(legs));
        story.audit.crashed();
        reads(story, "a", balance, 0)?;
        story.asks(read::<Ticket>("t"), stands::<Ticket>(9, &ticket_of(claimant)))?;
        story.audit.search()
    };
    accepted(|story| tell(story, 0, None));
    accepted(|story| tell(story, 5, Some("ann")));
    rejected(Check::Linearizability, |story| tell(story, 4, None));
    rejected(Check::Linearizability, |story| tell(story, 0, Some("bo")));
}

#[test]
fn a_lost_transaction_may_take_of_one_drop_twice() {
    let tell = |story: &mut Story, claims: u64| {
        story.asks(ask::<Drop>("d", create(9), "Created"), done(1))?;
        let legs = vec![leg::<Drop>("d", take("ann", 2)), leg::<Drop>("d", take("bo", 2))];
        story.sends(together(legs));
        story.audit.crashed();
        let shown = stands::<Drop>(9, &drop_with(9, 2 * claims, claims));
        story.asks(read::<Drop>("d"), shown)?;
        story.audit.search()
    };
    accepted(|story| tell(story, 0));
    accepted(|story| tell(story, 2));
    rejected(Check::Linearizability, |story| tell(story, 1));
}

#[test]
fn a_leg_of_a_lost_transaction_may_find_it_so_already() {
    let revoke = || ticket::Command::Revoke { reason: "because".to_owned() };
    let tell = |story: &mut Story, legs: Vec<Leg>| {
        story.asks(ask::<Ticket>("t", issue(), "Issued"), done(1))?;
        story.asks(ask::<Ticket>("t", claim("ann"), "Claimed"), done(2))?;
        story.sends(together(legs));
        story.audit.crashed();
        let revoked = refused(9, Code::Revoked, Fact::At(time(1_000)));
        story.asks(ask::<Ticket>("t", claim("bo"), "Claimed"), revoked)?;
        story.audit.search()
    };
    let again = || leg::<Ticket>("t", claim("ann"));
    let revokes = || leg::<Ticket>("t", revoke());
    accepted(|story| tell(story, vec![again(), revokes(), revokes()]));
    rejected(Check::Linearizability, |story| tell(story, vec![again()]));
    let other = || leg::<Ticket>("t", claim("cy"));
    rejected(Check::Linearizability, |story| tell(story, vec![other(), revokes()]));
}

#[test]
fn a_ticket_has_one_claimant() {
    let tell = |story: &mut Story, second: Reply| {
        story.asks(ask::<Ticket>("t", issue(), "Issued"), done(1))?;
        let ann = story.sends(ask::<Ticket>("t", claim("ann"), "Claimed"));
        let bo = story.sends(ask::<Ticket>("t", claim("bo"), "Claimed"));
        story.hears(bo, done(2))?;
        story.hears(ann, second)?;
        story.audit.search()
    };
    let taken = refused(2, Code::AlreadyClaimed, Fact::At(time(1_000)));
    accepted(|story| tell(story, taken.clone()));
    rejected(Check::Linearizability, |story| tell(story, done(3)));
    let revoked = refused(2, Code::Revoked, Fact::At(time(1_000)));
    rejected(Check::Linearizability, |story| tell(story, revoked.clone()));
}

#[test]
fn the_last_unit_is_taken_once() {
    let tell = |story: &mut Story, stock: u64| {
        story.asks(ask::<Drop>("d", create(stock), "Created"), done(1))?;
        let ann = story.sends(ask::<Drop>("d", take("ann", 2), "Claimed"));
        let bo = story.sends(ask::<Drop>("d", take("bo", 2), "Claimed"));
        story.hears(ann, done(2))?;
        story.hears(bo, done(3))?;
        let sold_out = refused(3, Code::SoldOut, Fact::Remaining(0));
        story.asks(ask::<Drop>("d", take("cy", 1), "Claimed"), sold_out)?;
        let shown = stands::<Drop>(3, &drop_with(stock, 4, 2));
        story.asks(read::<Drop>("d"), shown)?;
        story.audit.search()
    };
    accepted(|story| tell(story, 4));
    rejected(Check::Linearizability, |story| tell(story, 3));
    rejected(Check::Linearizability, |story| tell(story, 5));
}

#[test]
fn no_order_gives_more_units_than_there_are() {
    let tell = |story: &mut Story, stock: u64| {
        story.asks(ask::<Drop>("d", create(stock), "Created"), done(1))?;
        story.asks(ask::<Drop>("d", take("ann", 2), "Claimed"), done(2))?;
        story.asks(ask::<Drop>("d", take("bo", 2), "Claimed"), done(3))?;
        story.audit.search()
    };
    accepted(|story| tell(story, 4));
    rejected(Check::Linearizability, |story| tell(story, 3));
}

#[test]
fn no_order_gives_a_claimant_more_than_the_limit() {
    let tell = |story: &mut Story, limit: u32, left: u64| {
        let create = create_with(9, Some(limit), None);
        story.asks(ask::<Drop>("d", create, "Created"), done(1))?;
        story.asks(ask::<Drop>("d", take("ann", 2), "Claimed"), done(2))?;
        let at_limit = refused(2, Code::ClaimLimitReached, Fact::Remaining(left));
        story.asks(ask::<Drop>("d", take("ann", 2), "Claimed"), at_limit)?;
        story.asks(ask::<Drop>("d", take("bo", 2), "Claimed"), done(3))?;
        story.audit.search()
    };
    accepted(|story| tell(story, 3, 1));
    rejected(Check::Linearizability, |story| tell(story, 1, 1));
    rejected(Check::Linearizability, |story| tell(story, 3, 2));
}

#[test]
fn what_a_unit_costs_leaves_its_buyer_and_reaches_its_seller() {
    let tell = |story: &mut Story, [buyer, seller]: [i64; 2], is_released: bool| {
        opens(story, "a")?;
        opens(story, "b")?;
        pays(story, "a", 10)?;
        let create = create_with(9, None, Some((3, "b")));
        story.asks(ask::<Drop>("d", create, "Created"), done(4))?;
        let (claimant, pay_from) = (id("ann"), Some(id("a")));
        let buy = drop::Command::Claim { claimant, quantity: 2, pay_from };
        story.asks(ask::<Drop>("d", buy, "Claimed"), done(5))?;
        if is_released {
            let back = drop::Command::Release { claim: Drop::claim_id(at(5)) };
            story.asks(ask::<Drop>("d", back, "Released"), done(6))?;
        }
        reads(story, "a", buyer, 0)?;
        reads(story, "b", seller, 0)?;
        story.audit.search()
    };
    accepted(|story| tell(story, [4, 6], false));
    accepted(|story| tell(story, [10, 0], true));
    rejected(Check::Linearizability, |story| tell(story, [10, 6], false));
    rejected(Check::Linearizability, |story| tell(story, [4, 0], false));
    rejected(Check::Linearizability, |story| tell(story, [4, 6], true));
}

#[test]
fn a_number_of_a_claim_tells_its_place() {
    let tell = |story: &mut Story, numbers: [u64; 2]| {
        story.asks(ask::<Drop>("d", create(9), "Created"), done(1))?;
        let ann = story.sends(ask::<Drop>("d", take("ann", 1), "Claimed"));
        let bo = story.sends(ask::<Drop>("d", take("bo", 1), "Claimed"));
        let event = |number| taken(number, 1, 9 - number);
        story.hears(ann, done_with::<Drop>(2, &event(numbers[0])))?;
        story.hears(bo, done_with::<Drop>(3, &event(numbers[1])))?;
        story.audit.search()
    };
    accepted(|story| tell(story, [1, 2]));
    accepted(|story| tell(story, [2, 1]));
    rejected(Check::Linearizability, |story| tell(story, [1, 1]));
}

#[test]
fn a_record_has_one_value_at_a_time() {
    let tell = |story: &mut Story, shown: &[&str]| {
        let first = story.sends(ask::<Record>("c", put("1"), "Put"));
        let second = story.sends(ask::<Record>("c", put("22"), "Put"));
        for value in shown {
            story.asks(read::<Record>("c"), stands::<Record>(9, &record_of(value)))?;
        }
        story.hears(first, done(1))?;
        story.hears(second, done(2))?;
        story.audit.search()
    };
    accepted(|story| tell(story, &["1", "22"]));
    accepted(|story| tell(story, &["22", "1"]));
    rejected(Check::Linearizability, |story| tell(story, &["1", "22", "1"]));
}

#[test]
fn what_depends_on_time_is_skipped_and_counted() {
    let tell = |story: &mut Story| {
        opens(story, "a")?;
        opens(story, "b")?;
        pays(story, "a", 10)?;
        let expires_in_seconds = Some(1);
        let hold = account::Command::Hold { amount: 4_u64.into(), expires_in_seconds };
        story.asks(ask::<Account>("a", hold, "HoldPlaced"), done(3))?;
        story.audit.search()
    };
    let counts = accepted(tell);
    assert_eq!((counts.streams_searched, counts.streams_skipped), (1, 1));
    assert_eq!((counts.searched, counts.skipped), (1, 2));
}

/// Eight callers at once on one account, 2,000 asks each, in a true order that the search does
/// not know.
fn a_crowd(story: &mut Story, lies: bool) -> Result<(), Breach> {
    let mut random = Random::new(7);
    opens(story, "a")?;
    let (mut balance, mut open) = (0_i64, Vec::new());
    for number in 0..16_000_u64 {
        if open.len() == 8 {
            let (call, reply) = open.swap_remove(random.below(8) as usize);
            story.hears(call, reply)?;
        }
        let amount = 1 + random.below(9);
        let (sent, reply) = match random.below(3) {
            0 => {
                balance += amount as i64;
                (ask::<Account>("a", deposit(amount), ""), done(number + 2))
            }
            1 if amount as i64 <= balance => {
                balance -= amount as i64;
                (ask::<Account>("a", charge(amount), ""), done(number + 2))
            }
            _ => (read::<Account>("a"), stands::<Account>(1, &account_with(balance, 0))),
        };
        open.push((story.sends(sent), reply));
    }
    open.into_iter().try_for_each(|(call, reply)| story.hears(call, reply))?;
    reads(story, "a", balance + i64::from(lies), 0)?;
    story.audit.search()
}

#[test]
fn a_crowd_on_one_stream_has_an_order() {
    let counts = accepted(|story| a_crowd(story, false));
    assert_eq!((counts.streams_searched, counts.streams_skipped), (1, 0));
    assert_eq!(counts.searched, 16_002);
}

#[test]
fn a_crowd_that_was_lied_to_once_has_none() {
    rejected(Check::Linearizability, |story| a_crowd(story, true));
}
