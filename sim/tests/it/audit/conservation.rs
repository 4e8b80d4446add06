//! Money neither appears nor vanishes.

use quipu_core::machines::account::{self, Account};
use quipu_core::words::{Asset, Book, Id, Name, Number};
use quipu_sim::audit::Check;

use super::story::*;

#[test]
fn a_balance_is_what_its_movements_add_up_to() {
    let tell = |story: &mut Story, after: i64| {
        let name = an_account("a");
        story.event(&name, opened());
        story.event(&name, deposited(10, 10));
        story.event(&name, deposited(5, after));
        story.checks()
    };
    let counts = accepted(|story| tell(story, 15));
    assert_eq!(counts.prefixes, 3);
    rejected(Check::Conservation, |story| tell(story, 16));
}

#[test]
fn a_prefix_in_which_money_is_missing_is_found_though_it_comes_back() {
    let tell = |story: &mut Story, between: i64| {
        let name = an_account("a");
        story.event(&name, opened());
        story.event(&name, deposited(10, 10));
        story.event(&name, charged(1, between));
        story.event(&name, deposited(1, 10));
        story.checks()
    };
    accepted(|story| tell(story, 9));
    rejected(Check::Conservation, |story| tell(story, 8));
}

#[test]
fn what_one_account_gives_the_other_gets() {
    let tell = |story: &mut Story, received: u64| {
        for who in ["a", "b"] {
            story.event(&an_account(who), opened());
            story.event(&an_account(who), deposited(10, 10));
        }
        story.joint(vec![
            (an_account("a"), account_sent(4, 6).into()),
            (an_account("b"), account_received(received, 10 + received as i64).into()),
        ]);
        story.checks()
    };
    accepted(|story| tell(story, 4));
    rejected(Check::Conservation, |story| tell(story, 5));
}

/// A transfer from `a` to another account, which is in this asset.
fn transfer_into(
    story: &mut Story,
    to: &Name,
    asset: Asset,
) -> Result<(), quipu_sim::audit::Breach> {
    story.event(&an_account("a"), opened());
    story.event(&an_account("a"), deposited(10, 10));
    story.event(to, opened_in(asset));
    story.joint(vec![
        (an_account("a"), account_sent(4, 6).into()),
        (to.clone(), account_received(4, 4).into()),
    ]);
    story.checks()
}

#[test]
fn assets_are_kept_apart() {
    let euro = Asset::new("EUR/2").expect("a well-formed asset");
    accepted(|story| transfer_into(story, &an_account("b"), usd()));
    rejected(Check::Conservation, |story| transfer_into(story, &an_account("b"), euro));
}

#[test]
fn books_are_kept_apart() {
    let other = |book: u64| {
        let id = Id::new("b").expect("a well-formed id");
        Name::new(Book::new(Number::new(book)), an_account("b").kind, id)
    };
    let own = Book::DEFAULT.get();
    accepted(|story| transfer_into(story, &other(own), usd()));
    rejected(Check::Conservation, |story| transfer_into(story, &other(own + 1), usd()));
}

#[test]
fn nothing_is_in_an_account_that_closes() {
    let tell = |story: &mut Story, charges: u64| {
        let name = an_account("a");
        story.event(&name, opened());
        story.event(&name, deposited(10, 10));
        story.event(&name, charged(charges, 10 - charges as i64));
        story.event(&name, account::Event::from(account::Closed {}));
        story.checks()
    };
    accepted(|story| tell(story, 10));
    rejected(Check::Conservation, |story| tell(story, 9));
}

#[test]
fn answers_alone_tell_of_a_balance_that_does_not_add_up() {
    let tell = |story: &mut Story, after: i64| {
        story.asks(ask::<Account>("a", open(), "Opened"), done(1))?;
        let pay = || ask::<Account>("a", deposit(5), "Deposited");
        story.asks(pay(), done_with::<Account>(2, &deposited(5, 5)))?;
        story.asks(pay(), done_with::<Account>(3, &deposited(5, after)))?;
        story.audit.check_told(at(0))
    };
    accepted(|story| tell(story, 10));
    rejected(Check::Conservation, |story| tell(story, 5));
}
