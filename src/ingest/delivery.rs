//! Which files were handed over together. In: a source's files and manifests. Out: deliveries with the
//! day they became known and their rank; never from a file's modification time.

use super::Control;
use super::control::{control_names, control_of};
use super::manifest::{Manifest, manifests};
use super::open::unreadable;
use crate::error::{Error, Result};
use crate::job::{Source, expand};
use chrono::{Datelike, NaiveDate};
use rayon::iter::{IntoParallelIterator, IntoParallelRefIterator, ParallelIterator};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

/// Files that a source handed over together.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    /// From source, day, sequence and content: never from the order of arrival. Of files that came in a
    /// later run than others: the others' id, a dot, and the digest of these.
    pub id: String,
    /// As the source or the files' names call it.
    pub name: String,
    pub known_on: NaiveDate,
    /// Rank among deliveries of the same day.
    pub sequence: u32,
    pub files: Vec<InputFile>,
    /// Slices that this delivery has whole: those that it lacks are withdrawn.
    pub complete_for: Vec<String>,
}

/// A file of a source.
#[derive(Clone, Debug)]
pub(super) struct InputFile {
    pub path: PathBuf,
    /// Path below the source's root.
    pub name: String,
    pub bytes: u64,
    /// Of the bytes as they came.
    pub digest: String,
    pub control: Option<Control>,
}

impl Delivery {
    /// Newer deliveries rank higher.
    pub(super) fn rank(&self) -> (NaiveDate, u32) {
        (self.known_on, self.sequence)
    }

    /// The same delivery with only some of its files.
    pub(super) fn with_files(&self, source: &str, files: Vec<InputFile>) -> Delivery {
        let id = id_of(source, self.known_on, self.sequence, &files);
        Delivery { id, files, ..self.clone() }
    }

    /// The same delivery with files that came in a later run than its others, which lie there unchanged.
    pub(super) fn late_part(&self, source: &str, files: Vec<InputFile>, of: &str) -> Delivery {
        let late = self.with_files(source, files);
        let digest = late.id.rsplit('-').next().unwrap_or_default();
        Delivery { id: format!("{}.{digest}", whole_of(of)), ..late }
    }
}

/// The id that the parts of a delivery share, in whatever run they came.
pub(super) fn whole_of(id: &str) -> &str {
    let tail = id.rfind('-').unwrap_or(0);
    id[tail..].find('.').map_or(id, |dot| &id[..tail + dot])
}

/// What tells deliveries of a source apart: day, sequence, name.
type Recognized = (NaiveDate, u32, String);

/// The deliveries of a source, by rank and name.
pub(super) fn deliveries(source: &Source) -> Result<Vec<Delivery>> {
    let paths = source_files(source)?;
    let manifests = manifests(source, &paths)?;
    let listed: HashMap<&PathBuf, &Manifest> = manifests
        .iter()
        .flat_map(|manifest| manifest.files.iter().map(move |file| (file, manifest)))
        .collect();
    let mut grouped: BTreeMap<Recognized, (Vec<PathBuf>, Vec<String>)> = BTreeMap::new();
    for path in paths {
        let (key, complete_for) = match listed.get(&path) {
            Some(manifest) => (recognized_by(manifest), manifest.complete_for.clone()),
            None => (recognize(source, &path)?, Vec::new()),
        };
        let group = grouped.entry(key).or_default();
        group.0.push(path);
        group.1 = complete_for;
    }
    grouped
        .into_par_iter()
        .map(|((known_on, sequence, name), (paths, complete_for))| {
            let files = paths
                .par_iter()
                .map(|path| input_file(source, path))
                .collect::<Result<Vec<_>>>()?;
            let id = id_of(&source.name, known_on, sequence, &files);
            Ok(Delivery { id, name, known_on, sequence, files, complete_for })
        })
        .collect()
}

/// The files that the source's glob matches, without manifests and control totals.
fn source_files(source: &Source) -> Result<Vec<PathBuf>> {
    const ENDINGS: [&str; 7] =
        [".csv", ".tsv", ".csv.gz", ".tsv.gz", ".csv.zst", ".tsv.zst", ".parquet"];
    let found = expand(&source.path)
        .map_err(|message| Error::check(format!("source `{}`: {message}", source.name)))?;
    let mut files: Vec<PathBuf> = Vec::with_capacity(found.len());
    let mut controls = Vec::new();
    for path in found {
        let name = path.to_string_lossy();
        if name.ends_with(".manifest.toml") {
            continue;
        }
        if name.ends_with(".control.csv") {
            controls.push(path);
            continue;
        }
        if !ENDINGS.iter().any(|ending| name.ends_with(ending)) {
            let message = format!(
                "{name}: expected a file ending with {}, found another",
                ENDINGS.join(", ")
            );
            return Err(Error::check(message).hint(format!(
                "narrow the `path` of source `{}`, or rename the file",
                source.name
            )));
        }
        files.push(path);
    }
    let tied: HashSet<PathBuf> = files.iter().flat_map(|file| control_names(file)).collect();
    let untied = |message: String| {
        Error::check(message)
            .hint("the delivery is incomplete: deliver the file, or remove its control totals")
    };
    if let Some(control) = controls.iter().find(|control| !tied.contains(*control)) {
        let place = control.display();
        return Err(untied(format!("{place}: expected the file that it is for, found none")));
    }
    let names: HashSet<String> = files.iter().map(|file| relative(source, file)).collect();
    if let Some(name) = source.control.keys().find(|name| !names.contains(*name)) {
        return Err(untied(format!(
            "[sources.{}.control]: expected a file of the source, below {}, found `{name}`, which isn't there",
            source.name,
            source.root.display()
        )));
    }
    if files.is_empty() && source.required {
        let message =
            format!("source `{}`: expected files at `{}`, found none", source.name, source.path);
        return Err(Error::check(message)
            .hint("deliver the export, or set `required = false` for the source"));
    }
    Ok(files)
}

fn recognized_by(manifest: &Manifest) -> (NaiveDate, u32, String) {
    (manifest.known_on, manifest.sequence, manifest.delivery.clone())
}

/// Day, sequence and name of the delivery that a file's name tells.
fn recognize(source: &Source, path: &Path) -> Result<(NaiveDate, u32, String)> {
    let base = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let unknown = |found: &str| {
        let pattern = source.format.file_name.as_ref().map_or("a manifest".to_owned(), |pattern| {
            format!("a name like `{}`", pattern.as_str())
        });
        Error::check(format!("{}: expected {pattern}, found {found}", path.display())).hint(
            "the day a delivery became known comes from its files' names or from a `<delivery>.manifest.toml` beside them",
        )
    };
    let pattern = source.format.file_name.as_ref().ok_or_else(|| unknown("none"))?;
    let matched = pattern.captures(&base).ok_or_else(|| unknown(&format!("`{base}`")))?;
    let day = matched.name("known_on").map_or("", |day| day.as_str());
    let known_on = ["%Y-%m-%d", "%Y%m%d"]
        .iter()
        .find_map(|pattern| NaiveDate::parse_from_str(day, pattern).ok())
        .ok_or_else(|| unknown(&format!("`{base}` with the day `{day}`")))?;
    let sequence = match matched.name("sequence") {
        None => 1,
        Some(number) => number
            .as_str()
            .parse()
            .map_err(|_| unknown(&format!("`{base}` with the sequence `{}`", number.as_str())))?,
    };
    // Files in different folders are different deliveries.
    let name = matched.name("delivery").map_or(&*base, |name| name.as_str());
    let folder = relative(source, path.parent().unwrap_or(path));
    let name = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
    Ok((known_on, sequence, name))
}

fn input_file(source: &Source, path: &Path) -> Result<InputFile> {
    let name = relative(source, path);
    let metadata = std::fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    Ok(InputFile {
        bytes: metadata.len(),
        digest: digest_of(path)?,
        control: control_of(source, path, &name)?,
        path: path.to_owned(),
        name,
    })
}

/// BLAKE3 of a file's bytes, lower-case hex. Files come in gigabytes, and this takes a third of the time of
/// SHA-256.
fn digest_of(path: &Path) -> Result<String> {
    let file = std::fs::File::open(path).map_err(|error| unreadable(path, &error))?;
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(file).map_err(|error| unreadable(path, &error))?;
    Ok(hasher.finalize().to_hex().to_string())
}

fn relative(source: &Source, path: &Path) -> String {
    path.strip_prefix(&source.root).unwrap_or(path).to_string_lossy().into_owned()
}

/// An id that is safe as a file's name.
fn id_of(source: &str, known_on: NaiveDate, sequence: u32, files: &[InputFile]) -> String {
    let mut digests: Vec<&str> = files.iter().map(|file| file.digest.as_str()).collect();
    digests.sort_unstable();
    let digest = blake3::hash(digests.concat().as_bytes()).to_hex();
    format!("{source}-{}-{sequence}-{}", known_on.format("%Y%m%d"), &digest[..12])
}

/// Days since 1970-01-01.
pub(super) fn days_since_epoch(day: NaiveDate) -> i32 {
    day.num_days_from_ce() - 719_163
}
