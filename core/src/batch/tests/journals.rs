//! Files that are not journals, are damaged or in use, and a full disk.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;

use super::service::{BASE_URL, Fault, SECOND, Service, SimulatedClient, invite};
use crate::argument::NameStyle;
use crate::batch::journal::{Journal, Opening, faults};
use crate::batch::{Batch, BatchItem, CandidateRequest, StatusRequest};
use crate::error::{Error, ErrorKind};
use crate::pacing::RateLimits;
use crate::request::JobPositionId;

fn client(service: &Arc<Service>) -> Arc<SimulatedClient> {
    service.attach();
    SimulatedClient::new(service, Some(RateLimits::default()))
}

async fn open(path: &Path, batch_id: Option<&str>) -> Result<Batch, Error> {
    let service = Service::with(20, "new");
    let mut builder = client(&service).batch((0..20).map(invite)).journal(path);
    if let Some(id) = batch_id {
        builder = builder.batch_id(id);
    }
    builder.start().await
}

async fn finish(mut batch: Batch) -> Vec<BatchItem> {
    let mut items = Vec::new();
    while let Some(item) = batch.next().await {
        items.push(item);
    }
    items
}

#[tokio::test(start_paused = true)]
async fn a_file_that_cannot_be_the_batchs_journal_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    let good =
        format!(r#"{{"format":"celper batch journal","version":1,"batch_id":"spring","base_url":"{BASE_URL}"}}"#);
    let refused = [
        ("candidate,position\n1,2\n".to_owned(), "is not a journal"),
        ("candidate,position".to_owned(), "is not a journal"),
        ("{}\n".to_owned(), "is not a journal"),
        (good.replace(":1,", ":2,") + "\n", "another version"),
        (good.replace(":1,", r#":"new","#) + "\n", "another version"),
        (good.replace("spring", "autumn") + "\n", r#"belongs to the batch "autumn", and batch_id is "spring""#),
        (good.replace(BASE_URL, "https://api.celper.ai") + "\n", "belongs to a batch at https://api.celper.ai"),
        (good.clone() + "\n{\"request\":1}\n{}\n", "is damaged in line 2"),
        (good.clone() + "\nnonsense\n", "is damaged in line 2"),
    ];
    for (text, problem) in refused {
        fs::write(&path, &text).unwrap();
        let error = open(&path, Some("spring")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.message().contains(problem), "{error}");
        assert!(error.message().starts_with(&format!("journal {}", path.display())), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    let error = open(folder.path(), None).await.unwrap_err();
    assert!(error.message().contains("is not a regular file"), "{error}");
    let error = open(&folder.path().join("no/such/folder"), None).await.unwrap_err();
    assert!(error.message().contains("cannot be opened"), "{error}");
    for id in ["", "a\nb", &"x".repeat(256)] {
        let error = open(&path, Some(id)).await.unwrap_err();
        assert!(error.message().starts_with("batch_id must be"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_header_that_was_torn_is_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    for torn in ["", "{\"form", "{\"format\":\"celper batch journal\",\"vers", "\0\0\0\0"] {
        fs::write(&path, torn).unwrap();
        let batch = open(&path, Some("spring")).await.unwrap();
        assert_eq!(finish(batch).await.len(), 20, "{torn}");
        assert!(fs::read_to_string(&path).unwrap().starts_with("{\"format\":\"celper batch journal\",\"version\":1,"));
    }
}

#[tokio::test(start_paused = true)]
async fn two_batches_do_not_share_a_journal_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    let first = open(&path, None).await.unwrap();
    let error = open(&path, None).await.unwrap_err();
    assert!(error.message().contains("is in use by another batch"), "{error}");
    let id = first.batch_id().unwrap().to_owned();
    assert_eq!(finish(first).await.len(), 20);
    // As soon as the first one has ended. The batch id is the journal's.
    let second = open(&path, None).await.unwrap();
    assert_eq!(second.batch_id(), Some(&*id));
    assert_eq!(finish(second).await.iter().filter(|item| item.resumed).count(), 20);
    // One that was dropped a moment before still closes it.
    drop(open(&path, None).await.unwrap());
    assert_eq!(finish(open(&path, None).await.unwrap()).await.len(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_journal_has_ids_and_keys_and_no_email_and_is_private() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    let service = Service::with(2, "new");
    service.set_status("c1", "rejected");
    let rows = (0..2).map(|nth| invite(nth).email_subject("SUBJECT").email_body("BODY"));
    let items = finish(client(&service).batch(rows).journal(&path).start().await.unwrap()).await;
    let text = fs::read_to_string(&path).unwrap();
    assert!(!text.contains("SUBJECT") && !text.contains("BODY") && !text.contains("celp_secret"), "{text}");
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 5);
    for item in &items {
        let mut of_item = lines.iter().filter(|line| line["candidate_id"] == item.candidate_id());
        let (started, ended) = (of_item.next().unwrap(), of_item.next().unwrap());
        let key = item.idempotency_key.as_deref().unwrap();
        assert_eq!((&started["event"], &started["idempotency_key"]), (&"started".into(), &key.into()));
        assert_eq!(ended["event"], if item.result.is_ok() { "done" } else { "failed" });
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_ends_the_batch_and_nothing_is_sent_that_is_not_in_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    for space in [0, 10, 1_000, 3_000, 9_000] {
        let path = folder.path().join(format!("{space}.jsonl"));
        let service = Service::with(90, "new");
        let batch = client(&service).batch((0..90).map(invite)).batch_id("spring").journal(&path);
        let batch = batch.start().await.unwrap();
        faults::SPACE.lock().unwrap().insert(path.clone(), space);
        let items = finish(batch).await;
        assert_eq!(items.len(), 90);
        let text = fs::read_to_string(&path).unwrap();
        let acted = (0..90).filter(|nth| service.candidate(&format!("c{nth}")).acts == 1);
        let started =
            |nth: &usize| text.contains(&format!("\"c{nth}\",\"job_position_id\":\"p\",\"event\":\"started\""));
        let acted: Vec<_> = acted.collect();
        assert!(acted.iter().all(started), "{acted:?} {text}");
        let last = items.iter().find(|item| item.not_attempted).unwrap().result.as_ref().unwrap_err();
        assert!(last.kind() == ErrorKind::InvalidArgument && last.message().contains(".jsonl"), "{last}");
        assert!(last.message().contains("no storage space"), "{last}");
        // With room again, the next run does the rest.
        faults::SPACE.lock().unwrap().remove(&path);
        tokio::time::sleep(60 * SECOND).await;
        let batch =
            client(&service).batch((0..90).map(invite)).batch_id("spring").journal(&path).start().await.unwrap();
        assert!(finish(batch).await.iter().all(|item| item.result.is_ok()));
        assert!((0..90).all(|nth| service.candidate(&format!("c{nth}")).acts == 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_another_program_changes_ends_the_batch() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    finish(open(&path, None).await.unwrap()).await;
    let batch = open(&path, None).await.unwrap();
    fs::write(&path, "something else").unwrap();
    let items = finish(batch).await;
    assert!(items.len() == 20 && items.iter().all(|item| item.result.is_err()), "{items:?}");
}

/// A journal with all kinds of lines.
async fn finished_journal(path: &Path) -> Vec<u8> {
    let service = Service::with(4, "new");
    service.set_status("c1", "rejected");
    service.fails(|id, _| if id == "c2" { Fault::Responds(500) } else { Fault::None });
    let rows = (0..3).map(|nth| invite(nth).into()).chain([StatusRequest::new("c3", JobPositionId("p")).into()]);
    let rows: Vec<CandidateRequest> = rows.collect();
    finish(client(&service).batch(rows).journal(path).start().await.unwrap()).await;
    fs::read(path).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_ends_anywhere_is_continued() {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let path = folder.path().join("journal.jsonl");
    let text = finished_journal(&path).await;
    for length in 0..=text.len() {
        fs::write(&path, &text[..length]).unwrap();
        let opening =
            Opening { path: path.clone(), batch_id: None, base_url: BASE_URL.to_owned(), names: NameStyle::Snake };
        Journal::open(opening).await.unwrap().close().await;
        // What was whole is kept, and only that.
        let whole = text[..length].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let kept = fs::read(&path).unwrap();
        assert!(if whole == 0 { kept.ends_with(b"\n") } else { kept == text[..whole] }, "{length}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_damaged_journal_is_continued_or_refused(at in 0usize..10_000, byte: u8, zeros in 0usize..3) {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let path = folder.path().join("journal.jsonl");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            static TEXT: tokio::sync::OnceCell<Vec<u8>> = tokio::sync::OnceCell::const_new();
            let mut text = TEXT.get_or_init(|| finished_journal(&path)).await.clone();
            let at = at % text.len();
            text[at] = byte;
            text.resize(text.len() + zeros, 0);
            fs::write(&path, &text).unwrap();
            match open(&path, None).await {
                Ok(batch) => assert_eq!(finish(batch).await.len(), 20),
                Err(error) => assert_eq!(error.kind(), ErrorKind::InvalidArgument),
            }
        });
    }
}
