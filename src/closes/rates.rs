//! Exchange rates that closed cycles used. They stay, whatever exports say later: what was settled at a
//! rate is not settled again at another.

use super::kept;
use crate::columns;
use crate::earnings::{self, facts};
use crate::error::Result;
use crate::exchange_rates::ExchangeRates;
use crate::ingest;
use crate::schema::{CLAIM_ITEMS, CLOSED_RATES, EXCHANGE_RATES, Kind, PAYMENTS, TRANSACTIONS};
use crate::warehouse::{DataFile, Snapshot, Store, TableWriter};
use arrow::array::{Array as _, BooleanArray, RecordBatch};
use arrow::compute::{concat_batches, filter_record_batch};
use chrono::NaiveDate;
use earnest_core::calendar::Period;
use earnest_core::program::Program;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Type, from, to and month of a rate.
type Key = (String, String, String, String);

/// The rows of `exchange_rates` that count: those that closed cycles used, as they were then, and the
/// others as they are known now.
///
/// # Errors
/// If a file of a closed cycle can't be read.
pub fn counting(store: &Store, kept: &Snapshot, known: &RecordBatch) -> Result<RecordBatch> {
    let (closed, used) = closed(store, kept)?;
    if closed.is_empty() {
        return told(known);
    }
    let open: BooleanArray = keys(known)?.iter().map(|key| Some(!used.contains(key))).collect();
    let mut batches = vec![told(&filter_record_batch(known, &open)?)?];
    for rows in &closed {
        batches.push(told(rows)?);
    }
    Ok(concat_batches(&batches[0].schema(), &batches)?)
}

/// The rates that closed cycles used, and which they are.
fn closed(store: &Store, kept: &Snapshot) -> Result<(Vec<RecordBatch>, BTreeSet<Key>)> {
    let (mut closed, mut used) = (Vec::new(), BTreeSet::new());
    for path in kept.paths(store, CLOSED_RATES.name) {
        for rows in ingest::read_file(&path, &CLOSED_RATES)? {
            used.extend(keys(&rows)?);
            closed.push(rows);
        }
    }
    Ok((closed, used))
}

/// What a row says, without where it came from.
fn told(rows: &RecordBatch) -> Result<RecordBatch> {
    let names = ["rate_type", "from_currency", "to_currency", "period", "rate"];
    let columns = names
        .into_iter()
        .filter_map(|name| rows.column_by_name(name).map(|column| (name, Arc::clone(column))));
    Ok(RecordBatch::try_from_iter(columns)?)
}

fn keys(rows: &RecordBatch) -> Result<Vec<Key>> {
    let text = |name| columns::text(rows, name);
    let (kind, period) = (text("rate_type")?, text("period")?);
    let (from, to) = (text("from_currency")?, text("to_currency")?);
    let of = |row: usize| {
        let [kind, from, to, period] =
            [kind, from, to, period].map(|column| column.value(row).to_owned());
        (kind, from, to, period)
    };
    Ok((0..rows.num_rows()).map(of).collect())
}

/// The file of rates that a closing cycle uses first: of earnings in currencies that were sold in months
/// that are due by then, of payments those of its orders and of claims paid by then. None if it uses none.
///
/// # Errors
/// If the warehouse can't be read, or the disk refuses.
pub fn close(
    store: &Store,
    newest: &Snapshot,
    programs: &[Program],
    cycle: Period,
    as_of: NaiveDate,
) -> Result<Vec<DataFile>> {
    let known = ingest::read_table(store, newest, &EXCHANGE_RATES, as_of)?;
    let [earning, payment] = ["earning", "payment"].map(|kind| ExchangeRates::read(&known, kind));
    let (earning, payment) = (earning?, payment?);
    let (_, before) = closed(store, newest)?;
    let asked = sold(store, newest, programs, cycle, as_of)?
        .into_iter()
        .map(|(from, to, period)| ("earning", &earning, from, to, period))
        .chain(
            ordered(store, newest, cycle)?
                .into_iter()
                .map(|(from, to)| ("payment", &payment, from, to, cycle)),
        )
        .chain(
            claimed(store, newest, cycle)?
                .into_iter()
                .map(|(from, to, period)| ("payment", &payment, from, to, period)),
        );
    // An order and a claim may use the same one.
    let mut used: BTreeMap<Key, i128> = BTreeMap::new();
    for (kind, rates, from, to, period) in asked.filter(|(_, _, from, to, _)| from != to) {
        let rate = rates.rate(&from, &to, period);
        let key = (kind.to_owned(), from, to, period.to_string());
        used.extend(rate.filter(|_| !before.contains(&key)).map(|rate| (key, rate)));
    }
    let text = |of: fn(&Key) -> &String| columns::texts(used.keys().map(of));
    let columns = vec![
        columns::texts(used.keys().map(|_| cycle.to_string())),
        text(|key| &key.0),
        text(|key| &key.1),
        text(|key| &key.2),
        text(|key| &key.3),
        columns::decimals(Kind::Rate, used.values().copied())?,
    ];
    let mut writer = TableWriter::new(store, &CLOSED_RATES, "", &kept::unit(cycle))?;
    writer.write(&columns::batch(&CLOSED_RATES, columns)?)?;
    Ok(writer.finish()?.into_iter().collect())
}

/// From, to and month of every currency that was sold in months of which some program settles something by a
/// cycle.
fn sold(
    store: &Store,
    newest: &Snapshot,
    programs: &[Program],
    cycle: Period,
    as_of: NaiveDate,
) -> Result<BTreeSet<(String, String, Period)>> {
    let files = ingest::in_force(store, newest, TRANSACTIONS.name, as_of)?;
    let mut found = BTreeSet::new();
    for (period, files) in earnings::periods(&files) {
        let due = |program: &&Program| program.first_due_cycle(period) <= cycle;
        let settling: Vec<&Program> = programs.iter().filter(due).collect();
        if settling.is_empty() {
            continue;
        }
        let files: Vec<_> = files.into_iter().map(|(_, file)| file.clone()).collect();
        for currency in facts::currencies(&files)? {
            let pairs =
                settling.iter().map(|program| (currency.clone(), program.currency.clone(), period));
            found.extend(pairs);
        }
    }
    Ok(found)
}

/// The currencies of a cycle's orders that were converted, and of their programs.
fn ordered(store: &Store, newest: &Snapshot, cycle: Period) -> Result<BTreeSet<(String, String)>> {
    let mut found = BTreeSet::new();
    let names = ["cycle", "program_currency", "payment_currency", "earning_type", "exchange_rate"];
    for path in newest.paths(store, PAYMENTS.name) {
        ingest::read_columns(&path, &PAYMENTS, &names, |rows| {
            let text = |name| columns::text(rows, name);
            let (of, kind) = (text("cycle")?, text("earning_type")?);
            let (from, to) = (text("payment_currency")?, text("program_currency")?);
            let rate = columns::decimal(rows, "exchange_rate")?;
            let ours = |row: &usize| {
                let own = of.value(*row) == cycle.to_string() && kind.value(*row) != "coop";
                own && rate.is_valid(*row)
            };
            let pair = |row| (from.value(row).to_owned(), to.value(row).to_owned());
            found.extend((0..rows.num_rows()).filter(ours).map(pair));
            Ok(())
        })?;
    }
    Ok(found)
}

/// From, to and month of activity of every claim that was ordered by the end of a cycle's month.
fn claimed(
    store: &Store,
    newest: &Snapshot,
    cycle: Period,
) -> Result<BTreeSet<(String, String, Period)>> {
    let mut orders = BTreeSet::new();
    for path in newest.paths(store, PAYMENTS.name) {
        ingest::read_columns(&path, &PAYMENTS, &["payment_id", "cycle", "order_kind"], |rows| {
            let text = |name| columns::text(rows, name);
            let (id, of, kind) = (text("payment_id")?, text("cycle")?, text("order_kind")?);
            for row in (0..rows.num_rows()).filter(|row| kind.value(*row) == "claim") {
                if of.value(row).parse::<Period>()? <= cycle {
                    orders.insert(id.value(row).to_owned());
                }
            }
            Ok(())
        })?;
    }
    let mut found = BTreeSet::new();
    let names = ["payment_id", "claim_currency", "program_currency", "exchange_period"];
    for path in newest.paths(store, CLAIM_ITEMS.name).into_iter().filter(|_| !orders.is_empty()) {
        ingest::read_columns(&path, &CLAIM_ITEMS, &names, |rows| {
            let text = |name| columns::text(rows, name);
            let (id, period) = (text("payment_id")?, text("exchange_period")?);
            let (from, to) = (text("claim_currency")?, text("program_currency")?);
            for row in 0..rows.num_rows() {
                let month = columns::filled(period, row);
                if let Some(month) = month.filter(|_| orders.contains(id.value(row))) {
                    let pair = (from.value(row).to_owned(), to.value(row).to_owned());
                    found.insert((pair.0, pair.1, month.parse()?));
                }
            }
            Ok(())
        })?;
    }
    Ok(found)
}
