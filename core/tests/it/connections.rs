//! Which connection an attempt uses, and how many there are.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use celper::{Client, ConnectionUse, ErrorKind, JobPositionId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio::time::{Instant, sleep};

use crate::raw_server::{FullListener, builder, ignore_all, read_request, respond_to_all, serve, success};

const POSITION: JobPositionId<&str> = JobPositionId("p");

#[tokio::test]
async fn an_address_that_does_not_connect_leaves_time_for_the_next() {
    let full = FullListener::new().await;
    let port = serve(|_, stream| respond_to_all(stream)).await;
    let addresses = [full.port, port].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    let client = Client::builder()
        .api_key("k")
        .base_url("http://two.test")
        .allow_http_hosts(["two.test"])
        .attempt_timeout(Duration::from_secs(3))
        .configure_http(move |http| http.resolve_to_addrs("two.test", &addresses))
        .build()
        .unwrap();
    let started = Instant::now();
    client.reject_candidate("c", POSITION).max_retries(0).await.unwrap();
    // Each address has half of the attempt's time.
    assert!(started.elapsed() >= Duration::from_secs(1), "the first address was not tried");
}

/// The requests that each connection has received.
type RequestLog = Arc<Mutex<Vec<(usize, String)>>>;

#[tokio::test]
async fn silent_pooled_connections_are_not_used_again() {
    let (log, silent) = (RequestLog::default(), Arc::new(AtomicBool::new(false)));
    // The first three requests wait for each other, so that each has a connection of its own.
    let together = Arc::new(Barrier::new(3));
    let port = {
        let (log, silent) = (Arc::clone(&log), Arc::clone(&silent));
        serve(move |number, mut stream| {
            let (log, silent, together) = (Arc::clone(&log), Arc::clone(&silent), Arc::clone(&together));
            async move {
                while let Some(request) = read_request(&mut stream).await {
                    log.lock().unwrap().push((number, request));
                    if number < 3 {
                        if silent.load(Ordering::SeqCst) {
                            continue;
                        }
                        together.wait().await;
                    }
                    stream.write_all(success().as_bytes()).await.unwrap();
                }
            }
        })
        .await
    };
    let by_name = format!("http://localhost:{port}");
    let client = builder(port).base_url(by_name).attempt_timeout(Duration::from_millis(300)).build().unwrap();
    let pooled = tokio::join!(
        client.get_candidate_status("a", POSITION).into_future(),
        client.get_candidate_status("b", POSITION).into_future(),
        client.get_candidate_status("c", POSITION).into_future()
    );
    assert!(pooled.0.is_ok() && pooled.1.is_ok() && pooled.2.is_ok());
    silent.store(true, Ordering::SeqCst);
    log.lock().unwrap().clear();

    let decision = client.reject_candidate("d", POSITION).max_retries(2).await.unwrap();
    let connections: Vec<_> =
        decision.record.iter().flat_map(|record| record.attempts()).map(|it| it.connection).collect();
    assert_eq!(connections[..2], [Some(ConnectionUse::Pooled), Some(ConnectionUse::New)]);
    let numbers: Vec<_> = log.lock().unwrap().drain(..).map(|(number, _)| number).collect();
    assert!(numbers[0] < 3, "the first attempt uses a pooled connection: {numbers:?}");
    assert!(numbers.len() >= 2 && numbers[1..].iter().all(|number| *number >= 3), "{numbers:?}");
    for _ in 0..5 {
        let decision = client.reject_candidate("e", POSITION).await.unwrap();
        assert_eq!(decision.record.unwrap().attempts()[0].connection, Some(ConnectionUse::Pooled));
    }
    let later: Vec<_> = log.lock().unwrap().iter().map(|(number, _)| *number).collect();
    assert!(later.iter().all(|number| *number >= 3), "{later:?}");
}

#[tokio::test]
async fn a_connection_in_use_when_another_failed_is_not_used_again() {
    let log = RequestLog::default();
    let port = {
        let log = Arc::clone(&log);
        serve(move |number, mut stream| {
            let log = Arc::clone(&log);
            async move {
                while let Some(request) = read_request(&mut stream).await {
                    let (slow, lost) = (request.contains("/slow/"), request.contains("/lost/"));
                    log.lock().unwrap().push((number, request));
                    if lost && number == 1 {
                        return;
                    }
                    sleep(Duration::from_millis(if slow { 1_000 } else { 0 })).await;
                    stream.write_all(success().as_bytes()).await.unwrap();
                }
            }
        })
        .await
    };
    let client = builder(port).build().unwrap();
    let slow = tokio::spawn(client.reject_candidate("slow", POSITION).into_future());
    while log.lock().unwrap().is_empty() {
        sleep(Duration::from_millis(1)).await;
    }
    client.reject_candidate("lost", POSITION).await.unwrap();
    slow.await.unwrap().unwrap();
    for _ in 0..5 {
        client.reject_candidate("later", POSITION).await.unwrap();
    }
    let log = log.lock().unwrap();
    let later = log.iter().filter(|(_, request)| request.contains("/later/"));
    assert!(later.clone().count() == 5 && later.clone().all(|(number, _)| *number >= 2), "{log:?}");
}

const TIMED_OUT: &str = "HTTP/1.0 408 Request Time-out\r\nCache-Control: no-cache\r\nConnection: close\r\n\r\n";

/// Reads a request on a fresh connection, sends a success after it, and then a 408 after `wait`: a load balancer that closes
/// an idle connection.
async fn succeed_once_then_408(mut stream: TcpStream, wait: Duration) {
    if read_request(&mut stream).await.is_some() && stream.write_all(success().as_bytes()).await.is_ok() {
        sleep(wait).await;
        let _ = stream.write_all(TIMED_OUT.as_bytes()).await;
        let _ = stream.shutdown().await;
        // Reads on: with unread bytes, closing would reset the connection, and the 408 could be lost.
        while stream.read(&mut [0; 4096]).await.is_ok_and(|read| read > 0) {}
    }
}

#[tokio::test]
async fn a_408_on_an_idle_connection_does_not_fail_the_call() {
    // The 408 arrives before, while and after the second request leaves.
    let rounds = [0, 20, 50, 100, 150, 200, 300, 500, 1_000, 2_000].map(|micros| async move {
        for _ in 0..3 {
            let port = serve(move |_, stream| succeed_once_then_408(stream, Duration::from_micros(micros))).await;
            let client = builder(port).build().unwrap();
            for candidate in ["a", "b"] {
                let result = client.reject_candidate(candidate, POSITION).await;
                assert!(result.is_ok(), "{micros} µs, {candidate}: {result:?}");
            }
        }
    });
    for round in rounds.map(tokio::spawn) {
        round.await.unwrap();
    }
}

#[tokio::test]
async fn a_408_is_retried_on_another_connection() {
    let numbers = Arc::new(Mutex::new(Vec::new()));
    let port = {
        let numbers = Arc::clone(&numbers);
        serve(move |number, mut stream| {
            let numbers = Arc::clone(&numbers);
            async move {
                while read_request(&mut stream).await.is_some() {
                    numbers.lock().unwrap().push(number);
                    // Not closed by the server, so that only the client can decide not to use it again.
                    let response = "HTTP/1.1 408 Request Time-out\r\nContent-Length: 0\r\n\r\n".to_owned();
                    let response = if number == 0 { response } else { success() };
                    stream.write_all(response.as_bytes()).await.unwrap();
                }
            }
        })
        .await
    };
    builder(port).build().unwrap().reject_candidate("c", POSITION).await.unwrap();
    assert_eq!(*numbers.lock().unwrap(), [0, 1]);
}

#[tokio::test]
async fn a_408_without_retries_is_a_connection_error_with_an_unknown_outcome() {
    let port = serve(|_, mut stream| async move {
        assert!(read_request(&mut stream).await.is_some());
        stream.write_all(TIMED_OUT.as_bytes()).await.unwrap();
    })
    .await;
    let client = builder(port).max_retries(0).build().unwrap();
    let action = client.reject_candidate("c", POSITION).await.unwrap_err();
    let read = client.get_candidate_status("c", POSITION).await.unwrap_err();
    for (error, unknown) in [(action, true), (read, false)] {
        let facts = (error.kind(), error.status(), error.outcome_unknown(), error.attempts());
        assert_eq!(facts, (ErrorKind::Connection, Some(408), unknown, 1), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_thousand_calls_open_at_most_256_connections() {
    let (open, peak) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let port = {
        let (open, peak) = (Arc::clone(&open), Arc::clone(&peak));
        serve(move |_, mut stream| {
            let (open, peak) = (Arc::clone(&open), Arc::clone(&peak));
            async move {
                peak.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                while read_request(&mut stream).await.is_some() {
                    sleep(Duration::from_millis(5)).await;
                    if stream.write_all(success().as_bytes()).await.is_err() {
                        break;
                    }
                }
                open.fetch_sub(1, Ordering::SeqCst);
            }
        })
        .await
    };
    let client =
        builder(port).timeout(Duration::from_secs(120)).attempt_timeout(Duration::from_secs(120)).build().unwrap();
    let call = |n: usize| match n % 2 {
        0 => tokio::spawn({
            let call = client.get_candidate_status(format!("c{n}"), POSITION).max_retries(0).into_future();
            async { call.await.map(drop) }
        }),
        _ => tokio::spawn({
            let call = client.reject_candidate(format!("c{n}"), POSITION).max_retries(0).into_future();
            async { call.await.map(drop) }
        }),
    };
    let calls: Vec<_> = (0..3_000).map(call).collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    let peak = peak.load(Ordering::SeqCst);
    assert!((100..=256).contains(&peak), "{peak} connections");
}

#[tokio::test]
async fn a_call_that_gets_no_connection_in_time_says_so() {
    let accepted = Arc::new(AtomicUsize::new(0));
    let port = {
        let accepted = Arc::clone(&accepted);
        serve(move |_, mut stream| {
            let accepted = Arc::clone(&accepted);
            async move {
                if read_request(&mut stream).await.is_some() {
                    accepted.fetch_add(1, Ordering::SeqCst);
                    ignore_all(stream).await;
                }
            }
        })
        .await
    };
    let client = builder(port).max_retries(0).build().unwrap();
    let calls: Vec<_> = (0..128).map(|_| tokio::spawn(client.reject_candidate("c", POSITION).into_future())).collect();
    while accepted.load(Ordering::SeqCst) < 128 {
        sleep(Duration::from_millis(1)).await;
    }
    let error = client.reject_candidate("c", POSITION).timeout(Duration::from_millis(200)).await.unwrap_err();
    // The wait is not an attempt, and attempt_timeout does not bound it.
    assert_eq!((error.kind(), error.outcome_unknown(), error.attempts()), (ErrorKind::Timeout, false, 0));
    let expected = format!("no free connection to 127.0.0.1:{port} within 0.2 s (timeout)");
    assert!(error.message().starts_with(&expected), "{error}");
    // A call that is dropped frees its connection.
    calls[0].abort();
    let error = client.reject_candidate("c", POSITION).timeout(Duration::from_millis(300)).await.unwrap_err();
    assert!(error.message().starts_with("no complete response") && error.outcome_unknown(), "{error}");
    calls.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn a_status_without_the_end_of_its_body_counts_after_two_seconds() {
    // The head is complete, the body is not, and the connection stays open.
    let stall = async |status: &'static str| {
        let port = serve(move |number, mut stream| async move {
            while read_request(&mut stream).await.is_some() {
                let head = if number == 0 { format!("HTTP/1.1 {status}\r\n\r\n") } else { success() };
                stream.write_all(head.as_bytes()).await.unwrap();
            }
        })
        .await;
        let started = Instant::now();
        let result = builder(port).build().unwrap().reject_candidate("c", POSITION).await;
        (result, started.elapsed())
    };
    let ((conflict, conflict_took), (retried, retried_took)) =
        tokio::join!(stall("409 Conflict"), stall("503 Service Unavailable"));
    let error = conflict.unwrap_err();
    let facts = (error.kind(), error.status(), error.outcome_unknown(), error.attempts());
    assert_eq!(facts, (ErrorKind::Conflict, Some(409), false, 1), "{error}");
    assert!(retried.is_ok(), "{retried:?}");
    for took in [conflict_took, retried_took] {
        assert!((2.0..20.0).contains(&took.as_secs_f64()), "{took:?}, not the 30 s of an attempt");
    }
}
