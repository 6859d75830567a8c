//! The program, and the lifetime of a sandbox.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use celper_sandbox::DEFAULT_KEY;
use serde_json::{Value, json};

struct Program {
    child: Child,
    announced: Value,
    rest: BufReader<std::process::ChildStdout>,
}

impl Program {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_celper-sandbox"))
            .args(["--port", "0", "--exit-with-parent"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut rest = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        rest.read_line(&mut line).unwrap();
        let announced = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        Self { child, announced, rest }
    }

    fn text(&self, name: &str) -> &str {
        self.announced[name].as_str().unwrap()
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.text("address")).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {}\r\nConnection: close\r\n\r\n",
            self.text("api_key")
        )
        .unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        response
    }

    /// Closes its standard input, waits for its exit, and returns whether it succeeded and what else it printed.
    fn end(mut self) -> (bool, String) {
        drop(self.child.stdin.take());
        let success = self.child.wait().unwrap().success();
        let mut printed = String::new();
        self.rest.read_to_string(&mut printed).unwrap();
        (success, printed)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // The program still runs only if a test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn announces_its_address_serves_and_exits_with_its_parent() {
    let program = Program::start(&[]);
    let names: Vec<_> = program.announced.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["address", "api_key", "base_url", "ca_certificate", "proxy_url"]);
    assert_eq!(program.text("base_url"), format!("http://{}", program.text("address")));
    assert_eq!(program.text("api_key"), DEFAULT_KEY);
    assert_eq!((&program.announced["ca_certificate"], &program.announced["proxy_url"]), (&Value::Null, &Value::Null));
    assert!(program.get("/_sandbox/health").ends_with("{\"status\":\"ok\"}"));
    assert!(program.get("/v1/candidates/ada/status?jobPositionId=pos").starts_with("HTTP/1.1 404 "));
    assert_eq!(program.end(), (true, String::new()));
}

#[test]
fn accepts_its_options() {
    let program = Program::start(&[
        "--reads",
        "4",
        "--actions",
        "3",
        "--total",
        "6",
        "--window",
        "2.5",
        "--key",
        "first",
        "--key",
        "second",
        "--proxy",
    ]);
    assert_eq!(program.text("api_key"), "first");
    assert!(program.text("proxy_url").starts_with("http://127.0.0.1:"));
    let response = program.get("/_sandbox/windows");
    let windows: Value = serde_json::from_str(response.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    let limits: Vec<_> = ["reads", "actions", "total"].map(|name| windows[name]["limit"].clone()).to_vec();
    assert_eq!((limits, &windows["window"]), (vec![json!(4), json!(3), json!(6)], &json!(2.5)));

    let program = Program::start(&["--tls"]);
    assert!(program.text("base_url").starts_with("https://127.0.0.1:"));
    assert!(program.text("ca_certificate").starts_with("-----BEGIN CERTIFICATE-----"));
}

#[test]
fn limits_and_log_can_be_turned_off() {
    let program = Program::start(&["--no-limits", "--no-log"]);
    for _ in 0..100 {
        let response = program.get("/v1/candidates/ada/status?jobPositionId=pos");
        assert!(response.starts_with("HTTP/1.1 404 ") && !response.contains("x-ratelimit"), "{response}");
    }
    assert!(program.get("/_sandbox/requests").ends_with("[]"));
}

#[test]
fn refuses_invalid_arguments() {
    for arguments in [
        ["--window", "0"],
        ["--window", "soon"],
        ["--port", "70000"],
        ["--proxy-auth", "a:b"],
        ["--frob", "1"],
        ["--key", ""],
        ["--key", " "],
        ["--server-name", ""],
        ["--server-name", "https://sandbox.internal"],
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_celper-sandbox"));
        // Its input is at its end: if it starts nevertheless, it exits at once.
        let output = command.arg("--exit-with-parent").args(arguments).output().unwrap();
        assert!(!output.status.success(), "{arguments:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty());
    }
}

#[cfg(unix)]
#[test]
fn exits_on_sigterm() {
    let mut program = Program::start(&[]);
    let id = program.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert!(program.child.wait().unwrap().success());
}

/// As when a process that the parent forked outlives it with all its open files.
#[cfg(unix)]
#[test]
fn exits_with_its_parent_even_if_its_input_stays_open() {
    let mut parent = Command::new("sh")
        .args(["-c", "\"$0\" --port 0 --exit-with-parent <&0 & wait", env!("CARGO_BIN_EXE_celper-sandbox")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let held_open = parent.stdin.take().unwrap();
    let mut printed = BufReader::new(parent.stdout.take().unwrap());
    printed.read_line(&mut String::new()).unwrap();
    parent.kill().unwrap();
    parent.wait().unwrap();
    let mut rest = String::new();
    printed.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
    drop(held_open);
}

/// On an address that no other test uses: another test could get the same port.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn stops_when_it_is_dropped() {
    let host = std::net::Ipv4Addr::new(127, 77, 0, 1).into();
    let sandbox = celper_sandbox::Sandbox::start(celper_sandbox::Options { host, ..Default::default() }).await.unwrap();
    let address = sandbox.address();
    assert_eq!(sandbox.base_url(), format!("http://{address}"));
    let mut connection = crate::support::Connection::open(address).await;
    connection.call(&crate::support::status("ada")).await;
    drop(sandbox);
    connection.until_closed().await.1.unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn two_sandboxes_are_independent() {
    let (one, other) = (crate::support::TestEnv::new().await, crate::support::TestEnv::new().await);
    one.candidate("ada", "new", false).await;
    assert_eq!(other.get("candidates").await, json!([]));
}
