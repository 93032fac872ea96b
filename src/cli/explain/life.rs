//! What else stands on the page of a payment: its statuses, the payment that it reissues, adjustments, and
//! what lapsed.

use super::page::Section;
use crate::error::Result;
use crate::payments::{LAPSE, OFFSET, RETURN};
use duckdb::Connection;

const STATUSES: &str = "
    SELECT step::VARCHAR, status, status_on::VARCHAR, origin, reference, returns_in, sentence, note
    FROM payment_history LEFT JOIN reasons ON code = reason AND kind = 'status'
    WHERE payment_id = ? ORDER BY step";

/// Payments that came back.
const RETURNED: &str = "
    SELECT payments.payment_id, payments.cycle, order_kind, came_back, status_on::VARCHAR,
        gross_program_amount::VARCHAR, program_currency, withheld_tax::VARCHAR, payment_currency,
        sales_tax::VARCHAR, payment_currency, reference, note
    FROM payments
    JOIN (SELECT payment_id, status AS came_back, status_on, returns_in, reference, note
        FROM payment_history WHERE accepted AND returns_in IS NOT NULL) USING (payment_id)
    WHERE ";

/// Those since the order before, into the item's cycle; of one currency if they are paid as earned.
const SINCE: &str = "
    payments.program = ? AND payments.participant_id = ? AND payments.earning_type = ?
        AND payments.cycle = ? AND returns_in BETWEEN ? AND ? AND payment_currency LIKE ?
    ORDER BY payment_id";

/// The one that an order pays again.
const REISSUED: &str = "
    payments.payment_id = (SELECT reissue_of FROM payments WHERE payment_id = ?)";

const ADJUSTED: &str = "
    SELECT adjustment_id, cycle, amount::VARCHAR, currency, adjustment_reason, explanation,
        requested_by, approved_by, approved_on::VARCHAR, counterpart
    FROM adjustments
    WHERE state = 'posted' AND program = ? AND participant_id = ? AND earning_type = ?
        AND period = ? AND kind = ? AND cycle BETWEEN ? AND ?
    ORDER BY adjustment_id";

const OFFSETS: &str = "
    SELECT cycle, other_program, other_earning_type, amount::VARCHAR, program_currency
    FROM offsets WHERE program = ? AND participant_id = ? AND earning_type = ? AND cycle = ?
    ORDER BY ALL";

const LAPSED: &str = "
    SELECT cycle, forfeited::VARCHAR, program_currency
    FROM balances
    WHERE program = ? AND participant_id = ? AND earning_type = ? AND forfeited <> 0
        AND cycle BETWEEN ? AND ? ORDER BY cycle";

/// The statuses of a payment.
pub fn statuses(connection: &Connection, id: &str) -> Result<Vec<Section>> {
    let names =
        ["step", "status", "on", "said_by", "reference", "comes_back_in", "not_counted", "note"];
    let section = Section::of(connection, "statuses", "Statuses", &names, STATUSES, &[id])?;
    Ok(if section.rows.is_empty() { vec![] } else { vec![section] })
}

/// What an item is that no transaction earned; `None`: a lever's.
pub fn item(
    connection: &Connection,
    payment: &Section,
    items: &Section,
    row: usize,
) -> Result<Option<Section>> {
    let of = |name: &str| payment.cell(0, name);
    let (period, lever) = (items.cell(row, "period"), items.cell(row, "lever"));
    let cycles = [items.cell(row, "origin_cycle"), of("cycle")];
    let account = [of("program"), of("participant_id"), of("earning_type")];
    let (amount, currency) =
        (items.cell(row, "program_amount"), items.cell(row, "program_currency"));
    let name = format!("{period} {lever}");
    if lever == RETURN {
        let names = [
            "payment",
            "cycle",
            "kind",
            "status",
            "came_back_on",
            "*gross",
            "program_currency",
            "*withheld_tax",
            "-",
            "*sales_tax",
            "-",
            "reference",
            "note",
        ];
        let currencies =
            if super::payment::is_as_earned(payment) { of("payment_currency") } else { "%" };
        let since = [&account[..], &[period], &cycles, &[currencies]].concat();
        let id = [of("payment_id")];
        let (which, key) = match of("earning_type") {
            "coop" => (REISSUED, &id[..]),
            _ => (SINCE, &since[..]),
        };
        let title = format!("{name}: the payment that came back");
        let sql = format!("{RETURNED}{which}");
        let mut section = Section::of(connection, &name, &title, &names, &sql, key)?;
        section.add("is what came back", &section.total("gross"), amount, currency);
        return Ok(Some(section));
    }
    if items.cell(row, "kind") == "adjustment" && items.cell(row, "earnings") == "0" {
        let names = [
            "adjustment",
            "cycle",
            "*amount",
            "currency",
            "reason",
            "explanation",
            "requested_by",
            "approved_by",
            "approved_on",
            "counterpart",
        ];
        let key = [&account[..], &[period, lever], &cycles].concat();
        let title = format!("{name}: manual adjustments");
        let mut section = Section::of(connection, &name, &title, &names, ADJUSTED, &key)?;
        section.add("is the item", &section.total("amount"), amount, currency);
        return Ok(Some(section));
    }
    if lever == OFFSET {
        let key = [&account[..], &[period]].concat();
        let names = ["cycle", "other_program", "other_earning_type", "*amount", "program_currency"];
        let title = format!("{name}: from (+) and to (−) other balances of the offset group");
        let mut section = Section::of(connection, &name, &title, &names, OFFSETS, &key)?;
        section.add("is the item", &section.total("amount"), amount, currency);
        return Ok(Some(section));
    }
    if lever == LAPSE {
        let key = [&account[..], &cycles].concat();
        let names = ["cycle", "*forfeited", "program_currency"];
        let title = format!("{name}: a profile was missing for too long");
        return Ok(Some(Section::of(connection, &name, &title, &names, LAPSED, &key)?));
    }
    Ok(None)
}
