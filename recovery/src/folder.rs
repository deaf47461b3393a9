//! A folder of recovered objects: private, never over an existing file, whole at every moment.
//!
//! ```text
//! DIR/                           0700; must not exist, or be empty
//!   secrets/shop/db.yaml         0600; resource, namespace, name
//!   clusterroles.rbac.authorization.k8s.io/system%3Anode.yaml
//!   index.jsonl                  one line for each value that was selected, and a last one with the sums
//! ```

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Seek, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::RecoveryError;
use crate::entry::{Entry, Outcome, Summary};
use crate::names::path_of;
use crate::run::{Place, Sink};

const PARTIAL: &str = ".partial";

/// Writes objects to files.
pub struct Folder {
    root: PathBuf,
    index: File,
    made: HashSet<PathBuf>,
}

impl Folder {
    /// Makes the folder.
    ///
    /// # Errors
    /// [`RecoveryError::NotEmpty`], [`RecoveryError::Output`].
    pub fn create(root: &Path) -> Result<Self, RecoveryError> {
        let failed = |error| RecoveryError::Output(root.to_owned(), error);
        match private_folder(root) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let is_empty =
                    root.is_dir() && fs::read_dir(root).map_err(failed)?.next().is_none();
                if !is_empty {
                    return Err(RecoveryError::NotEmpty(root.to_owned()));
                }
                restrict(root).map_err(failed)?;
            }
            made => made.map_err(failed)?,
        }
        let index = root.join("index.jsonl");
        let file = private_file(&index).map_err(|error| RecoveryError::Output(index, error))?;
        Ok(Self {
            root: root.to_owned(),
            index: file,
            made: HashSet::new(),
        })
    }

    /// Ends the index with the sums.
    ///
    /// # Errors
    /// [`RecoveryError::Output`].
    pub fn finish(mut self, summary: &Summary) -> Result<(), RecoveryError> {
        #[derive(Serialize)]
        struct Last<'s> {
            complete: bool,
            summary: &'s Summary,
        }
        let complete = !summary.cancelled && summary.stopped.is_none();
        self.note(&Last { complete, summary })?;
        let synced = self.index.sync_all();
        synced.map_err(|error| RecoveryError::Output(self.root.join("index.jsonl"), error))
    }

    fn note(&mut self, line: &impl Serialize) -> Result<(), RecoveryError> {
        let failed = |error| RecoveryError::Output(self.root.join("index.jsonl"), error);
        let mut text = serde_json::to_vec(line).map_err(|error| failed(error.into()))?;
        text.push(b'\n');
        let whole = self.index.stream_position().map_err(failed)?;
        self.index.write_all(&text).map_err(|error| {
            // Half a line would be none; that it cannot be taken back is no other error than the first.
            let _ = self.index.set_len(whole);
            failed(error)
        })
    }

    fn write(&mut self, place: &Place<'_>, bytes: &[u8], extension: &str) -> io::Result<String> {
        let tag = format!("{}.{}", place.row.revision.main, place.row.revision.sub);
        let (folders, name) = path_of(place.name, place.etcd_key, &tag);
        let mut below = PathBuf::new();
        for part in &folders {
            below.push(part);
            self.folder(&below)?;
        }
        // A name of its own revision where two differ in case only and the file system does not.
        let names = [
            format!("{name}.{extension}"),
            format!("{name}~{tag}.{extension}"),
        ];
        let mut last = io::Error::from(ErrorKind::AlreadyExists);
        for name in names {
            let file = below.join(name);
            match self.write_new(&file, bytes) {
                Ok(()) => return Ok(file.to_string_lossy().into_owned()),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    fn folder(&mut self, below: &Path) -> io::Result<()> {
        if self.made.contains(below) {
            return Ok(());
        }
        match private_folder(&self.root.join(below)) {
            Err(error)
                if error.kind() == ErrorKind::AlreadyExists && self.root.join(below).is_dir() => {}
            made => made?,
        }
        self.made.insert(below.to_owned());
        Ok(())
    }

    /// The file appears under its name whole or not at all.
    fn write_new(&self, file: &Path, bytes: &[u8]) -> io::Result<()> {
        let (partial, target) = (self.root.join(PARTIAL), self.root.join(file));
        let mut open = private_file(&partial)?;
        let linked = open
            .write_all(bytes)
            .and_then(|()| fs::hard_link(&partial, &target));
        drop(open);
        let gone = fs::remove_file(&partial);
        match linked {
            // File systems without hard links.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::Unsupported | ErrorKind::PermissionDenied
                ) =>
            {
                let written = private_file(&target)?.write_all(bytes);
                if written.is_err() {
                    let _ = fs::remove_file(&target);
                }
                written
            }
            linked => linked.and(gone),
        }
    }
}

impl Sink for Folder {
    fn document(
        &mut self,
        place: &Place<'_>,
        bytes: &[u8],
        extension: &'static str,
        entry: &mut Entry,
    ) -> Result<(), RecoveryError> {
        match self.write(place, bytes, extension) {
            Ok(file) => entry.file = Some(file),
            // What is wrong with this one name is not wrong with the others.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::AlreadyExists | ErrorKind::NotADirectory | ErrorKind::InvalidInput
                ) =>
            {
                entry.outcome = Outcome::NotWritten;
                entry.code = Some("file-exists".to_owned());
                entry.text = Some(format!(
                    "another object has taken the name of its file: {error}"
                ));
            }
            Err(error) => return Err(RecoveryError::Output(self.root.clone(), error)),
        }
        Ok(())
    }

    fn entry(&mut self, entry: &Entry) -> Result<(), RecoveryError> {
        self.note(entry)
    }
}

fn private_folder(path: &Path) -> io::Result<()> {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "only Unix has modes to set"))]
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(unix)]
fn restrict(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
}

#[cfg(not(unix))]
fn restrict(_: &Path) -> io::Result<()> {
    Ok(())
}
