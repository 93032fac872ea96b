//! Replacement row by row. In: the deliveries of a `key` source and the key hashes of the new ones. Out:
//! which rows end with which delivery, and which contradict each other. Hashes find candidates, the
//! keys themselves decide.

use super::occurrences::short;
use super::read::{read_file, read_texts, texts};
use super::supersede::{Kind, Supersession, Version, Versions};
use crate::error::Result;
use crate::warehouse::{DataFile, Digest};
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use std::collections::{BTreeMap, HashSet};
use xxhash_rust::xxh3::xxh3_128;

/// What staging the new deliveries learned.
#[derive(Default)]
pub(super) struct NewKeys {
    /// Hashes of the distinct keys of each new delivery, one after the other.
    pub hashes: Vec<u64>,
    /// Keys whose rows differ within their delivery: delivery, key, rows.
    pub conflicts: Vec<(String, String, u64)>,
}

/// Rows per delivery of one key.
type Holders = BTreeMap<String, u64>;

/// The supersessions that new deliveries bring.
pub(super) fn supersede_keys(versions: &Versions, new: &NewKeys) -> Result<Vec<Supersession>> {
    let mut hashes = new.hashes.clone();
    hashes.sort_unstable();
    let mut candidates: HashSet<u64> =
        hashes.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
    let is_new = |version: &&Version| version.new;
    let old =
        holders(versions, |version| !is_new(&version), |hash| hashes.binary_search(&hash).is_ok())?;
    candidates.extend(old.keys().map(|key| hash_of(key)));
    let mut all = old;
    let fresh = if candidates.is_empty() {
        BTreeMap::new()
    } else {
        holders(versions, |version| version.new, |hash| candidates.contains(&hash))?
    };
    for (key, holders) in fresh {
        all.entry(key).or_default().extend(holders);
    }
    // A key of an old delivery alone shared no more than a hash with a new one.
    all.retain(|_, holders| {
        holders.len() > 1 && holders.keys().any(|id| versions.versions[id].new)
    });
    let contents = contents_of_equals(versions, &all)?;
    let mut found = Vec::new();
    for (key, holders) in &all {
        history(versions, key, holders, &contents, &mut found);
    }
    for (id, key, rows) in &new.conflicts {
        let version = &versions.versions[id];
        let mut row = versions.row(id, version, Kind::ConflictingVersions, *rows);
        row.key = Some(key.clone());
        found.push(row);
    }
    Ok(versions.unrecorded(found))
}

fn hash_of(key: &str) -> u64 {
    short(xxh3_128(key.as_bytes()))
}

/// The keys of some deliveries whose hash is wanted, with the deliveries that hold them.
fn holders(
    versions: &Versions,
    of: impl Fn(&Version) -> bool,
    wanted: impl Fn(u64) -> bool + Sync,
) -> Result<BTreeMap<String, Holders>> {
    let files: Vec<(&str, &DataFile)> = versions
        .versions
        .values()
        .filter(|version| of(version))
        .flat_map(|version| version.files.iter().map(|file| (version.id.as_str(), file)))
        .collect();
    let found: Vec<(&str, Vec<String>)> = files
        .par_iter()
        .map(|(id, file)| {
            let mut keys = Vec::new();
            read_texts(&versions.store.path(&file.path), &["row_key"], |columns| {
                let held = columns[0].iter().flatten().filter(|key| wanted(hash_of(key)));
                keys.extend(held.map(str::to_owned));
                Ok(())
            })?;
            Ok((*id, keys))
        })
        .collect::<Result<_>>()?;
    let mut holders: BTreeMap<String, Holders> = BTreeMap::new();
    for (id, keys) in found {
        for key in keys {
            *holders.entry(key).or_default().entry(id.to_owned()).or_default() += 1;
        }
    }
    Ok(holders)
}

/// Digests of rows by key and delivery, for keys that deliveries of equal rank hold.
fn contents_of_equals(
    versions: &Versions,
    all: &BTreeMap<String, Holders>,
) -> Result<BTreeMap<(String, String), Digest>> {
    let mut wanted: BTreeMap<&str, HashSet<&str>> = BTreeMap::new();
    for (key, holders) in all {
        let mut ranks: Vec<_> = holders.keys().map(|id| (versions.versions[id].rank, id)).collect();
        ranks.sort();
        for equals in ranks.chunk_by(|a, b| a.0 == b.0).filter(|equals| equals.len() > 1) {
            for (_, id) in equals {
                wanted.entry(id).or_default().insert(key);
            }
        }
    }
    let table = versions.table;
    let mut contents: BTreeMap<(String, String), Digest> = BTreeMap::new();
    for (id, keys) in wanted {
        for file in &versions.versions[id].files {
            for batch in read_file(&versions.store.path(&file.path), table)? {
                let found = texts(&batch, table.position("row_key"));
                for row in (0..batch.num_rows()).filter(|&row| keys.contains(found.value(row))) {
                    let place = (found.value(row).to_owned(), id.to_owned());
                    contents.entry(place).or_default().add(table, &batch.slice(row, 1));
                }
            }
        }
    }
    Ok(contents)
}

fn history(
    versions: &Versions,
    key: &str,
    holders: &Holders,
    contents: &BTreeMap<(String, String), Digest>,
    found: &mut Vec<Supersession>,
) {
    let mut held: Vec<(&Version, u64)> =
        holders.iter().map(|(id, rows)| (&versions.versions[id], *rows)).collect();
    held.sort_by_key(|(version, _)| (version.rank, version.id.clone()));
    let groups: Vec<&[(&Version, u64)]> = held.chunk_by(|a, b| a.0.rank == b.0.rank).collect();
    let mut add = |version: &Version, by: &Version, kind: Kind, rows: u64| {
        let mut row = versions.row(&version.id, by, kind, rows);
        row.key = Some(key.to_owned());
        found.push(row);
    };
    for (place, group) in groups.iter().enumerate() {
        if let Some(next) = groups.get(place + 1) {
            for (version, rows) in *group {
                add(version, next[0].0, Kind::Superseded, *rows);
            }
        }
        let content = |version: &Version| contents.get(&(key.to_owned(), version.id.clone()));
        let (first, others) = (group[0], &group[1..]);
        let agree = others.iter().all(|(version, _)| content(version) == content(first.0));
        for (version, rows) in others {
            let kind = if agree { Kind::Superseded } else { Kind::ConflictingVersions };
            add(version, first.0, kind, *rows);
        }
        if let (false, Some((other, _))) = (agree, others.first()) {
            add(first.0, other, Kind::ConflictingVersions, first.1);
        }
    }
}
