//! A disk that is really full: the database lies on a file system of its own that has no room left.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::Server;

/// Room for some ten thousand events beside an empty database.
const SMALL: &str = "24m";
const LARGE: &str = "200m";

/// What the server does before it starts: in a mount namespace of its own, the database is put onto a small
/// disk.
fn onto_small_disk(root: bool) -> String {
    let user = if root { "" } else { "--map-root-user" };
    format!(
        "exec unshare {user} --mount sh -c 'mkdir -p mnt && \
         mount -t tmpfs -o size={SMALL},mode=0700 tmpfs mnt && cp -a indelible-data/db/. mnt/ && \
         mount --bind mnt indelible-data/db && exec \"$0\" \"$@\"' \"$0\" \"$@\""
    )
}

fn may_mount(root: bool) -> bool {
    let user: &[&str] = if root { &[] } else { &["--map-root-user"] };
    let mut command = Command::new("unshare");
    command.args(user).args(["--mount", "sh", "-c", "mount -t tmpfs tmpfs /mnt"]);
    command.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Text that hardly compresses: opening again writes the log into tables, which would otherwise make room.
struct Noise(u64);

impl Noise {
    fn text(&mut self, length: usize) -> String {
        let mut text = String::with_capacity(length + 16);
        while text.len() < length {
            // Marsaglia's xorshift, 13-7-17.
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            text += &format!("{:016x}", self.0);
        }
        text
    }
}

#[test]
fn what_is_there_can_be_read_while_the_disk_is_full_and_appending_goes_on_when_there_is_room() {
    let root = rustix::process::geteuid().is_root();
    if !may_mount(root) {
        let _ = writeln!(
            std::io::stderr(),
            "\n*** NOT TESTED: a full disk, because this system lets nobody mount a tmpfs ***\n"
        );
        return;
    }
    let mut server = Server::start();
    server.good("ledger create audit");
    server.stop();
    server.before(&onto_small_disk(root));
    server.start_again();
    // Until it does not take any more.
    let mut noise = Noise(1);
    let mut taken = 0;
    let refused = loop {
        let lines = (0..40).map(|_| format!("{{\"text\":\"{}\"}}\n", noise.text(20_000)));
        let input: String = lines.collect();
        let ran = server.run_with("append audit --server-ids", &input);
        if ran.code != 0 {
            break ran;
        }
        taken += 40;
        assert!(taken < 4000, "the disk does not fill up");
    };
    assert!(refused.err.contains("store") || refused.err.contains("not known"), "{refused:?}");
    let code = |path: &str| server.status(path);
    assert_eq!(code("/readyz"), 503, "nothing can be written");
    // From some moment on everything that was acknowledged can be read, and stays so.
    let since = Instant::now();
    while code("/v1/ledgers/audit/events/1") != 200 {
        assert!(since.elapsed() < Duration::from_secs(30), "nothing can be read");
        std::thread::sleep(Duration::from_millis(50));
    }
    let since = Instant::now();
    let mut looks = 0;
    while since.elapsed() < Duration::from_secs(8) {
        for path in ["", "/events/1", "/events/1/receipt", "/checkpoint"] {
            let path = format!("/v1/ledgers/audit{path}");
            assert_eq!(code(&path), 200, "{path} after {looks} looks");
        }
        assert_eq!(code(&format!("/v1/ledgers/audit/events/{taken}")), 200);
        looks += 1;
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(code("/readyz"), 503, "the disk is still full");
    assert!(server.size("audit") > taken, "everything that was acknowledged");
    assert_eq!(server.records("audit").len() as u64, server.size("audit"));
    assert_ne!(server.run_with("append audit --server-ids", "{}\n").code, 0);

    let pid = server.pid().to_string();
    let user: &[&str] = if root { &[] } else { &["-U", "--preserve-credentials"] };
    let mut room = Command::new("nsenter");
    room.args(["-t", &pid]).args(user).args(["-m", "mount", "-o"]);
    room.arg(format!("remount,size={LARGE}")).arg(server.path("mnt"));
    assert!(room.status().expect("nsenter runs").success());
    let since = Instant::now();
    while code("/readyz") != 200 {
        assert!(since.elapsed() < Duration::from_secs(60), "it does not come back");
        std::thread::sleep(Duration::from_millis(100));
    }
    let before = server.size("audit");
    assert_eq!(server.run_with("append audit", "{\"n\":1}\n").code, 0);
    assert_eq!(server.size("audit"), before + 1);
    // The small disk goes with the process.
    server.kill();
}
