//! Replacement slice by slice. In: the deliveries of a `replace_by` source. Out: which slices of which
//! delivery end with which other. The newest delivery that has a slice has it whole.

use super::delivery::whole_of;
use super::read::{open, read_file, read_texts, texts};
use super::supersede::{Kind, Supersession, Version, Versions};
use crate::error::{Error, Result};
use crate::warehouse::{DataFile, Digest, Store};
use arrow::array::BooleanArray;
use arrow::compute::filter_record_batch;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use std::collections::{BTreeMap, BTreeSet};

/// A delivery's part in the history of one slice.
struct Part<'a> {
    version: &'a Version,
    /// `None`: it withdraws the slice.
    rows: Option<u64>,
}

/// The supersessions that new deliveries bring.
pub(super) fn supersede_slices(versions: &mut Versions) -> Result<Vec<Supersession>> {
    read_slices(versions)?;
    let mut found = Vec::new();
    for slice in touched(versions) {
        let parts = parts(versions, &slice);
        history(versions, &slice, &parts, &mut found)?;
    }
    found.extend(announced(versions, &found));
    Ok(versions.unrecorded(found))
}

/// What new deliveries withdraw of deliveries that haven't arrived yet: rows that name no delivery.
fn announced(versions: &Versions, found: &[Supersession]) -> Vec<Supersession> {
    let mut announced = Vec::new();
    for version in versions.versions.values().filter(|version| version.new) {
        for entry in &version.complete_for {
            let has = version.slices.as_ref().is_some_and(|slices| slices.contains_key(entry));
            let withdrawn = found.iter().any(|row| {
                row.kind == Kind::Withdrawn
                    && row.by == version.id
                    && row.slice.as_ref() == Some(entry)
            });
            if !has && !withdrawn {
                let mut row = versions.row("", version, Kind::Withdrawn, 0);
                row.slice = Some(entry.clone());
                announced.push(row);
            }
        }
    }
    announced
}

/// Slices that a new delivery has or withdraws.
fn touched(versions: &Versions) -> BTreeSet<String> {
    let slices = |version: &Version| version.slices.clone().unwrap_or_default().into_keys();
    let mut touched = BTreeSet::new();
    for version in versions.versions.values().filter(|version| version.new) {
        touched.extend(slices(version));
        if !version.complete_for.is_empty() {
            let known = versions.versions.values().flat_map(slices);
            touched.extend(known.filter(|slice| covers(version, slice)));
        }
    }
    touched
}

/// Whether a delivery declares to have everything of a slice: by its name, by the first of its
/// columns, or by `*`, all slices of the source.
fn covers(version: &Version, slice: &str) -> bool {
    version.complete_for.iter().any(|entry| {
        let below = slice.strip_prefix(entry.as_str());
        entry == "*" || below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

/// The deliveries that have or withdraw a slice, by rank.
fn parts<'a>(versions: &'a Versions, slice: &str) -> Vec<Part<'a>> {
    let mut parts: Vec<Part> = versions
        .versions
        .values()
        .filter_map(|version| {
            let rows = version.slices.as_ref().and_then(|slices| slices.get(slice)).copied();
            let part = rows.is_some() || covers(version, slice);
            part.then_some(Part { version, rows })
        })
        .collect();
    parts.sort_by_key(|part| (part.version.rank, part.rows.is_none(), part.version.id.clone()));
    parts
}

fn history(
    versions: &Versions,
    slice: &str,
    parts: &[Part],
    found: &mut Vec<Supersession>,
) -> Result<()> {
    let groups: Vec<&[Part]> = parts.chunk_by(|a, b| a.version.rank == b.version.rank).collect();
    for (place, group) in groups.iter().enumerate() {
        let present: Vec<&Part> = group.iter().filter(|part| part.rows.is_some()).collect();
        let next = groups.get(place + 1).map(|next| &next[0]);
        for part in &present {
            if let Some(next) = next {
                let kind = if next.rows.is_some() { Kind::Superseded } else { Kind::Withdrawn };
                found.push(ended(versions, slice, part, next, kind));
            }
        }
        let Some(first) = present.first() else { continue };
        let (first, others): (Vec<&Part>, Vec<&Part>) = present
            .iter()
            .partition(|part| whole_of(&part.version.id) == whole_of(&first.version.id));
        for other in others.chunk_by(|a, b| whole_of(&a.version.id) == whole_of(&b.version.id)) {
            same_content(versions, slice, &first, other)?;
            let ended = |part: &&Part| ended(versions, slice, part, first[0], Kind::Superseded);
            found.extend(other.iter().map(ended));
        }
    }
    Ok(())
}

fn ended(versions: &Versions, slice: &str, part: &Part, by: &Part, kind: Kind) -> Supersession {
    let rows = part.rows.unwrap_or_default();
    let mut row = versions.row(&part.version.id, by.version, kind, rows);
    row.slice = Some(slice.to_owned());
    row
}

/// Two deliveries of equal rank may repeat a slice, but not contradict each other. The parts of each add up.
fn same_content(versions: &Versions, slice: &str, a: &[&Part], b: &[&Part]) -> Result<()> {
    let digest = |parts: &[&Part]| {
        let mut digest = Digest::default();
        for file in parts.iter().flat_map(|part| &part.version.files) {
            add_slice(versions, file, slice, &mut digest)?;
        }
        Ok::<_, Error>(digest)
    };
    if digest(a)? == digest(b)? {
        return Ok(());
    }
    let (a, b) = (a[0].version, b[0].version);
    let (known_on, sequence) = a.rank;
    let found = match a.file == b.file {
        true => format!("`{}` twice,", a.file),
        false => format!("`{}` and `{}`", a.file, b.file),
    };
    Err(Error::check(format!(
        "source `{}`: slice `{slice}`: expected one delivery known on {known_on} with sequence {sequence}, found {found} with different content",
        versions.source
    ))
    .hint("give the newer one a higher sequence in its name or manifest; parts of one delivery are named by one delivery, and those that came before lie there unchanged"))
}

fn add_slice(versions: &Versions, file: &DataFile, slice: &str, digest: &mut Digest) -> Result<()> {
    let table = versions.table;
    for batch in read_file(&versions.store.path(&file.path), table)? {
        let slices = texts(&batch, table.position("slice_key"));
        let of_slice: BooleanArray =
            slices.iter().map(|found| Some(found == Some(slice))).collect();
        digest.add(table, &filter_record_batch(&batch, &of_slice)?);
    }
    Ok(())
}

/// Reads the slices of deliveries that earlier runs staged, as far as new ones concern them.
fn read_slices(versions: &mut Versions) -> Result<()> {
    let fresh: Vec<&Version> = versions.versions.values().filter(|version| version.new).collect();
    let concerned = |slice: &str| {
        fresh.iter().any(|version| {
            let has = version.slices.as_ref().is_some_and(|slices| slices.contains_key(slice));
            has || covers(version, slice)
        })
    };
    let files: Vec<(&String, &DataFile)> = versions
        .versions
        .iter()
        .filter(|(_, version)| version.reads_slices)
        .flat_map(|(id, version)| version.files.iter().map(move |file| (id, file)))
        .collect();
    let read: Vec<(String, BTreeMap<String, u64>)> = files
        .par_iter()
        .map(|(id, file)| Ok(((*id).clone(), slices_of(versions.store, file, &concerned)?)))
        .collect::<Result<_>>()?;
    for version in versions.versions.values_mut().filter(|version| version.reads_slices) {
        version.slices = Some(BTreeMap::new());
    }
    for (id, slices) in read {
        let Some(version) = versions.versions.get_mut(&id) else { continue };
        let known = version.slices.get_or_insert_default();
        for (slice, rows) in slices {
            *known.entry(slice).or_default() += rows;
        }
    }
    Ok(())
}

/// The slices of a staged file with their rows, those that concern anybody.
fn slices_of(
    store: &Store,
    file: &DataFile,
    concerned: &dyn Fn(&str) -> bool,
) -> Result<BTreeMap<String, u64>> {
    let path = store.path(&file.path);
    if let Some(slice) = only_slice(&path)? {
        let rows = concerned(&slice).then_some((slice, file.rows));
        return Ok(rows.into_iter().collect());
    }
    let mut slices: BTreeMap<String, u64> = BTreeMap::new();
    let mut add = |slice: &str, rows: u64| {
        if let Some(known) = slices.get_mut(slice) {
            *known += rows;
        } else if concerned(slice) {
            slices.insert(slice.to_owned(), rows);
        }
    };
    read_texts(&path, &["slice_key"], |columns| {
        // Lines of a slice mostly stand together.
        let mut run: Option<(&str, u64)> = None;
        for slice in columns[0].iter().flatten() {
            match &mut run {
                Some((known, rows)) if *known == slice => *rows += 1,
                run => {
                    if let Some((known, rows)) = run.replace((slice, 1)) {
                        add(known, rows);
                    }
                }
            }
        }
        if let Some((known, rows)) = run {
            add(known, rows);
        }
        Ok(())
    })?;
    Ok(slices)
}

/// The one slice of a file that has only one, from the file's statistics.
fn only_slice(path: &std::path::Path) -> Result<Option<String>> {
    use parquet::file::statistics::Statistics;
    let builder = open(path)?;
    let schema = builder.parquet_schema();
    let Some(column) =
        (0..schema.num_columns()).find(|&at| schema.column(at).name() == "slice_key")
    else {
        return Ok(None);
    };
    let mut only: Option<Vec<u8>> = None;
    for group in builder.metadata().row_groups() {
        let Some(Statistics::ByteArray(statistics)) = group.column(column).statistics() else {
            return Ok(None);
        };
        let exact = statistics.min_is_exact() && statistics.max_is_exact();
        let (Some(least), Some(most)) = (statistics.min_opt(), statistics.max_opt()) else {
            return Ok(None);
        };
        let nulls = statistics.null_count_opt() != Some(0);
        if !exact
            || nulls
            || least != most
            || only.as_deref().is_some_and(|only| only != least.data())
        {
            return Ok(None);
        }
        only = Some(least.data().to_vec());
    }
    Ok(only.and_then(|only| String::from_utf8(only).ok()))
}
