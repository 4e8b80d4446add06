//! A process is killed with SIGKILL under load, while it opens and while it closes, again and
//! again, and what its callers were told is held against itself: nothing is lost, nothing
//! happens twice, and a key answers the same before and after.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use quipu::Ledger;
use quipu_core::commit::Published;
use quipu_core::machine::Answer;
use quipu_core::shard::{CallId, Outcome, Refused, Reply};
use quipu_core::words::{Code, Fact, Fault, Position, Refusal, Signed, Timestamp};
use quipu_sim::Random;
use quipu_sim::audit::Audit;

use crate::callers::kept;
use crate::load::{self, Made, Shape};
use crate::running::{frames, runtime};
use crate::say::machines;

const KILLS: u64 = 50;
const CALLERS: u64 = 16;
/// How many asks each caller has, unless the process is killed before.
const ASKS: u64 = 120;

/// Nothing here happens by itself: what happened was asked for, and somebody is told.
const SHAPE: Shape =
    Shape { accounts: 12, tickets: 400, drops: 3, flows: 0, keys: 0, expires: false };

/// What tells the test binary that it is the one to be killed, and where its ledger lies.
const FOLDER: &str = "QUIPU_KILLED_FOLDER";
const SEED: &str = "QUIPU_KILLED_SEED";
/// What was asked before, by the name of a file.
const AGAIN: &str = "QUIPU_KILLED_AGAIN";

/// When a process is killed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Moment {
    /// So long after it has begun to open the ledger.
    Opening(u64),
    /// Once it has said so many lines.
    Working(u64),
    /// So long after it has begun to close the ledger.
    Closing(u64),
}

#[test]
fn fifty_kills_lose_nothing_and_double_nothing() {
    let seed = 77;
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let folder = tempfile::tempdir().expect("a folder");
    let mut told = Told::default();
    for line in load::first(&SHAPE) {
        told.unanswered.push(load::under_key(&line, &format!("first-{}", line.replace(' ', "-"))));
    }
    let mut killed: BTreeMap<&str, u64> = BTreeMap::new();
    let mut life = 0;
    while killed.values().sum::<u64>() < KILLS {
        let moment = match random.below(10) {
            0 | 1 => Moment::Opening(random.below(40_000_000)),
            2 | 3 => Moment::Closing(random.below(2_000_000)),
            _ => Moment::Working(random.below(CALLERS * ASKS)),
        };
        let seed = seed << 16 | life;
        let part = live_and_die(folder.path(), seed, moment, &mut told, &mut random);
        life += 1;
        // Some end before the kill comes. That is a life as well, but no kill.
        if part != "closed" {
            *killed.entry(part).or_default() += 1;
        }
    }
    told.ask_what_is_left(&folder.path().join("ledger"));
    println!("{killed:?}, {} answers, {} of them again", told.answers, told.replayed);
    assert!(told.answers > 20 * KILLS && told.replayed > KILLS, "{}", told.answers);
    assert!(killed["working"] > KILLS / 3, "{killed:?}");
    assert!(killed.contains_key("opening") && killed.contains_key("closing"), "{killed:?}");
}

/// One life of the process. Says in which part of it the kill came.
fn live_and_die(
    folder: &Path,
    seed: u64,
    moment: Moment,
    told: &mut Told,
    random: &mut Random,
) -> &'static str {
    let again = folder.join("again");
    std::fs::write(&again, told.again(random).join("\n")).expect("a file");
    let mut child = Command::new(std::env::current_exe().expect("this binary has a name"))
        .args(["kill::the_one_that_is_killed", "--exact", "--nocapture", "--test-threads", "1"])
        .env(FOLDER, folder.join("ledger"))
        .env(SEED, seed.to_string())
        .env(AGAIN, &again)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a process");
    let out = BufReader::new(child.stdout.take().expect("a pipe"));
    let (mut lines, mut is_killed, mut part) = (0, false, "starting");
    let wait = |spins: u64| (0..spins).for_each(|_| core::hint::spin_loop());
    for line in out.split(b'\n') {
        let line = String::from_utf8(line.expect("a pipe can be read")).expect("text");
        told.hear(&line);
        lines += 1;
        let kills = match moment {
            Moment::Opening(spins) if line == "opening" => {
                wait(spins);
                true
            }
            Moment::Closing(spins) if line == "closing" => {
                wait(spins);
                true
            }
            Moment::Working(count) => lines >= count && part == "working",
            _ => false,
        };
        if !is_killed {
            part = match line.as_str() {
                "opening" => "opening",
                "closing" => "closing",
                "closed" => "closed",
                line if line.starts_with("opened ") => "working",
                _ => part,
            };
        }
        if kills && !is_killed {
            child.kill().expect("it can be killed");
            is_killed = true;
        }
    }
    end(child, is_killed);
    told.lose();
    part
}

/// Whoever was not killed in time has ended well.
fn end(child: Child, is_killed: bool) {
    let ended = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(is_killed || ended.status.success(), "{}: {said}", ended.status);
    assert!(!said.contains("panicked"), "{said}");
}

/// What all callers in all lives asked and were told.
#[derive(Default)]
struct Told {
    audit: Audit,
    /// What was sent in this life and has no answer yet. In one life a call has one number.
    open: BTreeMap<u64, (CallId, String)>,
    calls: u64,
    /// Lines under keys that have no answer from any life.
    unanswered: Vec<String>,
    /// Lines under keys that have one.
    answered: Vec<String>,
    /// What was durable when the first life began.
    before: Option<Position>,
    answers: u64,
    replayed: u64,
}

impl Told {
    /// What the next life asks first: all that has no answer, and some of what has.
    fn again(&self, random: &mut Random) -> Vec<String> {
        let mut lines = self.unanswered.clone();
        for _ in 0..self.answered.len().min(20) {
            lines.push(self.answered[random.below(self.answered.len() as u64) as usize].clone());
        }
        lines
    }

    /// Takes in a line that a process has said. A last one that was cut short says nothing.
    fn hear(&mut self, line: &str) {
        let mut words = line.splitn(3, ' ');
        let (Some(what), Some(number)) = (words.next(), words.next()) else { return };
        match what {
            "opened" => {
                let watermark = number.parse().expect("a position");
                self.before.get_or_insert(Position::new(watermark));
            }
            ">" => {
                let Some(line) = words.next().and_then(|line| line.strip_suffix(" .")) else {
                    return;
                };
                let (_, sent) = load::ask(line);
                let call = CallId(self.calls);
                self.calls += 1;
                self.audit.sent(call, sent);
                let number = number.parse().expect("a number");
                self.open.insert(number, (call, line.to_owned()));
            }
            "<" => {
                let Some(text) = words.next().and_then(|text| text.strip_suffix(" .")) else {
                    return;
                };
                let number = number.parse().expect("a number");
                let (call, line) = self.open.remove(&number).expect("an ask is answered once");
                let (reply, durable) = read_reply(text);
                self.take(call, line, reply, durable);
            }
            _ => {}
        }
    }

    fn take(&mut self, call: CallId, line: String, reply: Reply, durable: Published) {
        let replayed = match &reply {
            Reply::Done(outcome) => outcome.replayed,
            Reply::Refused(refused) => refused.replayed,
            // Its outcome is known, and that is nothing: somebody asks again in the next life.
            Reply::Failed(Fault::Stopping) => {
                self.audit.gone(call);
                return self.leave(line);
            }
            Reply::Failed(fault) => panic!("{line}: {fault}"),
        };
        self.answers += 1;
        self.replayed += u64::from(replayed);
        kept(self.audit.answered(call, reply, durable));
        self.unanswered.retain(|other| *other != line);
        if line.contains(" | ") {
            self.answered.push(line);
        }
    }

    /// The process has ended.
    fn lose(&mut self) {
        self.audit.crashed();
        for (_, (_, line)) in core::mem::take(&mut self.open) {
            self.leave(line);
        }
    }

    fn leave(&mut self, line: String) {
        if line.contains(" | ") && !self.unanswered.contains(&line) {
            self.unanswered.push(line);
        }
    }

    /// Asks for all that nobody was told yet, reads everything, and audits.
    fn ask_what_is_left(&mut self, folder: &Path) {
        let runtime = runtime();
        let open = || runtime.block_on(opening(folder)).expect("it opens");
        let ledger = open();
        for line in self.unanswered.clone().into_iter().chain(load::last(&SHAPE)) {
            self.ask(&ledger, &line);
        }
        kept(self.audit.check_told(self.before.expect("it was opened")));
        kept(self.audit.check(&frames(&**ledger.handle().log()), &machines()));
        runtime.block_on(ledger.close()).expect("it stops");
        let ledger = open();
        for line in self.answered.clone().into_iter().chain(load::last(&SHAPE)) {
            self.ask(&ledger, &line);
        }
        kept(self.audit.check_told(self.before.expect("it was opened")));
        kept(self.audit.search());
        println!("{:?}", self.audit.counts());
        runtime.block_on(ledger.close()).expect("it stops");
    }

    fn ask(&mut self, ledger: &Ledger, line: &str) {
        let (ask, sent) = load::ask(line);
        let call = CallId(self.calls);
        self.calls += 1;
        self.audit.sent(call, sent);
        let reply = ledger.ask(ask).wait();
        self.take(call, line.to_owned(), reply, ledger.durable());
    }
}

async fn opening(folder: &Path) -> Result<Ledger, quipu::Error> {
    // The least memory that there is, and a checkpoint now and then.
    let tune = |settings: &mut quipu_actors::Settings| settings.checkpoint_bytes = 256 << 10;
    Ledger::builder(folder).memory(0).shards(2).tune(tune).open().await
}

/// The process that is killed. As one of the tests it has nothing to do.
#[test]
fn the_one_that_is_killed() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let seed: u64 = std::env::var(SEED).expect("a seed").parse().expect("a number");
    let again = std::fs::read_to_string(std::env::var(AGAIN).expect("a file")).expect("readable");
    // Behind what the test harness has said on this line.
    say("");
    say("opening");
    let runtime = runtime();
    let ledger = runtime.block_on(opening(Path::new(&folder))).expect("it opens");
    say(&format!("opened {}", ledger.durable().watermark));
    let (calls, made) = (AtomicU64::new(0), Mutex::new(Made::default()));
    let ask = |line: &str| {
        let number = calls.fetch_add(1, Ordering::Relaxed);
        say(&format!("> {number} {line} ."));
        let reply = ledger.ask(load::ask(line).0).wait();
        say(&format!("< {number} {} .", write_reply(&reply, ledger.durable())));
        if let Reply::Done(outcome) = &reply
            && outcome.changed
        {
            made.lock().unwrap_or_else(PoisonError::into_inner).add(line, outcome.position);
        }
        !matches!(reply, Reply::Failed(Fault::Stopping))
    };
    for line in again.lines() {
        ask(line);
    }
    std::thread::scope(|scope| {
        for caller in 0..CALLERS {
            let (ask, made) = (&ask, &made);
            scope.spawn(move || {
                let mut random = Random::new(seed << 8 | caller);
                let mut before = String::new();
                for number in 0..ASKS {
                    let known = made.lock().unwrap_or_else(PoisonError::into_inner).clone();
                    let mut line = load::some_line(&mut random, &SHAPE, &known);
                    if !line.starts_with("read-") {
                        line = load::under_key(&line, &format!("{seed}-{caller}-{number}"));
                    }
                    if random.one_in(10) && !before.is_empty() {
                        line.clone_from(&before);
                    }
                    if !ask(&line) {
                        return;
                    }
                    before = line;
                }
            });
        }
        // The first to be done closes the ledger, under the hands of the others.
        let (ledger, ask) = (ledger.clone(), &ask);
        scope.spawn(move || {
            (0..ASKS / 2).for_each(|number| {
                ask(&load::under_key("deposit a0 1", &format!("{seed}-closes-{number}")));
            });
            say("closing");
            crate::running::runtime().block_on(ledger.close()).expect("it stops");
            say("closed");
        });
    });
}

/// Says a line, whole, before anything else happens.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes()).expect("somebody listens");
    out.flush().expect("somebody listens");
}

fn write_reply(reply: &Reply, durable: Published) -> String {
    let Published { watermark, now_limit } = durable;
    let front = format!("{watermark} {}", now_limit.ms());
    match reply {
        Reply::Done(Outcome { position, at, version, replayed, changed, answer }) => {
            let bytes: String =
                answer.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{front} done {position} {} {version} {replayed} {changed} {bytes}", at.ms())
        }
        Reply::Refused(Refused { refusal, leg, position, at, version, replayed }) => {
            let (fact, number) = match refusal.fact {
                Fact::None => ("none", 0),
                Fact::Available(available) => ("available", available.get()),
                Fact::Remaining(remaining) => ("remaining", remaining.into()),
                Fact::First(position) => ("first", position.get().into()),
                Fact::Version(version) => ("version", version.get().into()),
                Fact::At(at) => ("at", at.ms().into()),
                Fact::Fence(position) => ("fence", position.get().into()),
            };
            let leg = leg.map_or(-1, i64::from);
            let code = refusal.code;
            format!(
                "{front} refused {position} {} {version} {replayed} {code} {fact} {number} {leg}",
                at.ms()
            )
        }
        Reply::Failed(fault) => format!("{front} failed {fault:?}"),
    }
}

fn read_reply(text: &str) -> (Reply, Published) {
    let words: Vec<&str> = text.split(' ').collect();
    let number = |index: usize| words[index].parse::<u64>().expect("a number");
    let position = |index| Position::new(number(index));
    let time = |index| Timestamp::from_ms(number(index));
    let durable = Published { watermark: position(0), now_limit: time(1) };
    let reply = match words[2] {
        "done" => {
            let hex = words[8].as_bytes().chunks(2).map(|pair| {
                let pair = std::str::from_utf8(pair).expect("text");
                u8::from_str_radix(pair, 16).expect("a byte")
            });
            Reply::Done(Outcome {
                position: position(3),
                at: time(4),
                version: position(5),
                replayed: words[6] == "true",
                changed: words[7] == "true",
                answer: Answer::from_bytes(&hex.collect::<Vec<u8>>()),
            })
        }
        "refused" => {
            let code = Code::ALL.iter().find(|code| code.as_str() == words[7]);
            let fact = match words[8] {
                "available" => {
                    let available = words[9].parse().expect("a number");
                    Fact::Available(Signed::new(available))
                }
                "remaining" => Fact::Remaining(number(9)),
                "first" => Fact::First(position(9)),
                "version" => Fact::Version(position(9)),
                "at" => Fact::At(time(9)),
                "fence" => Fact::Fence(position(9)),
                _ => Fact::None,
            };
            Reply::Refused(Refused {
                refusal: Refusal::with(*code.expect("a known code"), fact),
                position: position(3),
                at: time(4),
                version: position(5),
                replayed: words[6] == "true",
                leg: words[10].parse().ok(),
            })
        }
        _ if words[3] == "Stopping" => Reply::Failed(Fault::Stopping),
        _ => panic!("{text}"),
    };
    (reply, durable)
}
