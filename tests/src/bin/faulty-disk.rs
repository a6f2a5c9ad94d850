//! The disk of [`indelible_tests::faulty_disk`]: a file system in user space with one file, the disk's
//! bytes, which a loop device turns into a block device. Told what to do on standard input, a line each;
//! answers each with a line.

use std::ffi::OsStr;
use std::io::{BufRead, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use fuser::{
    Errno, FileAttr, FileHandle, FileType, Filesystem, Generation, INodeNo, LockOwner, OpenFlags,
    ReplyAttr, ReplyData, ReplyEmpty, ReplyEntry, ReplyWrite, Request, WriteFlags,
};
use indelible_tests::faulty_disk::model::{Fate, Model};
use indelible_tests::faulty_disk::{DISK_BYTES, DISK_NAME};

const DISK: INodeNo = INodeNo(2);
const FOR_EVER: Duration = Duration::from_secs(1 << 30);

#[derive(Default)]
struct State {
    model: Model,
    held: Vec<(u64, Vec<u8>, ReplyWrite)>,
}

#[derive(Clone, Default)]
struct Disk(Arc<Mutex<State>>);

impl Disk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn attributes(ino: INodeNo) -> FileAttr {
    let (kind, perm, size) = match ino {
        DISK => (FileType::RegularFile, 0o600, DISK_BYTES),
        _ => (FileType::Directory, 0o700, 0),
    };
    FileAttr {
        ino,
        size,
        blocks: size / 512,
        atime: UNIX_EPOCH,
        mtime: UNIX_EPOCH,
        ctime: UNIX_EPOCH,
        crtime: UNIX_EPOCH,
        kind,
        perm,
        nlink: 1,
        uid: 0,
        gid: 0,
        rdev: 0,
        flags: 0,
        blksize: 4096,
    }
}

impl Filesystem for Disk {
    fn lookup(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        if name == DISK_NAME {
            reply.entry(&FOR_EVER, &attributes(DISK), Generation(0));
        } else {
            reply.error(Errno::ENOENT);
        }
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&FOR_EVER, &attributes(ino));
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        reply.data(&self.state().model.read(offset, size as usize));
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let mut state = self.state();
        match state.model.judge(offset, data) {
            Fate::Done => {
                state.model.write(offset, data);
                reply.written(u32::try_from(data.len()).unwrap_or(0));
            }
            Fate::Failed => reply.error(Errno::EIO),
            Fate::Held => state.held.push((offset, data.to_vec(), reply)),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        if self.state().model.flush() {
            reply.ok();
        } else {
            reply.error(Errno::EIO);
        }
    }
}

impl Disk {
    /// Does what a line says, and answers.
    fn obey(&self, line: &str) -> String {
        let (what, with) = line.split_once(' ').unwrap_or((line, ""));
        let number = with.parse().unwrap_or(0);
        let mut state = self.state();
        match what {
            "spare" => match with.split_once(' ').map(|(a, b)| (a.parse(), b.parse())) {
                Some((Ok(from), Ok(to))) => state.model.spare(from..to),
                _ => return "spare what?".into(),
            },
            "fail-write" => state.model.fail_write(number),
            "fail-write-with" => state.model.fail_write_with(with),
            "hold-write-with" => state.model.hold_write_with(with),
            "fail-flush" => state.model.fail_flush(number),
            "held" => return state.held.len().to_string(),
            "faults" => return state.model.faults.to_string(),
            "fail-held" => {
                for (_, _, reply) in state.held.drain(..) {
                    reply.error(Errno::EIO);
                }
            }
            "cut-power" => {
                state.model.cut_power();
                for (_, _, reply) in state.held.drain(..) {
                    reply.error(Errno::EIO);
                }
            }
            "restore-power" => state.model.restore_power(number),
            _ => return format!("what is {what}?"),
        }
        "ok".into()
    }
}

fn main() -> std::io::Result<()> {
    let mount_point = std::env::args_os().nth(1).unwrap_or_default();
    let disk = Disk::default();
    let mut config = fuser::Config::default();
    config.mount_options = vec![fuser::MountOption::FSName("faulty-disk".into())];
    let session = fuser::spawn_mount(disk.clone(), mount_point, &config)?;
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        let mut out = std::io::stdout();
        writeln!(out, "{}", disk.obey(&line?))?;
        out.flush()?;
    }
    drop(session);
    Ok(())
}
