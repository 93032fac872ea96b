//! Where bytes lie. Files are put create-only and never edited; only `current.json` is replaced.
//! On local disks a put is durable: scratch file, fsync, link, fsync of the folder, because
//! `object_store`'s local store syncs nothing.

use crate::error::{Error, Result};
use futures::StreamExt;
use object_store::local::LocalFileSystem;
use object_store::{ObjectStore, ObjectStoreExt};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A folder that holds a warehouse.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
    inner: Arc<LocalFileSystem>,
    runtime: Arc<tokio::runtime::Runtime>,
    fault: Option<Fault>,
    operations: Arc<AtomicU64>,
}

/// A fault injected at the n-th store operation (1 is the first), to prove what a crash leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The process ends at once before the operation, as in a power cut.
    KillBefore(u64),
    /// The process ends at once after the operation.
    KillAfter(u64),
    /// This operation and all after it fail as on a full disk.
    Full(u64),
    /// This operation and all after it fail as on a disk that became read-only.
    ReadOnly(u64),
}

impl std::str::FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Fault, String> {
        let rule = || {
            let kinds = "`kill-before@N`, `kill-after@N`, `full@N` or `read-only@N`";
            format!("expected {kinds}, found `{text}`")
        };
        let (kind, number) = text.split_once('@').ok_or_else(rule)?;
        let number = number.parse().map_err(|_| rule())?;
        match kind {
            "kill-before" => Ok(Fault::KillBefore(number)),
            "kill-after" => Ok(Fault::KillAfter(number)),
            "full" => Ok(Fault::Full(number)),
            "read-only" => Ok(Fault::ReadOnly(number)),
            _ => Err(rule()),
        }
    }
}

impl Store {
    /// Opens the folder, making it if it is missing.
    ///
    /// # Errors
    /// If the folder can't be made, or the location is a URL (object stores come with a later version).
    pub fn open(location: &str, fault: Option<Fault>) -> Result<Store> {
        if location.contains("://") {
            return Err(Error::usage(format!(
                "warehouse `{location}`: expected a local folder, found a URL"
            ))
            .hint("object stores are not supported yet; give a path"));
        }
        let root = PathBuf::from(location);
        std::fs::create_dir_all(&root).map_err(|error| Error::io(&root, &error))?;
        let root = root.canonicalize().map_err(|error| Error::io(&root, &error))?;
        let inner = LocalFileSystem::new_with_prefix(&root)
            .map_err(|error| Error::broken(format!("{}: {error}", root.display())))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .map_err(|error| Error::io(&root, &error))?;
        Ok(Store {
            root,
            inner: Arc::new(inner),
            runtime: Arc::new(runtime),
            fault,
            operations: Arc::default(),
        })
    }

    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The local file of an object.
    #[must_use]
    pub fn path(&self, object: &str) -> PathBuf {
        self.root.join(object)
    }

    /// How many operations have been done so far; the fault test walks through all of them.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.operations.load(Ordering::SeqCst)
    }

    /// Reads an object; `None` if there is none.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn get(&self, object: &str) -> Result<Option<Vec<u8>>> {
        let path = object_store::path::Path::from(object);
        let got = self.runtime.block_on(async {
            match self.inner.get(&path).await {
                Ok(result) => result.bytes().await.map(Some),
                Err(object_store::Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        });
        got.map(|bytes| bytes.map(|bytes| bytes.to_vec()))
            .map_err(|error| Error::broken(format!("{}: {error}", self.path(object).display())))
    }

    /// Names of the objects below a folder, sorted.
    ///
    /// # Errors
    /// If the folder can't be listed.
    pub fn list(&self, folder: &str) -> Result<Vec<String>> {
        let prefix = object_store::path::Path::from(folder);
        let listed: Vec<_> =
            self.runtime.block_on(async { self.inner.list(Some(&prefix)).collect().await });
        let mut names = Vec::new();
        for object in listed {
            let object = object.map_err(|error| {
                Error::broken(format!("{}: {error}", self.path(folder).display()))
            })?;
            names.push(object.location.to_string());
        }
        names.sort();
        Ok(names)
    }

    /// Puts bytes under a name that must not exist; false if it does.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn create(&self, object: &str, bytes: &[u8]) -> Result<bool> {
        let scratch = self.scratch()?;
        self.operation(&scratch, || {
            let mut file = File::create(&scratch)?;
            file.write_all(bytes)
        })?;
        self.create_from(object, &scratch)
    }

    /// Puts a scratch file under a name that must not exist; false if it does. The scratch file goes.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn create_from(&self, object: &str, scratch: &Path) -> Result<bool> {
        let target = self.path(object);
        self.operation(scratch, || File::open(scratch)?.sync_all())?;
        self.make_parent(&target)?;
        let linked = self.operation(&target, || match std::fs::hard_link(scratch, &target) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        })?;
        self.discard(scratch)?;
        self.sync_parent(&target)?;
        Ok(linked)
    }

    /// Replaces an object by rename: readers see the old bytes or the new ones.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn replace(&self, object: &str, bytes: &[u8]) -> Result<()> {
        let scratch = self.scratch()?;
        let target = self.path(object);
        self.operation(&scratch, || {
            let mut file = File::create(&scratch)?;
            file.write_all(bytes)?;
            file.sync_all()
        })?;
        self.make_parent(&target)?;
        self.operation(&target, || std::fs::rename(&scratch, &target))?;
        self.sync_parent(&target)
    }

    /// A new scratch file's name. Scratch files lie beside the warehouse's own, so that links work,
    /// and no snapshot ever names one.
    ///
    /// # Errors
    /// If the scratch folder can't be made.
    pub fn scratch(&self) -> Result<PathBuf> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let folder = self.root.join("scratch");
        std::fs::create_dir_all(&folder).map_err(|error| Error::io(&folder, &error))?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Ok(folder.join(format!("{}-{number}.tmp", std::process::id())))
    }

    /// Takes over a file of another store under the same name: linked where the disk allows, else
    /// copied. Published files are never edited, so that a link is as good as a copy.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn adopt(&self, other: &Store, object: &str) -> Result<()> {
        let (from, to) = (other.path(object), self.path(object));
        self.make_parent(&to)?;
        self.operation(&to, || {
            std::fs::hard_link(&from, &to).or_else(|_| std::fs::copy(&from, &to).map(|_| ()))
        })
    }

    /// Removes a scratch file.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn discard(&self, scratch: &Path) -> Result<()> {
        std::fs::remove_file(scratch).map_err(|error| Error::io(scratch, &error))
    }

    /// Removes the folder of a dry run, as far as it can be.
    pub fn remove(folder: &Path) {
        let _ = std::fs::remove_dir_all(folder);
    }

    fn make_parent(&self, target: &Path) -> Result<()> {
        let Some(parent) = target.parent() else { return Ok(()) };
        if parent.is_dir() {
            return Ok(());
        }
        self.operation(parent, || std::fs::create_dir_all(parent))
    }

    fn sync_parent(&self, target: &Path) -> Result<()> {
        let Some(parent) = target.parent() else { return Ok(()) };
        self.operation(parent, || File::open(parent)?.sync_all())
    }

    /// Does one operation, counted, with the injected fault if it is this one's turn.
    pub(super) fn operation<T>(
        &self,
        path: &Path,
        act: impl FnOnce() -> std::io::Result<T>,
    ) -> Result<T> {
        let number = self.operations.fetch_add(1, Ordering::SeqCst) + 1;
        let done = match self.fault {
            Some(Fault::KillBefore(at)) if at == number => std::process::exit(137),
            Some(Fault::Full(at)) if at <= number => {
                Err(std::io::Error::from(std::io::ErrorKind::StorageFull))
            }
            Some(Fault::ReadOnly(at)) if at <= number => {
                Err(std::io::Error::from(std::io::ErrorKind::ReadOnlyFilesystem))
            }
            _ => act(),
        };
        if self.fault == Some(Fault::KillAfter(number)) {
            std::process::exit(137);
        }
        done.map_err(|error| Error::io(path, &error).hint(self.remedy(&error)))
    }

    fn remedy(&self, error: &std::io::Error) -> String {
        let root = self.root.display();
        match error.kind() {
            std::io::ErrorKind::StorageFull => {
                format!(
                    "free space on the disk of `{root}` and run again; the last snapshot is untouched"
                )
            }
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                format!(
                    "make `{root}` writable for this user and run again; the last snapshot is untouched"
                )
            }
            _ => "run again; the last snapshot is untouched".to_owned(),
        }
    }
}
