//! The daily job, as data. In: `daily.toml` and the format files that it names. Out: [`Job`], checked,
//! with absolute paths. Relative paths start from the folder of the file.

mod approval;

pub use approval::ApprovalBy;

use crate::error::{Error, Result};
use crate::ingest::toml_file::{Text, TomlFile};
use crate::ingest::{Control, Format};
use earnest_core::decimal::{self, AMOUNT_SCALE, RATE_SCALE};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use toml::Spanned;

/// What a run does: where from, where to, within which limits.
pub struct Job {
    /// The file it was read from.
    pub file: PathBuf,
    pub warehouse: PathBuf,
    /// Program files, sorted.
    pub programs: Vec<PathBuf>,
    /// The folder of report SQL.
    pub reports: PathBuf,
    /// By name.
    pub sources: Vec<Source>,
    pub limits: Limits,
    /// Whether the orders of a close wait until it is approved.
    pub approval_required: bool,
    pub approval_by: ApprovalBy,
    /// Every format of the formats folder, by name.
    pub formats: BTreeMap<String, Arc<Format>>,
}

/// Where exports come from.
pub struct Source {
    /// The `source` column of staged rows.
    pub name: String,
    pub format: Arc<Format>,
    /// Absolute glob of its files.
    pub path: String,
    /// The folder above the glob's first wildcard; files are named relative to it.
    pub root: PathBuf,
    /// Whether no file at all stops the run.
    pub required: bool,
    /// Whether a column that the format doesn't declare stops the run.
    pub fail_on_drift: bool,
    /// Share of rejected records above which the run ends with exit 1, at rate scale.
    pub reject_warn: i128,
    /// Share of rejected records above which nothing is published, at rate scale.
    pub reject_fail: i128,
    /// Control totals by file name.
    pub control: BTreeMap<String, Control>,
}

/// What the run may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    pub memory_bytes: u64,
    /// Never 0.
    pub threads: usize,
    /// 0: some per thread.
    buckets: usize,
    /// Share of participants held by a check above which nothing is published, at rate scale.
    pub check_fail: i128,
}

impl Limits {
    /// In how many portions ordered work is done.
    #[must_use]
    pub fn buckets(&self) -> usize {
        if self.buckets == 0 { 32 * self.threads } else { self.buckets }
    }
}

impl Default for Limits {
    fn default() -> Limits {
        let check_fail = decimal::power_of_ten(RATE_SCALE);
        Limits { memory_bytes: 4 << 30, threads: all_threads(), buckets: 0, check_fail }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawJob {
    warehouse: String,
    programs: Text,
    formats: Text,
    reports: String,
    approval: Option<Text>,
    approval_by: Option<Text>,
    #[serde(default)]
    limits: RawLimits,
    #[serde(default)]
    sources: BTreeMap<Spanned<String>, RawSource>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawLimits {
    memory: Option<Text>,
    threads: usize,
    buckets: usize,
    check_fail: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSource {
    format: Text,
    path: Text,
    #[serde(default)]
    required: bool,
    drift: Option<Text>,
    reject_warn: Option<Text>,
    reject_fail: Option<Text>,
    #[serde(default)]
    control: BTreeMap<String, RawControl>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[serde(expecting = "a table per file: `[sources.NAME.control.\"FILE\"]` with `rows` and `sums`")]
struct RawControl {
    rows: Option<u64>,
    #[serde(default)]
    sums: BTreeMap<String, Text>,
}

impl Job {
    /// Reads and checks the job and all formats of its formats folder.
    ///
    /// # Errors
    /// With file, line, what was expected, what was found.
    pub fn load(path: &Path) -> Result<Job> {
        let file = TomlFile::read(path)?;
        let raw: RawJob = file.parse()?;
        let folder = absolute(&file.folder())?;
        let formats = load_formats(&file, &folder, &raw.formats)?;
        let sources = raw
            .sources
            .iter()
            .map(|(name, source)| load_source(&file, &folder, &formats, name, source))
            .collect::<Result<Vec<_>>>()?;
        if sources.is_empty() {
            return Err(file
                .error(None, "expected at least one `[sources.NAME]`, found none")
                .hint("name a source with its `format` and `path`"));
        }
        let approval_required = approval::required(&file, raw.approval.as_ref())?;
        Ok(Job {
            file: path.to_owned(),
            warehouse: if raw.warehouse.contains("://") {
                PathBuf::from(&raw.warehouse)
            } else {
                normal(&folder.join(&raw.warehouse))
            },
            programs: load_programs(&file, &folder, &raw.programs)?,
            reports: normal(&folder.join(&raw.reports)),
            sources,
            limits: limits_of(&file, &raw.limits)?,
            approval_required,
            approval_by: approval::by(&file, raw.approval_by.as_ref(), approval_required)?,
            formats,
        })
    }
}

fn load_programs(file: &TomlFile, folder: &Path, pattern: &Text) -> Result<Vec<PathBuf>> {
    let found = expand(&glob_below(folder, pattern.get_ref()))
        .map_err(|error| file.error(Some(pattern.span()), error))?;
    if found.is_empty() {
        let message = format!("expected program files, found none at `{}`", pattern.get_ref());
        return Err(file
            .error(Some(pattern.span()), message)
            .hint("the path is relative to the folder of the pipeline file"));
    }
    Ok(found)
}

fn load_formats(
    file: &TomlFile,
    folder: &Path,
    formats: &Text,
) -> Result<BTreeMap<String, Arc<Format>>> {
    let paths = expand(&format!("{}/*.toml", glob_below(folder, formats.get_ref())))
        .map_err(|error| file.error(Some(formats.span()), error))?;
    let mut loaded: BTreeMap<String, Arc<Format>> = BTreeMap::new();
    for path in paths {
        let format = Format::load(&path)?;
        if loaded.contains_key(&format.name) {
            let message = format!(
                "{}: expected each format once, found `{}` again",
                path.display(),
                format.name
            );
            return Err(Error::usage(message).hint("rename one of the two formats"));
        }
        loaded.insert(format.name.clone(), Arc::new(format));
    }
    if loaded.is_empty() {
        let message =
            format!("expected format files, found none in the folder `{}`", formats.get_ref());
        return Err(file
            .error(Some(formats.span()), message)
            .hint("the path is relative to the folder of the pipeline file"));
    }
    Ok(loaded)
}

fn load_source(
    file: &TomlFile,
    folder: &Path,
    formats: &BTreeMap<String, Arc<Format>>,
    name: &Text,
    raw: &RawSource,
) -> Result<Source> {
    let plain = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_'
    };
    if name.get_ref().is_empty() || !name.get_ref().bytes().all(plain) {
        let message =
            format!("expected a source name of `a-z 0-9 - _`, found `{}`", name.get_ref());
        return Err(file.error(Some(name.span()), message));
    }
    let format = formats.get(raw.format.get_ref()).ok_or_else(|| {
        let known: Vec<&str> = formats.keys().map(String::as_str).collect();
        let message =
            format!("expected a format of the formats folder, found `{}`", raw.format.get_ref());
        file.error(Some(raw.format.span()), message)
            .hint(format!("the formats are {}", known.join(", ")))
    })?;
    if raw.path.get_ref().contains("://") {
        let message = format!("expected a local path, found the URL `{}`", raw.path.get_ref());
        return Err(file
            .error(Some(raw.path.span()), message)
            .hint("object stores are not supported yet; fetch the files first"));
    }
    let fail_on_drift = match raw.drift.as_ref().map_or("warn", |drift| drift.get_ref().as_str()) {
        "warn" => false,
        "fail" => true,
        found => {
            let message = format!("expected `drift` `warn` or `fail`, found `{found}`");
            return Err(file.error(raw.drift.as_ref().map(Spanned::span), message));
        }
    };
    Ok(Source {
        name: name.get_ref().clone(),
        format: Arc::clone(format),
        path: glob_below(folder, raw.path.get_ref()),
        root: root_of(folder, raw.path.get_ref()),
        required: raw.required,
        fail_on_drift,
        reject_warn: share(file, raw.reject_warn.as_ref(), "0")?,
        reject_fail: share(file, raw.reject_fail.as_ref(), "1")?,
        control: raw
            .control
            .iter()
            .map(|(name, control)| Ok((name.clone(), control_of(file, control)?)))
            .collect::<Result<_>>()?,
    })
}

/// A share from 0 to 1, at rate scale.
fn share(file: &TomlFile, text: Option<&Text>, default: &str) -> Result<i128> {
    let written = text.map_or(default, |text| text.get_ref().as_str());
    match decimal::parse(written, RATE_SCALE) {
        Ok(share) if (0..=decimal::power_of_ten(RATE_SCALE)).contains(&share) => Ok(share),
        _ => Err(file
            .error(
                text.map(Spanned::span),
                format!("expected a share from `0` to `1`, found `{written}`"),
            )
            .hint("`\"0.05\"` is 5 % of the records")),
    }
}

fn control_of(file: &TomlFile, raw: &RawControl) -> Result<Control> {
    let mut sums = BTreeMap::new();
    for (currency, sum) in &raw.sums {
        let value = decimal::parse(sum.get_ref(), AMOUNT_SCALE)
            .map_err(|error| file.error(Some(sum.span()), error.0))?;
        if earnest_core::currency::minor_units(currency).is_none() {
            let message = format!("expected an ISO 4217 currency, found `{currency}`");
            return Err(file.error(Some(sum.span()), message));
        }
        sums.insert(currency.clone(), value);
    }
    Ok(Control { rows: raw.rows, sums })
}

fn limits_of(file: &TomlFile, raw: &RawLimits) -> Result<Limits> {
    let default = Limits::default();
    Ok(Limits {
        memory_bytes: raw.memory.as_ref().map_or(Ok(default.memory_bytes), |memory| {
            bytes_of(memory.get_ref()).ok_or_else(|| {
                let message = format!(
                    "expected a size such as `4GiB` or `512MiB`, found `{}`",
                    memory.get_ref()
                );
                file.error(Some(memory.span()), message)
            })
        })?,
        threads: if raw.threads == 0 { default.threads } else { raw.threads },
        buckets: raw.buckets,
        check_fail: share(file, raw.check_fail.as_ref(), "1")?,
    })
}

fn bytes_of(text: &str) -> Option<u64> {
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)];
    let (number, shift) = units
        .iter()
        .find_map(|(unit, shift)| text.strip_suffix(unit).map(|number| (number, *shift)))?;
    let bytes = number.trim().parse::<u64>().ok()?.checked_mul(1 << shift)?;
    (bytes > 0).then_some(bytes)
}

/// Threads for work that is done side by side.
///
/// # Errors
/// If the system refuses them.
pub fn thread_pool(threads: usize) -> Result<rayon::ThreadPool> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|error| Error::broken(format!("threads: {error}")))
}

fn all_threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The files that a glob matches, sorted.
pub(crate) fn expand(pattern: &str) -> Result<Vec<PathBuf>, String> {
    let paths = glob::glob(pattern)
        .map_err(|error| format!("expected a glob, found `{pattern}` ({})", error.msg))?;
    let mut found = Vec::new();
    for path in paths {
        let path = path.map_err(|error| format!("expected to read `{pattern}`, found {error}"))?;
        if path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// An absolute glob; wildcards in the folder's own name mean themselves.
fn glob_below(folder: &Path, pattern: &str) -> String {
    let folder = glob::Pattern::escape(&folder.to_string_lossy());
    normal(&Path::new(&folder).join(pattern)).to_string_lossy().into_owned()
}

/// The folder above a glob's first wildcard.
fn root_of(folder: &Path, pattern: &str) -> PathBuf {
    let path = Path::new(pattern);
    let fixed: PathBuf = path
        .components()
        .take_while(|part| !part.as_os_str().to_string_lossy().contains(['*', '?', '[']))
        .collect();
    let fixed = if fixed == path { fixed.parent().unwrap_or(Path::new("")) } else { &fixed };
    normal(&folder.join(fixed))
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|error| Error::io(path, &error))
}

/// Without `.` and `..`, so that messages and globs read plainly.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => {
                normal.pop();
            }
            part => normal.push(part),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(bytes_of("4GiB"), Some(4 << 30));
        assert_eq!(bytes_of("512 MiB"), Some(512 << 20));
        for bad in ["4", "4GB", "GiB", "-1GiB", "0MiB", "99999999999TiB"] {
            assert_eq!(bytes_of(bad), None, "`{bad}`");
        }
    }

    #[test]
    fn paths_are_plain() {
        assert_eq!(normal(Path::new("/a/b/../c/./d")), PathBuf::from("/a/c/d"));
        let folder = Path::new("/w/[x]");
        assert_eq!(glob_below(folder, "../in/*.csv"), "/w/in/*.csv");
        assert_eq!(glob_below(folder, "in/*.csv"), "/w/[[]x[]]/in/*.csv");
        assert_eq!(root_of(folder, "../in/**/*.csv"), PathBuf::from("/w/in"));
        assert_eq!(root_of(folder, "in/a.csv"), PathBuf::from("/w/[x]/in"));
    }
}
