//! How it starts, and why it does not.

use tempfile::TempDir;

use crate::ground::Server;

#[test]
fn a_second_server_over_one_folder_says_why_it_does_not_start() {
    let folder = TempDir::new().expect("a folder");
    let first = Server::start(folder.path(), &[]);
    let second = Server::try_start(folder.path(), &["--listen", "127.0.0.1:0"]);
    let ended = second.err().expect("there is one already");
    assert!(ended.status.code().is_some_and(|code| code != 0), "{}", ended.status);
    let sentence = ended.said.lines().last().expect("it says why");
    assert!(sentence.starts_with("quipu: ") && sentence.contains("data"), "{sentence}");
    first.line().get("/v1/info").is(200);
}

#[test]
fn an_address_that_is_taken_is_said() {
    let folder = TempDir::new().expect("a folder");
    let first = Server::start(folder.path(), &[]);
    let other = TempDir::new().expect("a folder");
    let second = Server::try_start(other.path(), &["--listen", &first.at().to_string()]);
    let ended = second.err().expect("the port is taken");
    assert!(ended.status.code().is_some_and(|code| code != 0), "{}", ended.status);
    assert!(ended.said.contains(&first.at().to_string()), "{}", ended.said);
    assert!(!other.path().join("data").exists(), "it has left something behind");
}

#[test]
fn without_a_key_nobody_comes_in_from_elsewhere() {
    let folder = TempDir::new().expect("a folder");
    let server = Server::try_start(folder.path(), &["--listen", "0.0.0.0:0"]);
    let server = server.ok().expect("it starts");
    let mut line = server.line();
    for path in ["/v1/info", "/v1/accounts", "/v1/admin/keys", "/v1/nothing"] {
        let told = line.get(path);
        assert!(told.header("www-authenticate").is_some() || told.status == 404, "{told:?}");
        assert!(path == "/v1/nothing" || told.status == 401, "{path}: {told:?}");
    }
    for path in ["/v1/accounts", "/v1/admin/keys"] {
        assert_eq!(
            line.post(path, r#"{"scopes":["operator"]}"#).is(401)["code"],
            "unauthenticated"
        );
    }
    line.get("/livez").is(200);
    assert!(server.stop().said.contains("nobody is let in"));
}
