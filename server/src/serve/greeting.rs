//! What `indelible serve` prints when it is ready: where everything is, and what to try.

use std::fmt::Write as _;

use super::{PUBLIC_KEY_FILE, Running};
use crate::auth::ADMIN_TOKEN_FILE;
use crate::config::{ADDRESS_DEFAULT, Config};
use crate::programs::beside;

pub(super) fn text(running: &Running) -> String {
    let url = format!("http://{}", running.address());
    let dir = running.data_dir();
    let token = dir.join(ADMIN_TOKEN_FILE);
    let vkey = dir.join(PUBLIC_KEY_FILE);
    let is_default_url = running.address().to_string() == ADDRESS_DEFAULT;
    let default_dir = Config::default().data_dir;
    let is_default_dir = std::path::absolute(default_dir).is_ok_and(|default| default == dir);
    let mut text = String::new();
    let made = if running.is_first_start { " (made just now)" } else { "" };
    let _ = write!(
        text,
        "Indelible listens on {url}, and explains itself at {url}/docs\n\
         \x20 data          {}\n\
         \x20 admin token   {}{made}\n\
         \x20 public key    {}{made}, for auditors:\n\
         \x20               {}\n",
        dir.display(),
        token.display(),
        vkey.display(),
        running.vkey(),
    );
    let mut further = String::new();
    for signer in &running.further {
        let _ = writeln!(
            further,
            "\x20 public key    {}, for auditors of the ledgers that '{}' signs:\n\x20               {}",
            signer.path.display(),
            signer.name,
            signer.vkey,
        );
    }
    let _ = write!(text, "{further}\nTry, in another terminal:\n");
    // What the program assumes anyway need not be said.
    if !is_default_url {
        let _ = writeln!(text, "  export INDELIBLE_URL={url}");
    }
    if !is_default_dir {
        let _ = writeln!(text, "  export INDELIBLE_TOKEN_FILE={}", token.display());
    }
    // To be copied as they are, also where the programs are not in the path.
    let (program, verify) = (beside("indelible"), beside("indelible-verify"));
    let _ = write!(
        text,
        "\x20 {program} ledger create demo\n\
         \x20 echo '{{\"event\":{{\"action\":\"login\",\"user\":\"ada\"}}}}' | {program} append demo\n\
         \x20 {program} receipt demo 1 > receipt.json\n\
         \x20 {verify} receipt receipt.json --key {}\n\n",
        vkey.display(),
    );
    text
}
