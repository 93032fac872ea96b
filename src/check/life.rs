//! Checks of the payment life cycle: taxes, statuses, returns, adjustments, lots, and that the journal
//! ties to balances.

use super::program_tables::{days, rate};
use super::{Check, How};
use crate::query::literal;
use earnest_core::program::Program;

pub const CHECKS: &[Check] = &[
    Check {
        name: "taxes",
        description: "DuckDB's own recomputation of each payment's taxes = ours, and only positive \
                      orders are taxed",
        global: true,
        tables: &["payments"],
        how: How::Sql(include_str!("../../pipelines/checks/taxes.sql")),
    },
    Check {
        name: "as_earned",
        description: "DuckDB's own recomputation of orders in transaction currency, from earnings, = ours",
        global: true,
        tables: &["payments"],
        how: How::Sql(include_str!("../../pipelines/checks/as_earned.sql")),
    },
    Check {
        name: "offsets",
        description: "DuckDB's own recomputation of what balances of an offset group give each other, from \
                      what they were before, = ours",
        global: true,
        tables: &["balances"],
        how: How::Sql(include_str!("../../pipelines/checks/offsets.sql")),
    },
    Check {
        name: "payment_statuses",
        description: "every status that the bank or the ERP gives can be; of a return without original, \
                      payments of its participant are held",
        global: false,
        tables: &["payment_history"],
        how: How::Sql(
            "SELECT concat('payment ', payment_id, ' of ', program, '/', participant_id, ': status `',
                status, '` on ', status_on, ': ', sentence)
            FROM payment_history JOIN reasons ON code = reason AND kind = 'status'",
        ),
    },
    Check {
        name: "returns",
        description: "what a balance gets back is what payments that came back had released",
        global: true,
        tables: &["balances"],
        how: How::Sql(RETURNS),
    },
    Check {
        name: "adjustments",
        description: "what adjustments and offsets move in a balance is what was approved or taken for \
                      its cycle; others move nothing",
        global: true,
        tables: &["balances"],
        how: How::Sql(ADJUSTMENTS),
    },
    Check {
        name: "balance_lots",
        description: "lots add up to the balance that they are of, and none outlives its day",
        global: true,
        tables: &["balances"],
        how: How::Sql(LOTS),
    },
    Check {
        name: "payable",
        description: "rebate and fee payable in the journal = balances, and tax payable = taxes of \
                      payments that didn't come back",
        global: true,
        tables: &["balances"],
        how: How::Sql(PAYABLE),
    },
];

/// Participants of programs that a check holds, and all that have a balance or a fund.
pub const HELD: &str = "
    SELECT count(*) FILTER (held), count(*) FROM (
        SELECT program, participant_id, bool_or(held) AS held FROM (
            SELECT program, participant_id, coalesce(reason = 'CHECK', false) AS held FROM balances
            UNION ALL
            SELECT program, participant_id, false FROM coop_fund
            UNION ALL
            SELECT program, participant_id,
                coalesce(decision = 'held' OR reason IN ('CHECK', 'OVERCLAIMED'), false)
            FROM claim_items SEMI JOIN program USING (program)
        ) GROUP BY ALL
    )";

const RETURNS: &str = "
    WITH came_back AS (
        SELECT payments.program, payments.participant_id, payments.earning_type, returns_in AS cycle,
            sum(gross_program_amount) AS amount
        FROM payments
        JOIN (FROM payment_history WHERE accepted AND returns_in IS NOT NULL) AS history
            USING (payment_id)
        JOIN program_last_due AS due
            ON due.program = payments.program AND due.earning_type = payments.earning_type
        WHERE returns_in <= last AND payments.earning_type <> 'coop' GROUP BY ALL
    )
    SELECT concat(program, '/', participant_id, '/', earning_type, '/', cycle, ': expected ',
        coalesce(amount, 0), ' returned, found ', coalesce(returned, 0))
    FROM balances FULL JOIN came_back USING (program, participant_id, earning_type, cycle)
    WHERE coalesce(amount, 0) <> coalesce(returned, 0)";

const ADJUSTMENTS: &str = "
    WITH posted AS (
        SELECT program, participant_id, earning_type, cycle,
            coalesce(sum(-amount) FILTER (kind = 'write_off'), 0) AS written_off,
            coalesce(sum(-amount) FILTER (kind = 'escheat'), 0) AS escheated,
            coalesce(sum(-amount) FILTER (kind = 'recovery'), 0) AS recovered,
            coalesce(sum(amount) FILTER (kind = 'transfer'), 0) AS transferred
        FROM (
            SELECT program, participant_id, earning_type, cycle, kind, amount
            FROM adjustments WHERE state = 'posted'
            UNION ALL
            SELECT program, participant_id, earning_type, cycle, 'transfer', amount FROM offsets
        ) GROUP BY ALL
    ),
    moved AS (
        SELECT program, participant_id, earning_type, cycle, written_off, escheated,
            recovered_outside AS recovered, transferred_in - transferred_out AS transferred
        FROM balances
        WHERE written_off <> 0 OR escheated <> 0 OR recovered_outside <> 0
            OR transferred_in <> 0 OR transferred_out <> 0
    ),
    -- What cancels out in a cycle moves nothing.
    differing AS (
        (FROM posted WHERE written_off <> 0 OR escheated <> 0 OR recovered <> 0
            OR transferred <> 0 EXCEPT FROM moved)
        UNION ALL
        (FROM moved WHERE written_off <> 0 OR escheated <> 0 OR recovered <> 0
            OR transferred <> 0 EXCEPT FROM posted)
    )
    SELECT concat(program, '/', participant_id, '/', earning_type, '/', cycle,
        ': expected adjustments = movements, found only on one side ', written_off, ' written off, ', escheated, ' escheated, ', recovered, ' recovered, ',
        transferred, ' transferred')
    FROM differing
    UNION ALL
    SELECT concat('adjustment ', adjustment_id, ': expected somebody else''s approval, found ',
        approved_by, ' on ', approved_on)
    FROM adjustments CROSS JOIN snapshot
    WHERE state = 'posted'
        AND (lower(approved_by) = lower(requested_by) OR approved_by IS NULL OR approved_on > as_of)";

const LOTS: &str = "
    WITH lots AS (
        SELECT program, participant_id, earning_type, cycle, sum(amount_left) AS amount_left
        FROM balance_lots GROUP BY ALL
    )
    SELECT concat(program, '/', participant_id, '/', earning_type, '/', cycle, ': expected lots of ',
        greatest(coalesce(closing, 0), 0), ', found ', coalesce(amount_left, 0))
    FROM balances FULL JOIN lots USING (program, participant_id, earning_type, cycle)
    WHERE greatest(coalesce(closing, 0), 0) <> coalesce(amount_left, 0)
    UNION ALL
    SELECT concat(program, '/', participant_id, '/', earning_type, '/', cycle, ': expected the lot of ',
        origin_cycle, ' to lapse on ', lapses_on, ', found ', amount_left)
    FROM balance_lots
    WHERE amount_left <= 0 OR strftime(lapses_on, '%Y-%m') < cycle OR origin_cycle > cycle";

const PAYABLE: &str = "
    WITH posted AS (
        SELECT program, participant_id, earning_type, sum(credit - debit) AS payable
        FROM journal JOIN program_last_due USING (program, earning_type)
        WHERE account IN ('rebate_payable', 'fee_payable') AND cycle <= last GROUP BY ALL
    ),
    standing AS (
        SELECT program, participant_id, earning_type, closing
        FROM balances JOIN program_last_due USING (program, earning_type)
        WHERE cycle = last
    ),
    taxed AS (
        SELECT payment_id, payment_currency AS currency, withheld_tax - sales_tax AS tax
        FROM payments
        ANTI JOIN (FROM payment_history WHERE accepted AND returns_in IS NOT NULL) AS came_back
            USING (payment_id)
        WHERE order_kind <> 'claim' OR status = 'paid'
    ),
    tax_posted AS (
        SELECT source_key AS payment_id, currency, sum(credit - debit) AS tax
        FROM journal WHERE account = 'tax_payable' GROUP BY ALL
    )
    SELECT concat(program, '/', participant_id, '/', earning_type, ': expected ',
        coalesce(closing, 0), ' payable, found ', coalesce(payable, 0))
    FROM standing FULL JOIN posted USING (program, participant_id, earning_type)
    WHERE coalesce(closing, 0) <> coalesce(payable, 0)
    UNION ALL
    SELECT concat('payment ', payment_id, ': expected tax payable ', coalesce(taxed.tax, 0), ', found ',
        coalesce(tax_posted.tax, 0))
    FROM taxed FULL JOIN tax_posted USING (payment_id, currency)
    WHERE coalesce(taxed.tax, 0) <> coalesce(tax_posted.tax, 0)";

pub const TAX_TABLE: (&str, &str) = (
    "program_tax",
    "program TEXT, tax TEXT, place INTEGER, from_on DATE, until_on DATE, rate DECIMAL(18, 9), \
     countries TEXT[], earning_types TEXT[], tax_profiles TEXT[]",
);

/// The rows of `program_tax`; an empty list is everyone.
pub fn tax_rows(program: &Program) -> Vec<String> {
    fn list<'a>(texts: impl Iterator<Item = &'a str>) -> String {
        let texts: Vec<String> = texts.map(literal).collect();
        format!("[{}]::TEXT[]", texts.join(", "))
    }
    let rules = program.taxes.iter().enumerate();
    let row = |(place, rule): (usize, &earnest_core::program::tax::TaxRule)| {
        format!(
            "({}, '{}', {place}, {}, {}, {}, {}, {})",
            literal(&program.program),
            rule.tax.name(),
            days(&rule.days),
            rate(rule.rate),
            list(rule.countries.iter().map(String::as_str)),
            list(rule.earning_types.iter().map(|kind| kind.name())),
            list(rule.tax_profiles.iter().map(String::as_str)),
        )
    };
    rules.map(row).collect()
}
