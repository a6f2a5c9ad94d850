//! First and second start, and starts that are refused.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;

use indelible_core::key::VKey;
use indelible_core::name::ServerName;
use indelible_ledger::{LocalEd25519, Signer as _, SignerName};
use indelible_server::auth::Scope;
use indelible_server::config::Config;
use indelible_server::{ServeError, start};

use crate::support::{Server, config};

async fn refusal(config: Config) -> String {
    start(config).await.map(drop).unwrap_err().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_start_makes_everything_and_the_second_finds_it_again() {
    let server = Server::with_ledger().await;
    let data = server.running.data_dir().to_owned();
    for (file, mode) in [("signing.key", 0o600), ("admin.token", 0o600)] {
        let found = std::fs::metadata(data.join(file)).unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "{file}");
    }
    let greeting = server.running.greeting();
    for told in
        ["admin.token", "public.vkey", "made just now", "indelible append demo", "indelible-verify"]
    {
        assert!(greeting.contains(told), "{greeting}");
    }
    let (vkey, token, dir) = (server.running.vkey().to_owned(), server.token.clone(), server.dir);
    server.running.stop().await;
    let again = start(config(&dir)).await.unwrap();
    assert_eq!(again.vkey(), vkey);
    assert!(!again.greeting().contains("made just now"));
    let url = format!("http://{}/v1/ledgers/demo", again.address());
    let answer = reqwest::Client::new().get(url).bearer_auth(token).send().await.unwrap();
    assert!(answer.status().is_success());
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_greeting_names_the_public_key_of_every_signer() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(&dir);
    let keys = ["east", "west"].map(|name| {
        let (key, path) = (LocalEd25519::generate().unwrap(), dir.path().join(name));
        key.save(&path).unwrap();
        config.signers.push((SignerName::new(name).unwrap(), path));
        VKey::new("localhost", key.note_key()).unwrap().to_string()
    });
    let running = start(config).await.unwrap();
    let greeting = running.greeting();
    for (name, key) in ["east", "west"].iter().zip(keys) {
        assert!(greeting.contains(&key), "{key}: {greeting}");
        assert!(greeting.contains(&format!("public.{name}.vkey")), "{greeting}");
    }
    assert!(greeting.contains(running.vkey()), "{greeting}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reachable_address_is_refused_without_leave() {
    let dir = tempfile::tempdir().unwrap();
    let mut open = config(&dir);
    open.listen.address = SocketAddr::from(([0, 0, 0, 0], 0));
    assert!(refusal(open.clone()).await.contains("no TLS"));
    assert!(!open.data_dir.exists(), "nothing is made by a start that is refused");
    open.listen.allow_remote = true;
    start(open).await.unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_name_or_key_than_that_of_the_first_start_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut named = config(&dir);
    named.server_name = Some(ServerName::new("ledger.example.com").unwrap());
    let running = start(named.clone()).await.unwrap();
    assert!(running.vkey().starts_with("ledger.example.com+"));
    let data = running.data_dir().to_owned();
    running.stop().await;
    named.server_name = Some(ServerName::new("other.example.com").unwrap());
    assert!(refusal(named).await.contains("ledger.example.com"));
    // Left out, it is that of the first start.
    let running = start(config(&dir)).await.unwrap();
    assert!(running.vkey().starts_with("ledger.example.com+"));
    running.stop().await;
    let key = data.join("signing.key");
    std::fs::rename(&key, data.join("away")).unwrap();
    assert!(refusal(config(&dir)).await.contains("put the key back"));
    std::fs::rename(data.join("away"), &key).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(start(config(&dir)).await.map(drop), Err(ServeError::Folder(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_or_folder_that_is_taken_is_said_plainly() {
    let server = Server::start().await;
    let mut second = config(&server.dir);
    assert!(refusal(second.clone()).await.contains("in use by another process"));
    let other = tempfile::tempdir().unwrap();
    second.data_dir = other.path().join("data");
    second.listen.address = server.running.address();
    assert!(matches!(start(second).await.map(drop), Err(ServeError::Listen { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_inside_is_told_without_paths_and_advice_except_to_an_admin() {
    let server = Server::with_ledger().await;
    let reader = server.token("reader", &[Scope::Read, Scope::Append], None).await;
    let data = server.running.data_dir().to_owned();
    std::fs::rename(data.join("db"), data.join("elsewhere")).unwrap();
    let event = || serde_json::json!({ "event": {} });
    // The first finds out, the second finds it known.
    let mut texts = Vec::new();
    for _ in 0..2 {
        let request = server.http.post(server.url("/v1/ledgers/demo/events")).bearer_auth(&reader);
        let answer = request.json(&event()).send().await.unwrap();
        assert_eq!(answer.status(), 503);
        texts.push(answer.text().await.unwrap());
    }
    for path in ["/readyz", "/v1/ledgers/demo/events"] {
        let without = server.http.get(server.url("/readyz")).send().await.unwrap();
        let with = server.http.get(server.url(path)).bearer_auth(&reader).send().await.unwrap();
        for answer in [without, with] {
            assert_eq!(answer.status(), 503, "{path}");
            texts.push(answer.text().await.unwrap());
        }
    }
    for text in texts {
        let path = data.display().to_string();
        for told in
            [path.as_str(), "lock", "database's", "stop the server", "restart", "put the folder"]
        {
            assert!(!text.contains(told), "{told} in {text}");
        }
    }
    let admin = server.get("/readyz").await.text().await.unwrap();
    assert!(admin.contains("put the folder back"), "{admin}");
}
