//! Manifests: what a source says of a delivery. In: `<delivery>.manifest.toml` beside the files. Out: the
//! delivery's name, day, sequence, files, and the slices that it has whole.

use super::format::Identity;
use super::toml_file::{Text, TomlFile};
use crate::error::{Error, ErrorKind, Result};
use crate::job::{Source, expand};
use chrono::NaiveDate;
use serde::Deserialize;
use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

/// One manifest.
pub(super) struct Manifest {
    pub delivery: String,
    pub known_on: NaiveDate,
    pub sequence: u32,
    pub files: BTreeSet<PathBuf>,
    pub complete_for: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    delivery: String,
    known_on: Text,
    #[serde(default = "first")]
    sequence: u32,
    files: Vec<Text>,
    #[serde(default)]
    complete_for: Vec<Text>,
}

fn first() -> u32 {
    1
}

/// The manifests in the folders of a source's files that list any of them.
pub(super) fn manifests(source: &Source, files: &[PathBuf]) -> Result<Vec<Manifest>> {
    let mut folders: BTreeSet<&Path> = files.iter().filter_map(|file| file.parent()).collect();
    folders.insert(&source.root);
    let known: HashSet<&PathBuf> = files.iter().collect();
    let mut listed: HashSet<PathBuf> = HashSet::new();
    let mut manifests: Vec<Manifest> = Vec::new();
    for folder in folders {
        let folder = glob::Pattern::escape(&folder.to_string_lossy());
        let paths = expand(&format!("{folder}/*.manifest.toml")).map_err(Error::check)?;
        for path in paths {
            let Some(manifest) = load(source, &known, &path).map_err(as_check)? else { continue };
            if let Some(missing) = manifest.files.iter().find(|file| !known.contains(file)) {
                return Err(Error::check(format!(
                    "{}: expected its files among those of source `{}`, found `{}` outside",
                    path.display(),
                    source.name,
                    missing.display()
                ))
                .hint("widen the source's `path`, or correct the manifest"));
            }
            if manifest.files.iter().any(|file| !listed.insert(file.clone())) {
                let message =
                    format!("{}: expected files of no other manifest, found some", path.display());
                return Err(Error::check(message).hint("list each file in one manifest"));
            }
            manifests.push(manifest);
        }
    }
    Ok(manifests)
}

/// `None`: it lists no file of the source.
fn load(source: &Source, known: &HashSet<&PathBuf>, path: &Path) -> Result<Option<Manifest>> {
    let file = TomlFile::read(path)?;
    let raw: Raw = file.parse()?;
    let known_on = raw.known_on.get_ref().parse().map_err(|_| {
        let message = format!("expected a day YYYY-MM-DD, found `{}`", raw.known_on.get_ref());
        file.error(Some(raw.known_on.span()), message)
    })?;
    let folder = file.folder();
    let mut files = BTreeSet::new();
    for name in &raw.files {
        let listed = folder.join(name.get_ref());
        if !listed.is_file() {
            let message = format!("expected the file `{}`, found none", name.get_ref());
            return Err(file
                .error(Some(name.span()), message)
                .hint("the delivery is incomplete: deliver the file, or correct the manifest"));
        }
        files.insert(listed);
    }
    if !files.iter().any(|file| known.contains(file)) {
        return Ok(None);
    }
    if let (Some(slice), Identity::Key(_)) = (raw.complete_for.first(), &source.format.identity) {
        let message = format!(
            "expected `complete_for` for `replace_by` formats only, found it for `{}`",
            source.format.name
        );
        return Err(file.error(Some(slice.span()), message));
    }
    Ok(Some(Manifest {
        delivery: raw.delivery,
        known_on,
        sequence: raw.sequence,
        files,
        complete_for: raw.complete_for.into_iter().map(toml::Spanned::into_inner).collect(),
    }))
}

/// A manifest comes from the source: what is wrong in it is no configuration error.
fn as_check(mut error: Error) -> Error {
    error.kind = ErrorKind::Check;
    error
}
