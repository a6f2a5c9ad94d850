//! Writing the page that `--report` asks for.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};

use indelible_core::code::{EXIT_UNCHECKED, EXIT_USAGE};
use indelible_verifier::render::{Facts, PAGE_MARK, write_page};

use crate::out::Stop;

/// A page that will be written: beside its place first, whole, and then renamed, so that its place
/// never holds half a page.
pub(crate) struct Page {
    path: PathBuf,
}

impl Page {
    /// Makes sure that a page can be written to `path` and that it is not evidence that would be lost:
    /// only an earlier report is replaced.
    pub(crate) fn at(path: &Path, source: &Path) -> Result<Self, Stop> {
        let page = Self { path: path.to_owned() };
        let cannot = |why: String| Stop(EXIT_USAGE, format!("--report {}: {why}", path.display()));
        if path.file_name().is_none() {
            return Err(cannot("it names no file".to_owned()));
        }
        match File::open(path) {
            Ok(file) => {
                let mut begin = Vec::new();
                let read = file.take(PAGE_MARK.len() as u64).read_to_end(&mut begin);
                read.map_err(|error| cannot(error.to_string()))?;
                if begin != PAGE_MARK.as_bytes() {
                    let why = "there is a file already, and it is no report; it is left alone";
                    return Err(cannot(why.to_owned()));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(cannot(error.to_string())),
        }
        let (inside, folder) = (source.canonicalize(), page.folder().canonicalize());
        if let (Ok(inside), Ok(folder)) = (inside, folder)
            && inside.is_dir()
            && folder.starts_with(inside)
        {
            return Err(cannot("a report does not belong into the evidence".to_owned()));
        }
        let beside = page.beside();
        create(&beside)
            .and_then(|_| fs::remove_file(&beside))
            .map_err(|error| page.failed(&error))?;
        Ok(page)
    }

    fn folder(&self) -> &Path {
        match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        }
    }

    fn beside(&self) -> PathBuf {
        let mut name = OsString::from(".");
        name.push(self.path.file_name().unwrap_or_default());
        name.push(format!(".tmp-{}", std::process::id()));
        self.path.with_file_name(name)
    }

    fn failed(&self, error: &io::Error) -> Stop {
        Stop(EXIT_UNCHECKED, format!("cannot write {}: {error}", self.path.display()))
    }

    /// Writes it.
    pub(crate) fn write(self, facts: &Facts<'_>) -> Result<(), Stop> {
        let beside = self.beside();
        let write = || -> io::Result<()> {
            let mut out = BufWriter::new(create(&beside)?);
            write_page(&mut out, facts)?;
            out.flush()?;
            out.get_ref().sync_all()?;
            fs::rename(&beside, &self.path)
        };
        write().map_err(|error| {
            // What is left of it helps nobody; that it cannot be removed says nothing new.
            let _ = fs::remove_file(&beside);
            self.failed(&error)
        })
    }
}

/// A new file; whatever has its name is not written through.
fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}
