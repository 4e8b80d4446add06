//! What clients may do wrong with HTTP itself, and how the server takes it.

use std::io::{BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};

use crate::ground::{Ground, Told};

fn raw(ground: &Ground, text: &str) -> Option<Told> {
    let mut stream = TcpStream::connect(ground.at()).expect("it listens");
    stream.write_all(text.as_bytes()).expect("it reads");
    stream.shutdown(Shutdown::Write).expect("the sending half ends");
    let told = Told::read(&mut BufReader::new(stream))?;
    // What is no request is answered before there is a route.
    if told.header("x-request-id").is_some() {
        let mut words = text.split(' ');
        let (method, path) = (words.next().expect("a method"), words.next().expect("a path"));
        ground.answered(method, path, &told);
    }
    Some(told)
}

#[test]
fn what_is_not_there_is_a_problem_too() {
    let ground = Ground::new();
    ground.get("/").fails(404, "not_found");
    ground.get("/v1/nothing").fails(404, "not_found");
    let told = ground.ask("DELETE", "/v1/accounts", &[], None);
    let allow = told.header("allow").expect("what is allowed").to_owned();
    assert!(allow.contains("GET") && allow.contains("POST"), "{allow}");
    told.fails(405, "method_not_allowed");
    ground.ask("BREW", "/v1/accounts", &[], None).fails(405, "method_not_allowed");
}

#[test]
fn a_body_has_to_be_json_and_not_too_long() {
    let ground = Ground::new();
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let told = ground.ask("POST", "/v1/accounts", &form, Some("asset=USD"));
    told.fails(415, "unsupported_media_type");
    let utf8 = [("Content-Type", "Application/JSON; charset=utf-8")];
    ground.ask("POST", "/v1/accounts", &utf8, Some(r#"{"asset":"USD"}"#)).is(201);
    let long = format!(r#"{{"asset":"USD","id":"{}"}}"#, "x".repeat(600 << 10));
    ground.post("/v1/accounts", &long).fails(413, "too_large");
    // Without a length, too.
    let mut text = "POST /v1/accounts HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                    Transfer-Encoding: chunked\r\n\r\n"
        .to_owned();
    let chunk = "x".repeat(64 << 10);
    for _ in 0..10 {
        text.push_str(&format!("{:x}\r\n{chunk}\r\n", chunk.len()));
    }
    text.push_str("0\r\n\r\n");
    let mut stream = TcpStream::connect(ground.at()).expect("it listens");
    // It may answer and hang up before all of it was read.
    let _ = stream.write_all(text.as_bytes());
    let told = Told::read(&mut BufReader::new(stream)).expect("an answer");
    ground.answered("POST", "/v1/accounts", &told);
    told.fails(413, "too_large");
}

#[test]
fn a_body_that_was_cut_off_changes_nothing() {
    let ground = Ground::new();
    for sent in ["", "{", r#"{"id":"alice","asset":"USD"}"#] {
        let text = format!(
            "POST /v1/accounts HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{sent}",
            sent.len() + 1
        );
        let told = raw(&ground, &text);
        assert!(told.is_none_or(|told| told.status == 400), "{sent}");
    }
    ground.get("/v1/accounts/alice").fails(404, "not_found");
}

#[test]
fn whoever_has_said_all_is_answered() {
    let ground = Ground::new();
    for number in 0..20 {
        let body = format!(r#"{{"id":"said-{number}","asset":"USD"}}"#);
        let len = body.len();
        let text = format!(
            "POST /v1/accounts HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len}\r\n\r\n{body}"
        );
        let told = raw(&ground, &text).expect("an answer, though it will not ask again");
        assert_eq!(told.status, 201);
    }
}

#[test]
fn requests_come_one_behind_the_other_on_one_connection() {
    let ground = Ground::new();
    let mut text = String::new();
    for number in 0..50 {
        let body = format!(r#"{{"id":"t{number}"}}"#);
        let len = body.len();
        text.push_str(&format!(
            "POST /v1/accounts HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len}\r\n\r\n{body}"
        ));
        text.push_str("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
    }
    let mut stream = TcpStream::connect(ground.at()).expect("it listens");
    stream.write_all(text.as_bytes()).expect("it reads");
    let mut stream = BufReader::new(stream);
    for _ in 0..50 {
        let told = Told::read(&mut stream).expect("an answer");
        ground.answered("POST", "/v1/accounts", &told);
        told.fails(400, "malformed");
        Told::read(&mut stream).expect("an answer").is(200);
    }
}

#[test]
fn an_old_client_is_answered() {
    let ground = Ground::new();
    raw(&ground, "GET /livez HTTP/1.0\r\n\r\n").expect("an answer").is(200);
    assert!(raw(&ground, "NOT HTTP\r\n\r\n").is_none_or(|told| told.status == 400));
    let long = format!(
        "GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Long: {}\r\n\r\n",
        "x".repeat(1 << 20)
    );
    let mut stream = TcpStream::connect(ground.at()).expect("it listens");
    let _ = stream.write_all(long.as_bytes());
    let told = Told::read(&mut BufReader::new(stream));
    assert!(told.is_none_or(|told| told.status == 431), "a head is bounded");
    ground.get("/livez").is(200);
}

#[test]
fn a_client_that_vanishes_leaves_nothing_behind() {
    let ground = Ground::new();
    ground.post("/v1/tickets-none", "{}").fails(404, "not_found");
    for number in 0..50 {
        let body = format!(r#"{{"id":"a{number}","asset":"USD"}}"#);
        let mut stream = TcpStream::connect(ground.at()).expect("it listens");
        let head = "POST /v1/accounts HTTP/1.1\r\nHost: localhost\r\nContent-Length";
        stream.write_all(format!("{head}: {}\r\n\r\n{body}", body.len()).as_bytes()).expect("sent");
        drop(stream);
    }
    // What was asked is carried out or not, and each account is whole.
    let list = ground.get("/v1/accounts?limit=1000").is(200);
    for row in list["data"].as_array().expect("rows") {
        assert_eq!(row["balance"], "0");
    }
}

#[test]
fn a_request_is_named_by_its_sender_or_by_the_server() {
    let ground = Ground::new();
    let told = ground.ask("GET", "/nowhere", &[("X-Request-Id", "mine-1")], None);
    assert_eq!(told.header("x-request-id"), Some("mine-1"));
    assert_eq!(told.json()["request_id"], "mine-1");
    let told = ground.ask("GET", "/livez", &[("X-Request-Id", "not fit")], None);
    let id = told.header("x-request-id").expect("a name").to_owned();
    assert_ne!(id, ground.get("/livez").header("x-request-id").expect("a name"));
}

#[test]
fn it_stops_when_it_has_answered() {
    let mut ground = Ground::new();
    let mut stream = TcpStream::connect(ground.at()).expect("it listens");
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("sent");
    let mut stream = BufReader::new(stream);
    Told::read(&mut stream).expect("an answer").is(200);
    // An idle connection does not keep it.
    ground.restart();
    let mut rest = Vec::new();
    assert_eq!(stream.read_to_end(&mut rest).unwrap_or(0), 0);
    ground.get("/livez").is(200);
}
