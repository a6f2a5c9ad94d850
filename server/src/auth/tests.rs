use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn header(token: &str) -> Vec<u8> {
    format!("Bearer {token}").into_bytes()
}

fn admin(dir: &Path) -> String {
    std::fs::read_to_string(dir.join(ADMIN_TOKEN_FILE)).unwrap().trim().to_owned()
}

#[test]
fn the_first_start_writes_a_private_admin_token_and_the_second_keeps_it() {
    let dir = tempfile::tempdir().unwrap();
    Tokens::open(dir.path()).unwrap();
    let token = admin(dir.path());
    let mode = std::fs::metadata(dir.path().join(ADMIN_TOKEN_FILE)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let tokens = Tokens::open(dir.path()).unwrap();
    assert_eq!(admin(dir.path()), token);
    assert!(tokens.allow(Some(&header(&token)), Scope::Admin, None).is_ok());
    assert!(tokens.allow(Some(&header(&token)), Scope::Append, None).is_ok());
}

#[test]
fn an_admin_token_that_others_can_read_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    Tokens::open(dir.path()).unwrap();
    let path = dir.path().join(ADMIN_TOKEN_FILE);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(Tokens::open(dir.path()), Err(TokenError::Exposed { mode: 0o640, .. })));
}

#[test]
fn scopes_and_ledgers_bound_what_a_token_may() {
    let dir = tempfile::tempdir().unwrap();
    let ledgers = Some(vec!["orders".to_owned(), "tenant.*".to_owned()]);
    let append = create_token(dir.path(), "writer", &[Scope::Append], ledgers, None).unwrap();
    let tokens = Tokens::open(dir.path()).unwrap();
    let ask = |scope, ledger: &str| {
        tokens
            .allow(Some(&header(&append)), scope, Some(&LedgerName::new(ledger).unwrap()))
            .map(|caller| caller.principal().name().to_owned())
    };
    assert_eq!(ask(Scope::Append, "orders").unwrap(), "writer");
    assert_eq!(ask(Scope::Append, "tenant.a").unwrap(), "writer");
    assert_eq!(ask(Scope::Append, "orders2"), Err(Denied::Ledger));
    assert_eq!(ask(Scope::Read, "orders"), Err(Denied::Scope(Scope::Read)));
    assert_eq!(ask(Scope::Admin, "orders"), Err(Denied::Scope(Scope::Admin)));
}

#[test]
fn the_file_holds_no_token_and_a_revoked_one_stops_working() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = Tokens::open(dir.path()).unwrap();
    let token = create_token(dir.path(), "reader", &[Scope::Read], None, None).unwrap();
    let text = std::fs::read_to_string(dir.path().join(TOKENS_FILE)).unwrap();
    assert!(!text.contains(&token));
    assert_eq!(tokens.caller(Some(&header(&token))).err(), Some(Denied::Unknown));
    assert!(tokens.refresh().unwrap());
    assert!(tokens.allow(Some(&header(&token)), Scope::Read, None).is_ok());
    assert!(revoke_token(dir.path(), "reader").unwrap());
    assert!(!revoke_token(dir.path(), "reader").unwrap());
    assert!(tokens.refresh().unwrap());
    assert!(!tokens.refresh().unwrap());
    assert_eq!(tokens.caller(Some(&header(&token))).err(), Some(Denied::Unknown));
}

#[test]
fn a_broken_token_file_keeps_the_tokens_of_before() {
    let dir = tempfile::tempdir().unwrap();
    let token = create_token(dir.path(), "reader", &[Scope::Read], None, None).unwrap();
    let tokens = Tokens::open(dir.path()).unwrap();
    std::fs::write(dir.path().join(TOKENS_FILE), "{").unwrap();
    assert!(tokens.refresh().is_err());
    assert!(tokens.allow(Some(&header(&token)), Scope::Read, None).is_ok());
}

#[test]
fn only_a_bearer_header_counts() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = Tokens::open(dir.path()).unwrap();
    let token = admin(dir.path());
    for missing in ["", "Bearer", "Bearer ", "Basic abc", &token] {
        assert_eq!(
            tokens.caller(Some(missing.as_bytes())).err(),
            Some(Denied::Missing),
            "{missing}"
        );
    }
    assert_eq!(tokens.caller(None).err(), Some(Denied::Missing));
    assert_eq!(tokens.caller(Some(&header(&"x".repeat(300)))).err(), Some(Denied::Unknown));
    assert!(tokens.caller(Some(format!("bEARER  {token} ").as_bytes())).is_ok());
}

#[test]
fn names_of_tokens_are_unique() {
    let dir = tempfile::tempdir().unwrap();
    create_token(dir.path(), "a", &[Scope::Read], None, None).unwrap();
    for bad in ["a", "", "b\n", "admin.token"] {
        assert!(create_token(dir.path(), bad, &[Scope::Read], None, None).is_err(), "{bad:?}");
    }
    assert!(create_token(dir.path(), "b", &[], None, None).is_err());
}

/// Writes a file of so many tokens and gives their texts back.
fn many(dir: &Path, count: usize) -> Vec<String> {
    let tokens: Vec<String> = (0..count).map(|number| format!("indelible_{number:043}")).collect();
    let stored = |(number, token): (usize, &String)| {
        let sha256 = indelible_core::hash::Sha256Hash(Sha256::digest(token.as_bytes()).into());
        serde_json::json!({
            "name": format!("token {number}"), "sha256": sha256.to_hex(), "scopes": ["append"],
            "ledgers": [format!("t{number}.*")], "tenant": format!("t{number}"),
        })
    };
    let list: Vec<_> = tokens.iter().enumerate().map(stored).collect();
    let text = serde_json::to_vec_pretty(&serde_json::json!({ "tokens": list })).unwrap();
    std::fs::write(dir.join(TOKENS_FILE), text).unwrap();
    tokens
}

#[test]
fn ten_thousand_tokens_are_each_known_by_their_own_name_and_no_other_is() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = many(dir.path(), 10_000);
    let known = Tokens::open(dir.path()).unwrap();
    for (number, token) in tokens.iter().enumerate() {
        let caller = known.caller(Some(&header(token))).unwrap();
        assert_eq!(caller.principal().name(), format!("token {number}"));
        assert_eq!(caller.principal().tenant().unwrap().as_str(), format!("t{number}"));
        assert!(!caller.has(Scope::Read));
    }
    let unknown = format!("indelible_{:043}", 10_000);
    assert_eq!(known.caller(Some(&header(&unknown))).err(), Some(Denied::Unknown));
    // One more is made, and one is revoked, while they are in use.
    let token = create_token(dir.path(), "one more", &[Scope::Read], None, None).unwrap();
    assert!(revoke_token(dir.path(), "token 7").unwrap());
    assert!(known.refresh().unwrap());
    assert!(known.caller(Some(&header(&token))).is_ok());
    assert_eq!(known.caller(Some(&header(&tokens[7]))).err(), Some(Denied::Unknown));
    assert!(known.caller(Some(&header(&tokens[8]))).is_ok());
}

#[test]
fn more_tokens_than_the_limit_are_refused_with_it() {
    let dir = tempfile::tempdir().unwrap();
    many(dir.path(), TOKENS_MAX);
    assert!(Tokens::open(dir.path()).is_ok());
    let full = create_token(dir.path(), "one more", &[Scope::Read], None, None).unwrap_err();
    assert!(full.to_string().contains(&TOKENS_MAX.to_string()), "{full}");
    many(dir.path(), TOKENS_MAX + 1);
    let refused = Tokens::open(dir.path()).unwrap_err();
    assert!(refused.to_string().contains(&TOKENS_MAX.to_string()), "{refused}");
}

#[test]
fn a_file_that_does_not_tell_who_is_who_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let one = |name: &str, sha256: &str, more: &str| {
        format!(r#"{{"name":"{name}","sha256":"{}","scopes":["read"]{more}}}"#, sha256.repeat(64))
    };
    for (tokens, why) in [
        (one("a", "1", "") + "," + &one("a", "2", ""), "named"),
        (one("a", "1", "") + "," + &one("b", "1", ""), "hash"),
        (one("admin.token", "1", ""), "named"),
        (one("a\\n", "1", ""), "control characters"),
        (one("a", "1", r#","tenant":"a.b""#), "tenant"),
    ] {
        std::fs::write(dir.path().join(TOKENS_FILE), format!(r#"{{"tokens":[{tokens}]}}"#))
            .unwrap();
        let refused = Tokens::open(dir.path()).unwrap_err().to_string();
        assert!(refused.contains(why), "{refused}");
    }
}
