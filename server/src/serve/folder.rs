//! Who this server is: its signing key, its name, and the file with the public key.
//!
//! Made on the first start, found on every later one. Whatever does not fit together is refused with
//! what to do: a server that went on with another key or name would sign a second history.

use std::path::Path;

use indelible_core::key::VKey;
use indelible_core::name::ServerName;
use indelible_ledger::folder::{DataFolder, FolderError, replace_file};
use indelible_ledger::signer::Signer;
use indelible_ledger::{LocalEd25519, SignerName, Signers};

use super::ServeError;
use crate::config::Config;
use crate::signers::{self, PublicKeyFile};

/// Name of the file with the private key, in the data folder.
pub const SIGNING_KEY_FILE: &str = "signing.key";
/// Name of the file with the public key for auditors, in the data folder.
pub const PUBLIC_KEY_FILE: &str = "public.vkey";
/// The server's name when none is configured on the first start.
const SERVER_NAME_DEFAULT: &str = "localhost";

/// Who this server is.
pub(super) struct Identity {
    pub(super) server_name: ServerName,
    pub(super) signers: Signers,
    pub(super) vkey: String,
    /// The public keys of the signers beside the folder's own.
    pub(super) further: Vec<PublicKeyFile>,
    /// Configured signers whose key is not there.
    pub(super) absent: Vec<SignerName>,
    pub(super) is_first_start: bool,
}

/// Creates or finds everything that must be there before the engine opens.
pub(super) fn prepare(config: &Config) -> Result<Identity, ServeError> {
    // Held while files are made, so that two first starts at once do not make two keys.
    let folder = DataFolder::open_for(&config.data_dir, config.data_access)?;
    let dir = folder.path();
    let key_path = dir.join(SIGNING_KEY_FILE);
    let is_first_start = !key_path.exists();
    if is_first_start {
        if folder.database().exists() {
            return Err(ServeError::Identity(format!(
                "there are ledgers in {}, but {} is missing; put the key back. A new key would be \
                 another signer, and no old signature could be continued",
                dir.display(),
                key_path.display()
            )));
        }
        LocalEd25519::generate()?.save(&key_path)?;
    }
    let signer = LocalEd25519::load(&key_path)?;
    let vkey_path = dir.join(PUBLIC_KEY_FILE);
    let vkey = match read(&vkey_path)? {
        Some(text) => check(&text, &vkey_path, &signer, config)?,
        None => {
            let name = match &config.server_name {
                Some(name) => name.to_string(),
                None => SERVER_NAME_DEFAULT.to_owned(),
            };
            let vkey = VKey::new(&name, signer.note_key())
                .map_err(|error| ServeError::Identity(format!("server.name: {error}")))?;
            replace_file(&vkey_path, format!("{vkey}\n").as_bytes())?;
            vkey
        }
    };
    let server_name = ServerName::new(vkey.name()).map_err(|error| {
        ServeError::Identity(format!("the name in {}: {error}", vkey_path.display()))
    })?;
    let loaded = signers::load(signer, &config.signers)?;
    let further = loaded.keep(dir, &server_name)?;
    for (name, path) in &loaded.absent {
        tracing::error!(
            signer = %name, file = %path.display(),
            "the signer's key file is not there: its ledgers can be read, and appends to them are refused \
             until the server is started with it"
        );
    }
    Ok(Identity {
        server_name,
        signers: loaded.signers,
        vkey: vkey.to_string(),
        further,
        absent: loaded.absent.into_iter().map(|(name, _)| name).collect(),
        is_first_start,
    })
}

fn read(path: &Path) -> Result<Option<String>, ServeError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(FolderError::Io { path: path.to_owned(), source }.into()),
    }
}

/// The vkey of an earlier start, which key and configuration must agree with.
fn check(
    text: &str,
    path: &Path,
    signer: &LocalEd25519,
    config: &Config,
) -> Result<VKey, ServeError> {
    let identity = |reason: String| ServeError::Identity(format!("{}: {reason}", path.display()));
    let vkey = VKey::parse_file(text).map_err(|error| identity(error.to_string()))?;
    if vkey.note_key() != Some(&signer.note_key()) {
        return Err(identity(format!(
            "is not the public key of {SIGNING_KEY_FILE}; one of the two files is from another data folder"
        )));
    }
    if let Some(name) = config.server_name.as_ref().filter(|name| ***name != *vkey.name()) {
        return Err(identity(format!(
            "this server's name is '{}' since its first start, but server.name is '{name}'. The name is \
             part of every checkpoint; set server.name back, or remove it from the configuration",
            vkey.name()
        )));
    }
    Ok(vkey)
}
