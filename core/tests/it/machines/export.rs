//! The rules of the export machine, as a table of cases.

use super::are_told_apart;
use quipu_core::machine::{Context, Decided, ItemKey, Items, Machine, Solo, Transit, View};
use quipu_core::machines::export::{
    Audit, Command, Event, Export, FAILED_TTL_MS, Format, Head, Item, State, Step, TEXT_LEN_MAX,
    What,
};
use quipu_core::records::pack_into;
use quipu_core::words::{Book, Id, Name, Number, Position, Timestamp};

const TTL_MS: u64 = 1_000;

fn id(text: &str) -> Id {
    Id::new(text).expect("a test's id is well formed")
}

fn at(ms: u64) -> Timestamp {
    Timestamp::from_ms(ms)
}

fn request() -> Command {
    Command::Request { what: What::Accounts, format: Format::Csv, filter: Some("asset=USD".into()) }
}

fn begin() -> Command {
    Command::Begin { worker: id("w1"), as_of: Position::new(77) }
}

fn progress(fence: u64, done: u64, total: u64) -> Command {
    Command::Progress { fence: Position::new(fence), done, total }
}

fn finish(fence: u64) -> Command {
    finish_for(fence, TTL_MS)
}

fn finish_for(fence: u64, ttl_ms: u64) -> Command {
    Command::Finish { fence: Position::new(fence), rows: 3, bytes: 99, sha256: [8; 32], ttl_ms }
}

fn fail(fence: u64) -> Command {
    Command::Fail { fence: Position::new(fence), reason: "no room".into() }
}

fn download() -> Command {
    Command::Download { by: Some(id("bob")) }
}

/// The first event of a stream alone has this position, so the first worker's fence is 102.
const FIRST: u64 = 101;
const FENCE: u64 = 102;

/// An export in this state at the time 10; what has ended expires at 10 + its time to live.
fn export(state: &str) -> Solo<Export> {
    let mut solo = Solo::new("e1");
    let steps = match state {
        "absent" => vec![],
        "queued" => vec![request()],
        "running" => vec![request(), begin()],
        "ready" | "expired" => vec![request(), begin(), progress(FENCE, 1, 4), finish(FENCE)],
        "failed" => vec![request(), begin(), fail(FENCE)],
        _ => panic!("{state} is no state"),
    };
    for step in steps {
        solo.ask(&step, at(10)).expect("every step is accepted");
    }
    if state == "expired" {
        assert_eq!(solo.fire(at(10 + TTL_MS)).len(), 1);
    }
    solo
}

type Everything = (Option<Head>, Vec<(ItemKey, Item)>, Position);

fn everything(solo: &Solo<Export>) -> Everything {
    let items = solo.items().map(|(key, item)| (key.clone(), item.clone()));
    (solo.head().cloned(), items.collect(), solo.version())
}

/// Asks, and says what came of it: what happened, `same`, or the refusal with its fact.
/// Only what happened changes anything.
fn outcome(solo: &mut Solo<Export>, command: &Command, now: u64) -> String {
    solo.fire(at(now));
    let before = everything(solo);
    let event = match solo.ask(command, at(now)) {
        Err(refusal) => {
            assert_eq!(everything(solo), before, "a refusal changes nothing");
            return refusal.to_string();
        }
        Ok(told) => {
            assert!(told.postings.list().is_empty(), "an export moves no money");
            told.event
        }
    };
    match event {
        None => {
            assert_eq!(everything(solo), before, "nothing happened");
            "same"
        }
        Some(Event::Requested(_)) => "requested",
        Some(Event::Begun(_)) => "begun",
        Some(Event::Progressed(_)) => "progressed",
        Some(Event::Finished(_)) => "finished",
        Some(Event::Failed(_)) => "failed",
        Some(Event::Downloaded(_)) => "downloaded",
        Some(Event::Expired(_)) => "expired",
    }
    .to_owned()
}

fn state_of(solo: &Solo<Export>) -> &'static str {
    match solo.head().map(|head| head.state) {
        None => "absent",
        Some(State::Queued) => "queued",
        Some(State::Running) => "running",
        Some(State::Ready) => "ready",
        Some(State::Failed) => "failed",
        Some(State::Expired) => "expired",
    }
}

#[test]
fn every_command_in_every_state() {
    const EXISTS: &str = "already_exists (First(101))";
    const OVER: &str = "expired (At(1970-01-01T00:00:01.010Z))";
    let commands = [
        request(),
        begin(),
        progress(FENCE, 2, 4),
        finish(FENCE),
        fail(FENCE),
        download(),
        Command::FileLost,
    ];
    // Each cell is what comes of the command, and the state that it leaves.
    let rows = [
        (
            "absent",
            [
                ("requested", "queued"),
                ("not_found", "absent"),
                ("not_found", "absent"),
                ("not_found", "absent"),
                ("not_found", "absent"),
                ("not_found", "absent"),
                ("not_found", "absent"),
            ],
        ),
        (
            "queued",
            [
                (EXISTS, "queued"),
                ("begun", "running"),
                ("wrong_state", "queued"),
                ("wrong_state", "queued"),
                ("wrong_state", "queued"),
                ("not_ready", "queued"),
                ("same", "queued"),
            ],
        ),
        (
            "running",
            [
                (EXISTS, "running"),
                ("begun", "running"),
                ("progressed", "running"),
                ("finished", "ready"),
                ("failed", "failed"),
                ("not_ready", "running"),
                ("same", "running"),
            ],
        ),
        (
            "ready",
            [
                (EXISTS, "ready"),
                ("wrong_state", "ready"),
                ("wrong_state", "ready"),
                ("wrong_state", "ready"),
                ("wrong_state", "ready"),
                ("downloaded", "ready"),
                ("failed", "failed"),
            ],
        ),
        (
            "failed",
            [
                (EXISTS, "failed"),
                ("wrong_state", "failed"),
                ("wrong_state", "failed"),
                ("wrong_state", "failed"),
                ("wrong_state", "failed"),
                ("wrong_state", "failed"),
                ("same", "failed"),
            ],
        ),
        (
            "expired",
            [
                (EXISTS, "expired"),
                ("wrong_state", "expired"),
                ("wrong_state", "expired"),
                ("wrong_state", "expired"),
                ("wrong_state", "expired"),
                (OVER, "expired"),
                ("same", "expired"),
            ],
        ),
    ];
    for (state, cells) in rows {
        for (command, (expected, after)) in commands.iter().zip(cells) {
            let mut solo = export(state);
            let now = if state == "expired" { 10 + TTL_MS } else { 20 };
            let got = outcome(&mut solo, command, now);
            assert_eq!((got.as_str(), state_of(&solo)), (expected, after), "{state}: {command:?}");
        }
    }
}

#[test]
fn time_ends_only_what_has_ended() {
    // state, now, what the command of time gives, whether time itself gives it.
    let day = FAILED_TTL_MS;
    for (state, now, expected) in [
        ("absent", 10, "not_found"),
        ("queued", u64::MAX - 1, "wrong_state"),
        ("running", u64::MAX - 1, "wrong_state"),
        ("ready", 10 + TTL_MS - 1, "wrong_state"),
        ("ready", 10 + TTL_MS, "expired"),
        ("failed", 10 + day - 1, "wrong_state"),
        ("failed", 10 + day, "expired"),
        ("expired", u64::MAX - 1, "wrong_state"),
    ] {
        let solo = export(state);
        let got = decide(&solo, &Command::ExportDue, now);
        assert_eq!(got.as_deref().unwrap_or("expired"), expected, "{state} at {now}");
        let fired = export(state).fire(at(now)).len();
        assert_eq!(fired, usize::from(expected == "expired"), "{state} at {now}");
    }
}

struct NoItems;

impl Items<Item> for NoItems {
    fn get(&self, _: &ItemKey) -> Option<&Item> {
        None
    }
}

/// A decision without firing what is due first: the refusal, or nothing where it is accepted.
fn decide(solo: &Solo<Export>, command: &Command, now: u64) -> Option<String> {
    let name = Name::new(Book::DEFAULT, Export::KIND, id("e1"));
    let number = Number::new(FIRST);
    let (version, head) = (solo.version(), solo.head());
    let view = View { name: &name, number, version, head, items: &NoItems };
    let mut cx = Context { now: at(now), transit: &mut Transit::default(), secret: &[0; 32] };
    match Export::decide(&view, command, &mut cx) {
        Ok(Decided::Event(_) | Decided::Already(_)) => None,
        Err(refusal) => Some(refusal.to_string()),
    }
}

#[test]
fn what_is_over_cannot_be_taken_although_time_was_not_told_so() {
    const OVER: &str = "expired (At(1970-01-01T00:00:01.010Z))";
    for (state, now, expected) in [
        ("ready", 10 + TTL_MS - 1, None),
        ("ready", 10 + TTL_MS, Some(OVER)),
        ("failed", 10 + FAILED_TTL_MS - 1, Some("wrong_state")),
        ("failed", 10 + FAILED_TTL_MS, Some("expired (At(1970-01-02T00:00:00.010Z))")),
    ] {
        let got = decide(&export(state), &download(), now);
        assert_eq!(got.as_deref(), expected, "{state} at {now}");
    }
}

#[test]
fn where_two_refusals_apply_the_first_is_given() {
    let long = "x".repeat(TEXT_LEN_MAX + 1);
    let long_request =
        Command::Request { what: What::Events, format: Format::Ndjson, filter: Some(long.clone()) };
    let long_reason = Command::Fail { fence: Position::new(9), reason: long };
    let last = Timestamp::LAST.ms();
    for (rule, state, command, now, expected) in [
        ("form before existence", "queued", long_request, 20, "malformed"),
        ("form before existence", "absent", long_reason.clone(), 20, "malformed"),
        ("form before existence", "absent", progress(9, 2, 1), 20, "malformed"),
        ("form before existence", "absent", finish_for(9, 0), 20, "malformed"),
        ("form before fence", "running", long_reason, 20, "malformed"),
        ("state before fence", "ready", finish(9), 20, "wrong_state"),
        ("state before fence", "queued", progress(9, 1, 1), 20, "wrong_state"),
        ("fence before overflow", "running", finish(9), last, "stale_fence (Fence(102))"),
        ("fence before overflow", "running", fail(9), last, "stale_fence (Fence(102))"),
        ("overflow at last", "running", finish(FENCE), last, "overflow"),
        ("overflow at last", "running", finish_for(FENCE, u64::MAX), 20, "overflow"),
        ("overflow at last", "running", fail(FENCE), last, "overflow"),
    ] {
        let got = outcome(&mut export(state), &command, now);
        assert_eq!(got, expected, "{rule}: {state}, {command:?}");
    }
}

#[test]
fn texts_and_times_at_their_limits_are_taken() {
    let most = "x".repeat(TEXT_LEN_MAX);
    let filter = Some(most.clone());
    let request = Command::Request { what: What::Entries, format: Format::Csv, filter };
    assert_eq!(outcome(&mut export("absent"), &request, 20), "requested");
    let fail = Command::Fail { fence: Position::new(FENCE), reason: most };
    assert_eq!(outcome(&mut export("running"), &fail, 20), "failed");
    let to_the_end = finish_for(FENCE, Timestamp::LAST.ms() - 20);
    assert_eq!(outcome(&mut export("running"), &to_the_end, 20), "finished");
    assert_eq!(
        outcome(&mut export("running"), &progress(FENCE, u64::MAX, u64::MAX), 20),
        "progressed"
    );
}

#[test]
fn a_worker_that_begins_again_shuts_the_older_one_out() {
    let mut solo = export("queued");
    let steps = [
        (begin(), "begun"),
        (progress(102, 5, 9), "progressed"),
        (begin(), "begun"),
        (progress(102, 6, 9), "stale_fence (Fence(104))"),
        (finish(102), "stale_fence (Fence(104))"),
        (fail(102), "stale_fence (Fence(104))"),
        (finish(999), "stale_fence (Fence(104))"),
        (progress(104, 1, 9), "progressed"),
        (finish(104), "finished"),
        (fail(104), "wrong_state"),
        (finish(104), "wrong_state"),
        (begin(), "wrong_state"),
    ];
    for (command, expected) in steps {
        assert_eq!(outcome(&mut solo, &command, 20), expected, "{command:?}");
    }
}

#[test]
fn a_restart_begins_with_nothing_done() {
    let mut solo = export("running");
    outcome(&mut solo, &progress(FENCE, 5, 9), 20);
    let again = Command::Begin { worker: id("w2"), as_of: Position::new(88) };
    outcome(&mut solo, &again, 20);
    let head = solo.head().expect("it exists");
    assert_eq!((head.done, head.total, head.as_of.get(), head.fence.get()), (0, 0, 88, 104));
}

#[test]
fn progress_never_runs_back() {
    let mut solo = export("running");
    for (done, total, expected, shown) in [
        (0, 0, "same", (0, 0)),
        (0, 9, "progressed", (0, 9)),
        (4, 9, "progressed", (4, 9)),
        (4, 9, "same", (4, 9)),
        (3, 9, "same", (4, 9)),
        (3, 20, "same", (4, 9)),
        (4, 20, "progressed", (4, 20)),
        (4, 5, "progressed", (4, 5)),
        (6, 5, "malformed", (4, 5)),
        (5, 5, "progressed", (5, 5)),
    ] {
        let got = outcome(&mut solo, &progress(FENCE, done, total), 20);
        let head = solo.head().expect("it exists");
        assert_eq!((got.as_str(), (head.done, head.total)), (expected, shown), "{done} of {total}");
    }
}

#[test]
fn a_finished_export_says_what_the_file_is() {
    let solo = export("ready");
    let head = solo.head().expect("it exists");
    assert_eq!((head.what, head.format), (What::Accounts, Format::Csv));
    assert_eq!((head.rows, head.bytes, head.sha256), (3, 99, [8; 32]));
    assert_eq!((head.done, head.total), (4, 4));
    assert_eq!(head.expires_at, Some(at(10 + TTL_MS)));
}

#[test]
fn the_audit_holds_every_step_but_progress() {
    let mut solo = export("queued");
    let worker = Some(id("w1"));
    for (command, now) in [
        (begin(), 20),
        (progress(102, 1, 2), 21),
        (begin(), 30),
        (finish(104), 40),
        (download(), 50),
        (Command::Download { by: None }, 60),
    ] {
        solo.ask(&command, at(now)).expect("accepted");
    }
    solo.fire(at(40 + TTL_MS));
    let audit: Vec<_> = solo
        .items()
        .filter_map(|(key, item)| match item {
            Item::Audit(Audit { step, at, by }) => {
                let position = key.position().expect("an audit lies at a position").get();
                Some((position, *step, at.ms(), by.clone()))
            }
            _ => None,
        })
        .collect();
    assert_eq!(
        audit,
        [
            (101, Step::Requested, 10, None),
            (102, Step::Begun, 20, worker.clone()),
            (104, Step::Begun, 30, worker),
            (105, Step::Finished, 40, None),
            (106, Step::Downloaded, 50, Some(id("bob"))),
            (107, Step::Downloaded, 60, None),
            (108, Step::Expired, 40 + TTL_MS, None),
        ]
    );
}

#[test]
fn answers_show_the_head_and_the_text_that_belongs_to_it() {
    let text = |solo: &Solo<Export>, letter| match solo.item(&ItemKey::only(letter)) {
        Some(Item::Filter(filter)) => filter.text.clone(),
        Some(Item::Reason(reason)) => reason.text.clone(),
        _ => String::new(),
    };
    let (filter, reason) = (ItemKey::only(b'Q'), ItemKey::only(b'R'));
    for (state, command, items) in [
        ("absent", request(), vec![filter.clone()]),
        ("queued", begin(), vec![filter]),
        ("running", progress(FENCE, 1, 2), vec![]),
        ("running", finish(FENCE), vec![]),
        ("running", fail(FENCE), vec![reason]),
        ("ready", download(), vec![]),
    ] {
        let mut solo = export(state);
        let told = solo.ask(&command, at(20)).expect("accepted");
        assert!(told.shows.head && !told.shows.event, "{command:?}");
        assert_eq!(told.shows.items.to_vec(), items, "{command:?}");
        assert_eq!(text(&solo, b'Q'), "asset=USD");
    }
    assert_eq!(text(&export("failed"), b'R'), "no room");
}

#[test]
fn the_index_holds_the_state() {
    for (state, number) in
        [("queued", 1), ("running", 2), ("ready", 3), ("failed", 4), ("expired", 5)]
    {
        let mut rows = Vec::new();
        let solo = export(state);
        let head = solo.head().expect("it exists");
        Export::indexes(head, &mut |index, key| rows.push((index, key.to_vec())));
        assert_eq!(rows, [(1, vec![number])], "{state}");
    }
}

#[test]
fn the_largest_head_is_small() {
    let solo = export("ready");
    let mut bytes = Vec::new();
    pack_into(solo.head().expect("it exists"), &mut bytes);
    assert!(bytes.len() <= 256, "{} bytes", bytes.len());
}

#[test]
fn fingerprints_tell_commands_apart() {
    let other_format =
        Command::Request { what: What::Accounts, format: Format::Ndjson, filter: None };
    let other_what = Command::Request { what: What::Flows, format: Format::Ndjson, filter: None };
    let nobody = Command::Download { by: None };
    let commands = [
        request(),
        other_format,
        other_what,
        begin(),
        progress(1, 2, 3),
        finish(1),
        finish(2),
        fail(1),
        fail(2),
        download(),
        nobody,
        Command::ExportDue,
        Command::FileLost,
    ];
    are_told_apart(&commands);
}

#[test]
fn extremes_do_no_harm() {
    let numbers = [0, 1, FENCE, u64::MAX - 1, u64::MAX];
    let texts = ["", "é", &"x".repeat(100_000)];
    let mut commands =
        vec![request(), Command::ExportDue, Command::FileLost, Command::Download { by: None }];
    for number in numbers {
        commands.push(progress(number, number, u64::MAX));
        commands.push(progress(FENCE, u64::MAX, number));
        commands.push(finish_for(FENCE, number));
        let (rows, bytes, sha256) = (number, number, [255; 32]);
        let fence = Position::new(FENCE);
        commands.push(Command::Finish { fence, rows, bytes, sha256, ttl_ms: number });
        commands
            .push(Command::Begin { worker: id(&"w".repeat(128)), as_of: Position::new(number) });
    }
    for text in texts {
        commands.push(Command::Fail { fence: Position::new(FENCE), reason: text.to_owned() });
        let filter = Some(text.to_owned());
        commands.push(Command::Request { what: What::Events, format: Format::Csv, filter });
    }
    for state in ["absent", "queued", "running", "ready", "failed", "expired"] {
        for command in &commands {
            for now in [0, 10, Timestamp::LAST.ms(), u64::MAX - 1] {
                outcome(&mut export(state), command, now.max(10));
                let _ = decide(&export(state), command, now);
            }
        }
    }
}
