//! Transactions that decided what a close froze, and were corrected since: another version replaced them,
//! or they were withdrawn. In: the staged files, as they counted at each close and as they count now.
//! Out: what is gone, and what is left of those of then. Files that lost nothing aren't read.
//!
//! A transaction keeps its source and id in whatever delivery it comes; one that came again as it was is not
//! corrected, and one that wasn't there at the close decided nothing.

use super::{Closed, events};
use crate::columns;
use crate::earnings::{CorrectedLines, Gone, facts};
use crate::eligibility::{Corrected, Sold};
use crate::error::Result;
use crate::ingest::{History, InForceFile, read_columns};
use crate::schema::TRANSACTIONS;
use crate::warehouse::{Snapshot, Store};
use chrono::NaiveDate;
use earnest_core::calendar::Period;
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

/// Columns of a line that decisions read, and what tells it apart.
const READ: [&str; 13] = [
    "transaction_id",
    "source",
    "data_role",
    "slice_key",
    "row_key",
    "transaction_on",
    "billed_partner_id",
    "reseller_partner_id",
    "customer_id",
    "product_id",
    "sku_id",
    "base",
    "transaction_currency",
];

/// Source and id of a transaction.
type Id = (String, String);

/// What became of the lines that counted when a cycle was closed.
struct Look {
    cycle: Period,
    /// The files that it knew.
    known: HashSet<PathBuf>,
    /// Lines that no longer count in their delivery.
    gone: HashMap<Id, Line>,
    /// Lines of the same ids in later ones.
    came: Vec<(Id, Line)>,
}

impl Closed {
    /// Finds what was corrected since the closes that froze who reached trailing revenue, who added a
    /// customer, and what windows are compared with. `files` are those in force now; `asked` says whether
    /// some program asks for revenue, and if so, whether by product.
    ///
    /// # Errors
    /// If the warehouse can't be read.
    pub fn correct(
        &mut self,
        (store, snapshot): (&Store, &Snapshot),
        files: &[InForceFile],
        asked: Option<bool>,
    ) -> Result<()> {
        let revenue = self.revenue.iter().filter_map(|one| Some((one.closed_by?, one.days()?)));
        let added = self.added.iter().filter_map(|one| Some((one.closed_by?, one.days()?)));
        let mut looked: BTreeMap<Period, Days> = BTreeMap::new();
        for (cycle, days) in revenue.chain(added) {
            looked.entry(cycle).or_default().ranges.push(days);
        }
        for (cycle, days) in self.baselines.days() {
            looked.entry(cycle).or_default().baseline(days);
        }
        if looked.is_empty() {
            return Ok(());
        }
        let events = events::read(store, snapshot)?;
        let history = History::read(store, snapshot, TRANSACTIONS.name)?;
        let mut looks = Vec::new();
        for (cycle, days) in looked {
            let Some(close) = events::closed(&events, cycle) else { continue };
            let then = history.at(close);
            let gone = lost(&then, files, &days.united())?;
            if !gone.is_empty() {
                let known = then.into_iter().map(|file| file.path).collect();
                looks.push(Look { cycle, known, gone, came: Vec::new() });
            }
        }
        again(files, &mut looks)?;
        for Look { cycle, known, mut gone, came } in looks {
            let measured = self.baselines.has(cycle);
            let lost = measured.then(|| gone.keys().cloned().collect());
            for (id, line) in &came {
                if gone.get(id) == Some(line) {
                    gone.remove(id);
                }
            }
            self.mark(cycle, &gone, &came);
            if let (Some(lost), false) = (lost, gone.is_empty()) {
                let (known, gone) = (known.clone(), gone.values().map(Line::gone).collect());
                self.baselines.corrected.push(CorrectedLines { cycle, known, lost, gone });
            }
            if gone.is_empty() || asked.is_none() {
                continue;
            }
            let old = files.iter().filter(|file| known.contains(&file.path));
            let old: Vec<InForceFile> = old.cloned().collect();
            let came: Vec<Sold> = came.into_iter().map(|(_, line)| line.sold).collect();
            let gone = gone.into_values().map(|line| line.sold).collect();
            let now = move || {
                let mut now = facts::sold(&old, asked)?;
                now.extend(came.iter().cloned());
                Ok(now)
            };
            self.corrected.push(Corrected::new(cycle, gone, now));
        }
        Ok(())
    }

    /// Marks the additions of a cycle of which lines are gone. What is taken back doesn't count in them.
    fn mark(&mut self, cycle: Period, gone: &HashMap<Id, Line>, came: &[(Id, Line)]) {
        let partners = |line: &Line| (line.sold.billed.clone(), line.sold.reseller.clone());
        let resold = |(id, line): &(Id, Line)| {
            let before = gone.get(id).filter(|before| partners(before) != partners(line));
            before.map(|_| id.clone())
        };
        let resold: HashSet<Id> = came.iter().filter_map(resold).collect();
        let mut days: HashMap<&str, Vec<NaiveDate>> = HashMap::new();
        for line in gone.values().filter(|line| line.sold.base > 0) {
            if let Some(customer) = &line.customer {
                days.entry(customer).or_default().push(line.sold.on);
            }
        }
        for added in self.added.iter_mut().filter(|added| added.closed_by == Some(cycle)) {
            let first = added.days().map(|(first, _)| first);
            let decides =
                |on: &NaiveDate| first.is_some_and(|first| first <= *on) && *on <= added.on;
            let gone = days.get(added.customer.as_str());
            added.corrected = gone.is_some_and(|gone| gone.iter().any(decides));
            let line = (added.source.clone(), added.transaction_id.clone());
            added.resold = resold.contains(&line);
        }
    }
}

/// The days whose lines decided what a close froze.
#[derive(Default)]
struct Days {
    /// Both inclusive.
    ranges: Vec<(NaiveDate, NaiveDate)>,
    /// From then on, whatever takes back: a refund counts in a baseline where what it refunds does.
    refunds_from: Option<NaiveDate>,
}

impl Days {
    /// Adds those of a baseline.
    fn baseline(&mut self, days: (NaiveDate, NaiveDate)) {
        self.ranges.push(days);
        self.refunds_from = self.refunds_from.into_iter().chain([days.0]).min();
    }

    /// As few ranges as hold the same days.
    fn united(mut self) -> Days {
        self.ranges.sort_unstable();
        let mut united: Vec<(NaiveDate, NaiveDate)> = Vec::new();
        for (first, last) in self.ranges {
            match united.last_mut().filter(|before| first <= before.1) {
                Some(before) => before.1 = before.1.max(last),
                None => united.push((first, last)),
            }
        }
        Days { ranges: united, ..self }
    }

    fn decide(&self, line: &Place) -> bool {
        let refund = line.takes_back && self.refunds_from.is_some_and(|from| from <= line.on);
        refund || self.ranges.iter().any(|(first, last)| *first <= line.on && line.on <= *last)
    }
}

/// Lines on some days of files that counted then and no longer do.
fn lost(then: &[InForceFile], files: &[InForceFile], days: &Days) -> Result<HashMap<Id, Line>> {
    let now: HashMap<&Path, &InForceFile> =
        files.iter().map(|file| (file.path.as_path(), file)).collect();
    let gone = then.par_iter().map(|file| {
        let mut gone = Vec::new();
        let changed = now.get(file.path.as_path()).filter(|now| {
            now.slices.len() != file.slices.len() || now.keys.len() != file.keys.len()
        });
        if let Some(now) = changed {
            let lost = |line: &Place| line.counts(file) && !line.counts(now) && days.decide(line);
            lines(file, lost, |id, line| gone.push((id, line)))?;
        }
        Ok(gone)
    });
    Ok(gone.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
}

/// Finds the lines of files that a close didn't know which came in place of those that it lost.
fn again(files: &[InForceFile], looks: &mut [Look]) -> Result<()> {
    let came = files.par_iter().map(|file| {
        let new = looks.iter().enumerate().filter(|(_, look)| !look.known.contains(&file.path));
        let new: Vec<(usize, &Look)> = new.collect();
        let mut came = Vec::new();
        if !new.is_empty() {
            lines(
                file,
                |line| line.counts(file),
                |id, line| {
                    let ours = new.iter().filter(|(_, look)| look.gone.contains_key(&id));
                    came.extend(ours.map(|(place, _)| (*place, id.clone(), line.clone())));
                },
            )?;
        }
        Ok(came)
    });
    let came: Vec<_> = came.collect::<Result<_>>()?;
    for (place, id, line) in came.into_iter().flatten() {
        looks[place].came.push((id, line));
    }
    Ok(())
}

/// A line, as far as decisions read it.
#[derive(Clone, PartialEq, Eq)]
struct Line {
    customer: Option<String>,
    sold: Sold,
}

impl Line {
    fn gone(&self) -> Gone {
        Gone {
            billed: self.sold.billed.clone(),
            reseller: self.sold.reseller.clone(),
            customer: self.customer.clone(),
            on: self.sold.on,
            takes_back: self.sold.base < 0,
        }
    }
}

/// What decides whether a line counts.
struct Place<'a> {
    slice: Option<&'a str>,
    key: Option<&'a str>,
    on: NaiveDate,
    takes_back: bool,
}

impl Place<'_> {
    /// True if a file doesn't leave it out.
    fn counts(&self, file: &InForceFile) -> bool {
        !self.slice.is_some_and(|slice| file.slices.contains(slice))
            && !self.key.is_some_and(|key| file.keys.contains(key))
    }
}

/// Hands the lines of a file that are wanted to `each`.
fn lines(
    file: &InForceFile,
    wanted: impl Fn(&Place) -> bool,
    mut each: impl FnMut(Id, Line),
) -> Result<()> {
    read_columns(&file.path, &TRANSACTIONS, &READ, |rows| {
        let text = |name| columns::text(rows, name);
        let (ids, sources) = (text("transaction_id")?, text("source")?);
        let (slices, keys) = (text("slice_key")?, text("row_key")?);
        let (billed, resellers) = (text("billed_partner_id")?, text("reseller_partner_id")?);
        let customers = text("customer_id")?;
        let (products, skus) = (text("product_id")?, text("sku_id")?);
        let (currencies, roles) = (text("transaction_currency")?, text("data_role")?);
        let (days, bases) =
            (columns::date(rows, "transaction_on")?, columns::decimal(rows, "base")?);
        for row in 0..rows.num_rows() {
            let on = columns::day(days, row).unwrap_or_default();
            let (slice, key) = (columns::filled(slices, row), columns::filled(keys, row));
            let takes_back = bases.value(row) < 0;
            if !wanted(&Place { slice, key, on, takes_back }) {
                continue;
            }
            let cell = |column| columns::filled(column, row).map(str::to_owned);
            let sold = Sold {
                billed: cell(billed),
                reseller: cell(resellers),
                on,
                currency: cell(currencies).unwrap_or_default(),
                data_role: facts::data_role(columns::filled(roles, row)),
                product: cell(products),
                sku: cell(skus),
                base: bases.value(row),
                transactions: 1,
            };
            let line = Line { customer: cell(customers), sold };
            each((sources.value(row).to_owned(), ids.value(row).to_owned()), line);
        }
        Ok(())
    })
}
