//! `POST .../archive` and the schedule.

use std::time::Duration;

use indelible_archiver::{DirectoryVault, Vault};
use indelible_core::name::LedgerName;
use serde_json::json;

use crate::support::{Server, assert_problem};

fn files(dir: &std::path::Path) -> usize {
    std::fs::read_dir(dir).map_or(0, |all| {
        all.flatten().filter(|f| !f.file_name().to_string_lossy().starts_with('.')).count()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_is_written_on_request_and_a_second_run_changes_nothing() {
    let server = Server::with_ledger().await;
    server.append_lines("{\"event\":{}}\n".repeat(500)).await;
    let vault = server.dir.path().join("vault");
    let ask = || server.post("/v1/ledgers/demo/archive", json!({ "to": vault }));
    let first = ask().await;
    assert_eq!(first.status().as_u16(), 200);
    let first: serde_json::Value = first.json().await.unwrap();
    assert_eq!((&first["records"], &first["segments"]), (&json!(501), &json!(1)));
    assert_eq!(files(&vault.join("demo")), 2);
    let second: serde_json::Value = ask().await.json().await.unwrap();
    assert_eq!(second["segments"], 0);
    assert_eq!(files(&vault.join("demo")), 2);
    assert_eq!((&second["archived"], &second["size"]), (&json!(501), &json!(501)));
    assert_eq!(server.get_json("/v1/ledgers/demo").await["size"], 501, "nothing was appended");

    // With something new, the ledger says what was archived before, and ships that too.
    server.append_lines("{\"event\":{}}\n").await;
    let third: serde_json::Value = ask().await.json().await.unwrap();
    assert_eq!((&third["records"], &third["segments"]), (&json!(2), &json!(1)));
    assert_eq!((&third["archived"], &third["size"]), (&json!(503), &json!(503)));
    let told = server.get_json("/v1/ledgers/demo/events/502").await;
    assert_eq!(told["system"]["kind"], "segment_archived");
    assert_eq!(told["system"]["last_seq"], 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_outside_of_the_folders_of_the_configuration_is_refused() {
    let allowed = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(other.path(), allowed.path().join("link")).unwrap();
    let dirs = vec![allowed.path().to_owned()];
    let server = Server::start_with(|config| config.archive.dirs_allowed = Some(dirs)).await;
    server.create("demo").await;
    let base = allowed.path().display();
    let ask = |to: String| server.post("/v1/ledgers/demo/archive", json!({ "to": to }));
    assert_eq!(ask(format!("{base}/a/b")).await.status().as_u16(), 200);
    let outside = other.path().join("x").display().to_string();
    for to in [outside, format!("{base}/../x"), format!("{base}/link/x"), "/".into()] {
        assert_problem(ask(to).await, 403, "archive_forbidden").await;
    }
    assert_problem(ask("relative".into()).await, 400, "request_invalid").await;
    let unknown =
        server.post("/v1/ledgers/none/archive", json!({ "to": format!("{base}/c") })).await;
    assert_problem(unknown, 404, "ledger_not_found").await;
    assert_eq!(std::fs::read_dir(other.path()).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schedule_archives_every_ledger_without_being_asked() {
    let dir = tempfile::tempdir().unwrap();
    let vault = dir.path().join("vault");
    let server = Server::start_with(|config| {
        config.archive.vault = Some(vault.clone());
        config.archive.schedule = Some(Duration::from_millis(300));
    })
    .await;
    server.create("a").await;
    server.create("b").await;
    for _ in 0..100 {
        if files(&vault.join("a")) >= 2 && files(&vault.join("b")) >= 2 {
            server.running.stop().await;
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("nothing was archived");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_that_another_archiver_is_writing_to_is_left_to_it() {
    let server = Server::with_ledger().await;
    let path = server.dir.path().join("vault");
    let vault = DirectoryVault::open(&path).unwrap();
    let claim = vault.claim(&LedgerName::new("demo").unwrap()).unwrap();
    let ask = || server.post("/v1/ledgers/demo/archive", json!({ "to": path }));
    assert_problem(ask().await, 409, "archive_running").await;
    assert_eq!(files(&path.join("demo")), 0);
    drop(claim);
    assert_eq!(ask().await.status().as_u16(), 200);
    assert_eq!(files(&path.join("demo")), 2);
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..200 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never: {what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_schedule_is_told_in_metrics_and_readiness_and_goes_on_when_it_can() {
    let dir = tempfile::tempdir().unwrap();
    let vault = dir.path().join("vault");
    std::fs::write(&vault, "in the way").unwrap();
    let server = Server::start_with(|config| {
        config.archive.vault = Some(vault.clone());
        config.archive.schedule = Some(Duration::from_millis(100));
        config.archive.seal_after = Some(Duration::from_millis(1));
        config.listen.metrics_public = true;
    })
    .await;
    server.create("demo").await;
    let shown = async |path: &str| server.get(path).await.text().await.unwrap();
    until("the failure is told", async || shown("/readyz").await.contains("failing")).await;
    let metrics = shown("/metrics").await;
    assert!(metrics.contains("\nindelible_archive_failing 1\n"), "{metrics}");
    assert!(!metrics.contains("\nindelible_archive_failures_total 0\n"), "{metrics}");

    std::fs::remove_file(&vault).unwrap();
    until("it goes on", async || shown("/readyz").await.contains("\"archive\":\"ok\"")).await;
    until("it ships", async || {
        shown("/metrics").await.contains("\nindelible_archived_segments_total 1\n")
    })
    .await;
    let metrics = shown("/metrics").await;
    assert!(!metrics.contains("\nindelible_archive_last_success_seconds 0\n"), "{metrics}");
    assert!(metrics.contains("\nindelible_archived_records_total 1\n"), "{metrics}");
    assert!(metrics.contains("\nindelible_archive_failing 0\n"), "{metrics}");
    server.running.stop().await;
}
