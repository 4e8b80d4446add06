//! More connections than it has room for calls, idle ones, slow ones: others are answered, and
//! nothing is left of them when they have gone.

use std::thread;

use tempfile::TempDir;

use crate::ground::{Line, Server, raise_file_limit, request};

/// What a server whose ledger has 64 MiB never needs, whoever comes.
const MEMORY_MIB_MAX: u64 = 400;

/// The beginning of a batch that never comes. All together they announce more than a server has
/// room for, down to the last byte.
fn announced(number: usize) -> String {
    const LENS: [usize; 6] = [8_000_000, 500_000, 30_000, 1_000, 50, 2];
    let len = LENS[number % LENS.len()];
    let head = "POST /v1/batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json";
    format!("{head}\r\nContent-Length: {len}\r\n\r\n{{")
}

/// What there is before anybody else comes: a server with an account, and one connection.
fn ground() -> (TempDir, Server, Line) {
    let folder = TempDir::new().expect("a folder");
    let server = Server::start(folder.path(), &[]);
    let mut line = server.line();
    line.post("/v1/accounts", r#"{"id":"a","asset":"USD"}"#).is(201);
    (folder, server, line)
}

/// Asks until no more sockets are open than before. If there is one that stays, this gives up.
fn all_have_gone(server: &Server, line: &mut Line, before: usize) {
    const ASKS: usize = 2_000;
    let are_gone = (0..ASKS).any(|_| {
        line.get("/livez").is(200);
        server.sockets() == before
    });
    assert!(are_gone, "{} sockets are open, and before there were {before}", server.sockets());
    let memory = server.memory_mib();
    assert!(memory < MEMORY_MIB_MAX, "{memory} MiB");
}

/// All of them ask while it is held up, so that it finds them all at once.
#[test]
fn a_thousand_connections_are_answered_or_turned_away() {
    const ROUNDS: usize = 4;
    // A server takes 128 calls at once for each core.
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let connections = (4 * 128 * cores).max(1_000).min(raise_file_limit() / 2);
    let (_folder, server, mut line) = ground();
    let before = server.sockets();
    let deposit = request("POST", "/v1/accounts/a/deposits", &[], r#"{"amount":1}"#);
    let mut lines: Vec<Line> = Vec::new();
    for _ in 0..connections {
        let mut line = server.line();
        line.get("/livez").is(200);
        lines.push(line);
    }
    let mut let_in = 0;
    for _ in 0..ROUNDS {
        server.held_up(|| {
            for line in &mut lines {
                line.send(deposit.as_bytes()).expect("there is room for it");
            }
        });
        for line in &mut lines {
            let told = line.hear().expect("it answers");
            if told.status == 503 {
                assert_eq!(told.json()["code"], "overloaded");
                let after = told.header("retry-after").expect("when to ask again");
                assert!(after.parse::<u64>().is_ok_and(|seconds| seconds > 0), "{after}");
            } else {
                told.is(201);
                let_in += 1;
            }
        }
    }
    println!("{let_in} of {} were let in", connections * ROUNDS);
    // What was turned away did nothing, and now there is room.
    assert_eq!(line.get("/v1/accounts/a").is(200)["balance"], let_in.to_string());
    line.post("/v1/accounts/a/deposits", r#"{"amount":1}"#).is(201);
    drop(lines);
    all_have_gone(&server, &mut line, before);
    assert!(server.stop().status.success());
}

#[test]
fn idle_and_slow_connections_hold_nobody_up() {
    const IDLE: usize = 5_000;
    const SLOW: usize = 300;
    // This process has an end of each, beside what the other tests have.
    let idle = IDLE.min(raise_file_limit().saturating_sub(SLOW + 1_500));
    let (_folder, server, mut line) = ground();
    let before = server.sockets();
    let mut others: Vec<Line> = Vec::new();
    for number in 0..idle {
        let mut other = server.line();
        // Some ask first, some have begun to, some announce much and send little, and some never
        // do anything.
        match number % 4 {
            0 => drop(other.get("/livez").is(200)),
            1 => other.send(b"GET /livez HTTP/1.1\r\nHost: loc").expect("it reads"),
            2 => other.send(announced(number / 4).as_bytes()).expect("it reads"),
            _ => {}
        }
        others.push(other);
    }
    let mut slow: Vec<Line> = (0..SLOW).map(|_| server.line()).collect();
    let body = r#"{"amount":1}"#;
    let deposit = request("POST", "/v1/accounts/a/deposits", &[], body);
    let (last, bytes) = deposit.as_bytes().split_last().expect("it is not empty");
    let mut paid = 0;
    for byte in bytes {
        for slow in &mut slow {
            slow.send(&[*byte]).expect("it reads");
        }
        let told = line.post("/v1/accounts/a/deposits", body).is(201);
        paid += 1;
        assert_eq!(told["balance_after"], paid.to_string(), "none of the others has asked");
    }
    println!("{} MiB with {} connections", server.memory_mib(), server.sockets());
    // Half of the slow ones come to an end, and the others vanish before theirs.
    drop(slow.split_off(SLOW / 2));
    for slow in &mut slow {
        slow.send(&[*last]).expect("it reads");
        slow.hear().expect("it answers").is(201);
        paid += 1;
    }
    let many = request("GET", "/v1/accounts/a", &[], "").repeat(20);
    for other in others.iter_mut().step_by(4) {
        other.get("/livez").is(200);
        // These do not wait to be answered.
        other.send(many.as_bytes()).expect("it reads");
    }
    drop((others, slow));
    all_have_gone(&server, &mut line, before);
    assert_eq!(line.get("/v1/accounts/a").is(200)["balance"], paid.to_string());
    assert!(server.stop().status.success());
}
