//! Views of closing: which cycles are closed, what entered each cycle, what closed cycles settled; and
//! the columns of `earnings` and `payments` that a close decides after their files were written.

use super::views::{literal, rows_of};
use crate::schema::{
    CLOSES, EARNINGS, PAYMENTS, SETTLED_EARNINGS, SETTLEMENT_CHANGES, SETTLEMENTS, Table,
};
use crate::warehouse::{DataFile, Snapshot, Store};
use std::collections::BTreeMap;

/// True for tables that have no files of their own.
pub fn is_view(table: &Table) -> bool {
    table.name == SETTLEMENTS.name
}

/// The files of a snapshot, as a view.
pub fn files(snapshot: &Snapshot) -> String {
    let mut rows: Vec<String> = Vec::new();
    for (table, state) in &snapshot.tables {
        rows.extend(state.files.iter().map(|file| {
            let texts = [table, &file.path, &file.partition, &file.unit, &file.digest];
            let [table, path, partition, unit, digest] = texts.map(|text| literal(text));
            format!("({table}, {path}, {partition}, {unit}, {}, {digest})", file.rows)
        }));
    }
    let columns = r#"table_name, path, "partition", unit, rows, digest"#;
    let nothing =
        "(NULL::VARCHAR, NULL::VARCHAR, NULL::VARCHAR, NULL::VARCHAR, NULL::BIGINT, NULL::VARCHAR)";
    let (rows, filter) = match rows.is_empty() {
        true => (nothing.to_owned(), " WHERE false"),
        false => (rows.join(", "), ""),
    };
    format!(
        "CREATE VIEW snapshot_files AS SELECT * FROM (VALUES {rows}) AS files ({columns}){filter};
         COMMENT ON VIEW snapshot_files IS 'The files of the snapshot; one row per table × file'"
    )
}

/// The views, in the order in which they build on each other.
pub fn views(store: &Store, snapshot: &Snapshot) -> Vec<String> {
    let mut views = vec![
        "CREATE VIEW closed_cycles AS SELECT * FROM (
            FROM closes WHERE state <> 'exported'
            QUALIFY row_number() OVER (PARTITION BY cycle ORDER BY event DESC) = 1
        ) WHERE state <> 'voided'"
            .to_owned(),
        "COMMENT ON VIEW closed_cycles IS 'The last event of every cycle that is closed'".to_owned(),
        entries(store, snapshot),
        "COMMENT ON VIEW cycle_entries IS 'What enters each cycle, earning by earning; one row per \
         earning × period × cycle, closed cycles and open ones'"
            .to_owned(),
    ];
    if !snapshot.files(CLOSES.name).is_empty() {
        views.push(payments(store, snapshot));
    }
    if !snapshot.files(SETTLEMENT_CHANGES.name).is_empty() {
        views.push(earnings(store, snapshot));
    }
    views.push(REGULAR.to_owned());
    views.push(
        "COMMENT ON VIEW regular_earnings IS 'Earnings as the cycle of their own month shows them: \
         as closed ones settled them, as they are now in open ones'"
            .to_owned(),
    );
    views.push(settlements());
    views
}

fn plain(store: &Store, snapshot: &Snapshot, table: &Table) -> String {
    rows_of(store, table, &snapshot.files(table.name).iter().collect::<Vec<&DataFile>>())
}

/// What enters each cycle: what closed ones settled of the files that they name, what changed since,
/// and what is due in open ones.
fn entries(store: &Store, snapshot: &Snapshot) -> String {
    let columns = "earning_id, program, term, lever, earning_type, participant_id, period, \
                   transaction_currency, earning_amount";
    let mut cycles: BTreeMap<&str, Vec<&DataFile>> = BTreeMap::new();
    for file in snapshot.files(SETTLED_EARNINGS.name) {
        cycles.entry(&file.partition).or_default().push(file);
    }
    let settled = cycles.iter().map(|(cycle, files)| {
        format!(
            "SELECT {columns}, estimated_payment_month, 'regular', NULL, NULL, program_currency,
                program_amount, true
            FROM ({}) WHERE earning_type <> 'coop' AND estimated_payment_month = {} UNION ALL ",
            rows_of(store, &SETTLED_EARNINGS, files),
            literal(cycle),
        )
    });
    format!(
        "CREATE VIEW cycle_entries ({columns}, cycle, kind, cause, corrects, program_currency,
            program_amount, closed) AS {}
        SELECT {columns}, cycle, kind, cause, corrects, program_currency, program_amount,
            cycle IN (SELECT cycle FROM closed_cycles) AS closed
        FROM settlement_changes WHERE earning_type <> 'coop'
        UNION ALL
        SELECT {columns}, estimated_payment_month, 'regular', NULL, NULL, program_currency,
            program_amount, false
        FROM ({}) AS earnings WHERE earning_type <> 'coop'
            AND estimated_payment_month > coalesce((SELECT max(cycle) FROM closed_cycles), '')",
        settled.collect::<String>(),
        plain(store, snapshot, &EARNINGS),
    )
}

const REGULAR: &str = "
    CREATE VIEW regular_earnings AS
    SELECT * EXCLUDE (closed)
    FROM (
        SELECT *, false AS closed FROM earnings
        UNION ALL BY NAME SELECT DISTINCT *, true AS closed FROM settled_earnings
    ) AS shown
    SEMI JOIN (FROM cycle_entries WHERE kind = 'regular') AS entry
        ON entry.earning_id = shown.earning_id AND entry.period = shown.period
        AND entry.program_amount = shown.program_amount AND entry.closed = shown.closed";

/// What is late enters another cycle than that in which its month is due.
fn earnings(store: &Store, snapshot: &Snapshot) -> String {
    format!(
        "CREATE OR REPLACE VIEW earnings AS
        SELECT filed.* REPLACE (coalesce(late_cycle, estimated_payment_month) AS estimated_payment_month)
        FROM ({}) AS filed
        LEFT JOIN (
            SELECT earning_id AS late_id, period AS late_period, min(cycle) AS late_cycle
            FROM settlement_changes
            WHERE settled_before IS NULL AND earning_type <> 'coop' GROUP BY ALL
        ) ON late_id = earning_id AND late_period = period",
        plain(store, snapshot, &EARNINGS),
    )
}

/// Orders that wait are approved by an event of their own.
fn payments(store: &Store, snapshot: &Snapshot) -> String {
    format!(
        "CREATE OR REPLACE VIEW payments AS
        SELECT * REPLACE (
            CASE WHEN status = 'waiting'
                    AND cycle IN (SELECT cycle FROM closed_cycles WHERE state = 'approved')
                THEN 'approved' ELSE status END AS status)
        FROM ({}) AS filed",
        plain(store, snapshot, &PAYMENTS),
    )
}

/// The first order that releases the balance pays what it consists of; a balance that is lost whole
/// releases it too, and nothing pays it. An order without exchange rate releases what was earned in its
/// currency: there, `paid_in` is that currency, else it is blank.
fn settlements() -> String {
    "CREATE VIEW settlements AS
    WITH as_earned AS (
        SELECT DISTINCT program, earning_type, participant_id
        FROM payments WHERE exchange_rate IS NULL AND order_kind <> 'claim'
    ),
    entries AS (
        SELECT entry.*, CASE WHEN as_earned.program IS NULL THEN '' ELSE transaction_currency END
            AS paid_in
        FROM (FROM cycle_entries WHERE closed) AS entry
        LEFT JOIN as_earned USING (program, earning_type, participant_id)
    ),
    released AS (
        SELECT balances.program, balances.earning_type, balances.participant_id,
            balances.cycle AS released_in, payment_id, paid_in
        FROM balances
        LEFT JOIN (
            SELECT program, earning_type, participant_id, cycle,
                CASE WHEN exchange_rate IS NULL THEN payment_currency END AS paid_in,
                coalesce(
                    min(payment_id) FILTER (order_kind = 'cycle'),
                    arg_max(payment_id, sequence) FILTER (order_kind = 'reissue')
                ) AS payment_id
            FROM payments WHERE order_kind <> 'claim' GROUP BY ALL
        ) AS orders USING (program, earning_type, participant_id, cycle)
        WHERE balances.ordered <> 0 OR balances.forfeited <> 0 AND balances.closing = 0
    ),
    -- What releases all currencies, in each of them.
    each AS (
        SELECT released.* REPLACE ('' AS paid_in)
        FROM released ANTI JOIN as_earned USING (program, earning_type, participant_id)
        UNION ALL
        SELECT released.* REPLACE (currencies.paid_in AS paid_in)
        FROM released JOIN (
            SELECT DISTINCT program, earning_type, participant_id, paid_in
            FROM entries WHERE paid_in <> ''
        ) AS currencies USING (program, earning_type, participant_id)
        WHERE coalesce(released.paid_in, currencies.paid_in) = currencies.paid_in
    )
    SELECT entries.* EXCLUDE (closed, transaction_currency, earning_amount, paid_in), payment_id
    FROM entries
    ASOF LEFT JOIN each
        ON each.program = entries.program AND each.earning_type = entries.earning_type
        AND each.participant_id = entries.participant_id AND each.paid_in = entries.paid_in
        AND entries.cycle <= each.released_in"
        .to_owned()
}
