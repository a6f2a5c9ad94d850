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
    let append = create_token(dir.path(), "writer", &[Scope::Append], ledgers).unwrap();
    let tokens = Tokens::open(dir.path()).unwrap();
    let ask = |scope, ledger: &str| {
        tokens
            .allow(Some(&header(&append)), scope, Some(&LedgerName::new(ledger).unwrap()))
            .map(|caller| caller.name().to_owned())
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
    let token = create_token(dir.path(), "reader", &[Scope::Read], None).unwrap();
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
    let token = create_token(dir.path(), "reader", &[Scope::Read], None).unwrap();
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
    create_token(dir.path(), "a", &[Scope::Read], None).unwrap();
    for bad in ["a", "", "b\n"] {
        assert!(create_token(dir.path(), bad, &[Scope::Read], None).is_err(), "{bad:?}");
    }
    assert!(create_token(dir.path(), "b", &[], None).is_err());
}
