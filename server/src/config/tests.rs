use super::*;

#[test]
fn the_explained_file_is_the_default_configuration() {
    let explained = Config::explained_default();
    let mut uncommented = String::new();
    for line in explained.lines() {
        let bare = line.strip_prefix("# ").unwrap_or(line);
        let is_key = bare.split_once(" = ").is_some_and(|(name, _)| {
            KEYS.iter().any(|key| key.path.split_once('.').is_some_and(|(_, n)| n == name))
        });
        // The server's name has no default that could stand there.
        if line.starts_with('[') || (is_key && !bare.starts_with("name ")) {
            uncommented.push_str(bare);
            uncommented.push('\n');
        }
    }
    let mut config = Config::default();
    config.apply_text(&uncommented, "example").unwrap();
    assert_eq!(format!("{config:?}"), format!("{:?}", Config::default()));
    for key in KEYS {
        assert!(explained.contains(key.doc), "{} is not explained", key.path);
    }
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_one() {
    let mut config = Config::default();
    let error = config.apply_text("[limits]\nbody_byte_max = 5\n", "a.toml").unwrap_err();
    assert_eq!(
        error.to_string(),
        "a.toml: unknown key `limits.body_byte_max`; did you mean `limits.body_bytes_max`?"
    );
    for text in ["adress = 1", "[lisen]", "[listen.address]\nx = 1"] {
        assert!(config.apply_text(text, "a.toml").is_err(), "{text}");
    }
}

#[test]
fn a_wrong_value_names_its_place_and_range() {
    let mut config = Config::default();
    let error = config.apply_text("[limits]\nheaders_max = 5", "a.toml").unwrap_err();
    assert_eq!(
        error.to_string(),
        "a.toml: `limits.headers_max` must be an integer from 16 to 1024"
    );
    let error = config
        .apply_env(|name| (name == "INDELIBLE_LISTEN_ADDRESS").then(|| "here".to_owned()))
        .unwrap_err();
    assert!(error.to_string().contains("INDELIBLE_LISTEN_ADDRESS"), "{error}");
}

#[test]
fn the_environment_overrides_the_file() {
    let mut config = Config::default();
    config.apply_text("[listen]\naddress = \"127.0.0.1:1\"", "a.toml").unwrap();
    config
        .apply_env(|name| match name {
            "INDELIBLE_LISTEN_ADDRESS" => Some("127.0.0.1:2".to_owned()),
            "INDELIBLE_ARCHIVE_DIRS" => Some("/a,/b".to_owned()),
            "INDELIBLE_LIMITS_HEADERS_MAX" => Some("99".to_owned()),
            "INDELIBLE_LISTEN_METRICS_PUBLIC" => Some("true".to_owned()),
            _ => None,
        })
        .unwrap();
    assert_eq!(config.listen.address.port(), 2);
    let dirs = [PathBuf::from("/a"), PathBuf::from("/b")];
    assert_eq!(config.archive.dirs_allowed.as_deref(), Some(&dirs[..]));
    assert_eq!(config.limits.headers_max, 99);
    assert!(config.listen.metrics_public);
}

#[test]
fn a_reachable_address_needs_leave() {
    let mut config = Config::default();
    config.listen.address = SocketAddr::from(([0, 0, 0, 0], 7412));
    assert!(config.check().unwrap_err().to_string().contains("no TLS"));
    config.listen.allow_remote = true;
    config.check().unwrap();
}
