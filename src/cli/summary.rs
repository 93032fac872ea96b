//! What a run did, on one screen. In: a connection over the new snapshot. Out: text.

use super::output::columns;
use crate::error::Result;
use crate::query::text_rows;
use crate::warehouse::{Snapshot, Store};
use duckdb::Connection;
use earnest_core::currency::minor_units;
use earnest_core::decimal::{AMOUNT_SCALE, format, parse};
use std::fmt::Write;

/// A block of the summary: title, header, which columns hold numbers, and the query.
pub struct Block {
    pub title: &'static str,
    pub header: &'static [&'static str],
    /// `l` left, `r` right, `m` money in the currency of the column after it.
    pub kinds: &'static str,
    pub sql: &'static str,
    pub none: &'static str,
}

const READ: &[Block] = &[Block {
    title: "Read",
    header: &["source", "files", "rows", "staged", "rejected", "came again", "newest"],
    kinds: "lrrrrrl",
    sql: "SELECT source, count(*)::VARCHAR, sum(rows_read)::VARCHAR, sum(rows_staged)::VARCHAR,
                sum(rows_rejected)::VARCHAR, sum(rows_duplicate)::VARCHAR, max(known_on)::VARCHAR
            FROM run_inputs SEMI JOIN snapshot USING (run_id)
            WHERE state <> 'not yet known' GROUP BY source ORDER BY source",
    none: "nothing new",
}];

/// What became of the rows: rejected, earned or not, ordered or not.
pub const RESULTS: &[Block] = &[
    Block {
        title: "Rejected",
        header: &["where", "", "reason", "found"],
        kinds: "llll",
        sql: "SELECT source_file || ':' || record, coalesce(column_name, ''), reason,
                left(coalesce(found, raw), 40)
            FROM rejects ORDER BY source_file, record LIMIT 12",
        none: "nothing",
    },
    Block {
        title: "Earned",
        header: &["program", "type", "participants", "earnings", "earned", "", "amount", ""],
        kinds: "llrrmlml",
        sql: "SELECT program, earning_type, count(DISTINCT participant_id)::VARCHAR,
                count(*)::VARCHAR, sum(earning_amount)::VARCHAR, transaction_currency,
                sum(program_amount)::VARCHAR, program_currency
            FROM earnings GROUP BY program, earning_type, transaction_currency, program_currency
            ORDER BY program, earning_type DESC, transaction_currency",
        none: "nothing",
    },
    Block {
        title: "Not earned",
        header: &["reason", "rows", "base", "", "meaning"],
        kinds: "lrmll",
        sql: "SELECT reason, rows::VARCHAR, base::VARCHAR, currency, sentence FROM (
                SELECT reason, count(*) AS rows, sum(base) AS base, transaction_currency AS currency
                FROM unearned GROUP BY ALL
            ) LEFT JOIN reasons ON code = reason AND kind = 'outcome'
            ORDER BY precedence, currency",
        none: "nothing",
    },
    Block {
        title: "Out of scope",
        header: &["reason", "rows", "base", "", "meaning"],
        kinds: "lrmll",
        sql: "SELECT reason, rows::VARCHAR, base::VARCHAR, currency, sentence FROM (
                SELECT reason, count(*) AS rows, sum(base) AS base, transaction_currency AS currency
                FROM out_of_scope GROUP BY ALL
            ) LEFT JOIN reasons ON code = reason AND kind = 'outcome'
            ORDER BY precedence, currency",
        none: "nothing",
    },
    Block {
        title: "Ordered",
        header: &["cycle", "program", "payee", "type", "amount", "", "to pay", "", "payment"],
        kinds: "llllmlmll",
        sql: "SELECT cycle, program, participant_id, earning_type, gross_program_amount::VARCHAR,
                program_currency, total_payment::VARCHAR, payment_currency, payment_id
            FROM payments
            ORDER BY cycle DESC, gross_program_amount DESC, program, participant_id LIMIT 20",
        none: "nothing is due",
    },
    Block {
        title: "Not ordered",
        header: &["cycle", "program", "participant", "type", "balance", "", "because"],
        kinds: "llllmll",
        sql: "SELECT cycle, program, participant_id, earning_type, closing::VARCHAR,
                program_currency, sentence
            FROM not_ordered
            LEFT JOIN reasons ON code = reason AND kind = 'carry'
            ORDER BY program, participant_id, earning_type LIMIT 20",
        none: "nothing",
    },
];

/// The summary of a snapshot.
pub fn text(
    connection: &Connection,
    store: &Store,
    snapshot: &Snapshot,
    published: bool,
) -> Result<String> {
    let mut text = format!(
        "\nSnapshot {} as of {}, run {}\n",
        snapshot.snapshot, snapshot.as_of, snapshot.run_id
    );
    text.push_str(&blocks(connection, READ)?);
    text.push_str(&blocks(connection, RESULTS)?);
    if !published {
        text.push_str("\nA dry run: nothing was published\n");
        return Ok(text);
    }
    let root = store.root().display();
    let tables = snapshot.tables.values().filter(|table| table.rows > 0);
    let files: usize = tables.clone().map(|table| table.files.len()).sum();
    let _ = writeln!(
        text,
        "\nPublished\n  tables   {root}/tables ({} tables, {files} files)\n  \
         reports  {root}/reports/{:08}\n  start    {root}/current.json",
        tables.count(),
        snapshot.snapshot
    );
    Ok(text)
}

/// Several blocks, one below the other.
pub fn blocks(connection: &Connection, blocks: &[Block]) -> Result<String> {
    let mut text = String::new();
    for block in blocks {
        let rows = text_rows(connection, block.sql, &[])?;
        let _ = write!(text, "\n{}", block.title);
        if rows.is_empty() {
            let _ = writeln!(text, ": {}", block.none);
            continue;
        }
        text.push('\n');
        text.push_str(&table(block, rows));
    }
    Ok(text)
}

fn table(block: &Block, rows: Vec<Vec<Option<String>>>) -> String {
    let kinds: Vec<char> = block.kinds.chars().collect();
    let mut cells: Vec<Vec<String>> =
        vec![block.header.iter().map(|&name| name.to_owned()).collect()];
    for row in rows {
        let row: Vec<String> = row.into_iter().map(Option::unwrap_or_default).collect();
        let shown = row.iter().enumerate().map(|(column, cell)| match kinds[column] {
            'm' => money(cell, &row[column + 1]),
            _ => cell.clone(),
        });
        cells.push(shown.collect());
    }
    let right: Vec<bool> = kinds.iter().map(|&kind| kind != 'l').collect();
    columns(&cells, &right, 2)
}

/// An amount in its currency's digits, or with more if it has more.
pub fn money(amount: &str, currency: &str) -> String {
    match (parse(amount, AMOUNT_SCALE), minor_units(currency)) {
        (Ok(value), Some(digits)) => format(value, AMOUNT_SCALE, digits),
        _ => amount.to_owned(),
    }
}
