//! Identities between published tables, as SQL that finds faults.

use super::{Check, How};

pub const CHECKS: &[Check] = &[
    Check {
        name: "rows_read",
        description: "records read = staged + rejected + duplicate, and rejects are all kept",
        global: true,
        tables: &["run_inputs"],
        how: How::Sql(
            "SELECT concat(source_file, ', run ', run_id, ': expected ', rows_read,
                ' records, found ', rows_staged, ' staged, ',
                rows_rejected, ' rejected, ', rows_duplicate,
                ' duplicate')
            FROM run_inputs
            WHERE state <> 'not yet known'
                AND rows_read <> rows_staged + rows_rejected + rows_duplicate
            UNION ALL
            SELECT concat(source_file, ': expected ', expected, ' rejects, found ', found)
            FROM (
                SELECT source, source_file, file_digest, sum(rows_rejected) AS expected
                FROM run_inputs WHERE state = 'staged' GROUP BY ALL
            ) LEFT JOIN (
                SELECT source, source_file, file_digest, count(*) AS found FROM rejects GROUP BY ALL
            ) USING (source, source_file, file_digest)
            WHERE expected <> coalesce(found, 0)",
        ),
    },
    Check {
        name: "control_totals",
        description: "where a source says how many rows it sent, so many were read",
        global: true,
        tables: &["run_inputs"],
        how: How::Sql(
            "SELECT concat(source_file, ': expected ', control_rows,
                ' records by its control total, found ', rows_read)
            FROM run_inputs WHERE state = 'staged' AND control_rows <> rows_read",
        ),
    },
    Check {
        name: "staged",
        description: "per delivery, staged records = rows of the staged table; and staged = in force + \
                      superseded + withdrawn",
        global: true,
        tables: &["run_inputs"],
        how: How::Made(staged),
    },
    Check {
        name: "outcomes",
        description: "every transaction in force has its outcomes, and no other transaction has any",
        global: true,
        tables: &["transactions"],
        how: How::SqlByMonths(include_str!("../../pipelines/checks/outcomes.sql")),
    },
    Check {
        name: "base",
        description: "per source, currency and period: staged base = base in scope + base out of scope",
        global: true,
        tables: &["transactions"],
        how: How::SqlByMonths(include_str!("../../pipelines/checks/base.sql")),
    },
    Check {
        name: "sources",
        description: "the transactions behind an aggregate earning re-add to it, and so do its tiers",
        global: false,
        tables: &["earning_sources"],
        how: How::SqlByMonths(include_str!("../../pipelines/checks/sources.sql")),
    },
    Check {
        name: "payment_items",
        description: "the items of a payment re-add to it, in program currency and in payment currency",
        global: false,
        tables: &["payments"],
        how: How::Sql(
            "SELECT concat(payment_id, ': expected ', gross_program_amount, ' and ',
                gross_amount, ', found items of ',
                coalesce(item_program, 0), ' and ', coalesce(item_paid, 0))
            FROM payments LEFT JOIN (
                SELECT payment_id, sum(program_amount) AS item_program, sum(payment_amount) AS item_paid
                FROM payment_items GROUP BY payment_id
            ) AS items USING (payment_id)
            WHERE gross_program_amount IS DISTINCT FROM item_program
                OR gross_amount IS DISTINCT FROM item_paid
            UNION ALL
            SELECT concat(payment_id, ': expected total ',
                gross_amount - withheld_tax + sales_tax, ', found ',
                total_payment)
            FROM payments WHERE total_payment <> gross_amount - withheld_tax + sales_tax
            UNION ALL
            SELECT concat(payment_id, ': expected taxes of ', withheld_tax, ' and ', sales_tax,
                ', found items of ', item_withheld, ' and ', item_sales)
            FROM payments JOIN (
                SELECT payment_id, sum(withheld_tax) AS item_withheld, sum(sales_tax) AS item_sales
                FROM payment_items GROUP BY payment_id
            ) USING (payment_id)
            WHERE withheld_tax IS DISTINCT FROM item_withheld
                OR sales_tax IS DISTINCT FROM item_sales
            UNION ALL
            SELECT concat(payment_id, ': expected a payment, found items only')
            FROM payment_items ANTI JOIN payments USING (payment_id)",
        ),
    },
    Check {
        name: "balances",
        description: "opening and movements = closing; opening = closing of the cycle before",
        global: false,
        tables: &["balances"],
        how: How::Sql(
            "WITH rows AS (
                SELECT *, concat(program, '/', participant_id, '/', earning_type, '/', cycle) AS place,
                    opening + earned + adjusted + returned + transferred_in + converted_in - ordered
                        - forfeited - escheated - written_off - recovered_outside - transferred_out
                        AS expected,
                    strftime((cycle || '-01')::DATE + INTERVAL 1 MONTH, '%Y-%m') AS next_cycle
                FROM balances
            )
            SELECT concat(place, ': expected closing ', expected, ', found ', closing)
            FROM rows WHERE closing <> expected
            UNION ALL
            SELECT concat(rows.place, ': expected opening ', coalesce(before.closing, 0),
                ', found ', rows.opening)
            FROM rows LEFT JOIN rows AS before
                ON before.program = rows.program AND before.participant_id = rows.participant_id
                AND before.earning_type = rows.earning_type AND before.next_cycle = rows.cycle
            WHERE rows.opening <> coalesce(before.closing, 0)
            UNION ALL
            SELECT concat(place, ': expected a row in ', next_cycle, ' for ', closing,
                ', found none')
            FROM rows
            JOIN program_last_due AS due
                ON due.program = rows.program AND due.earning_type = rows.earning_type
                AND next_cycle <= last
            ANTI JOIN balances AS after
                ON after.program = rows.program AND after.participant_id = rows.participant_id
                AND after.earning_type = rows.earning_type AND after.cycle = next_cycle
            WHERE closing <> 0",
        ),
    },
    Check {
        name: "settled",
        description: "what enters a balance is what was earned for its cycle, and what leaves it is \
                      what was ordered",
        global: true,
        tables: &["balances"],
        how: How::Sql(
            "WITH entered AS (
                SELECT program, participant_id, earning_type, cycle,
                    sum(amount) FILTER (kind <> 'adjustment') AS came,
                    sum(amount) FILTER (kind = 'adjustment') AS changed
                FROM (
                    SELECT program, participant_id, earning_type, cycle, kind,
                        program_amount AS amount
                    FROM cycle_entries
                    UNION ALL
                    SELECT program, participant_id, earning_type, cycle, kind, amount
                    FROM adjustments WHERE state = 'posted' AND kind = 'adjustment'
                ) JOIN program_last_due USING (program, earning_type) WHERE cycle <= last GROUP BY ALL
            ),
            ordered AS (
                SELECT program, participant_id, earning_type, cycle,
                    sum(gross_program_amount) AS amount
                FROM payments WHERE earning_type <> 'coop' GROUP BY ALL
            )
            SELECT concat(program, '/', participant_id, '/', earning_type, '/', cycle,
                ': expected ', coalesce(came, 0), ' earned and ', coalesce(changed, 0),
                ' adjusted, found ', coalesce(earned, 0), ' and ', coalesce(adjusted, 0))
            FROM balances FULL JOIN entered USING (program, participant_id, earning_type, cycle)
            WHERE coalesce(came, 0) <> coalesce(earned, 0)
                OR coalesce(changed, 0) <> coalesce(adjusted, 0)
            UNION ALL
            SELECT concat(program, '/', participant_id, '/', earning_type, '/', cycle,
                ': expected ', coalesce(amount, 0), ' ordered, found ',
                coalesce(ordered, 0))
            FROM balances FULL JOIN ordered USING (program, participant_id, earning_type, cycle)
            WHERE coalesce(amount, 0) <> coalesce(balances.ordered, 0)",
        ),
    },
    Check {
        name: "coop_fund",
        description: "earned and movements = left = reserved + available; earned = the half's co-op",
        global: false,
        tables: &["coop_fund"],
        how: How::Sql(
            "SELECT concat(program, '/', participant_id, '/', fund_half, ': expected ',
                expected, ' left, found ', \"left\", ' (', reserved,
                ' reserved, ', available, ' available)')
            FROM (
                SELECT *, earned + adjusted + rolled_in - converted - claims_paid - expired
                    + expiry_reversed - rolled_out AS expected FROM coop_fund
            ) WHERE \"left\" <> expected OR \"left\" <> reserved + available
            UNION ALL
            SELECT concat(program, '/', participant_id, '/', fund_half, ': expected ',
                coalesce(amount, 0), ' earned, found ',
                coalesce(earned, 0))
            FROM coop_fund FULL JOIN (
                SELECT program, participant_id, fund_half, sum(program_amount) AS amount
                FROM earnings WHERE earning_type = 'coop' GROUP BY ALL
            ) USING (program, participant_id, fund_half)
            WHERE coalesce(amount, 0) <> coalesce(earned, 0)",
        ),
    },
    Check {
        name: "conversions",
        description: "co-op that left a fund came in as rebate; each half was decided by its own co-op, and \
                      stays co-op where claims have something of it",
        global: true,
        tables: &["balances"],
        how: How::Sql(
            "SELECT concat(program, '/', participant_id, ': expected ', coalesce(left_fund, 0),
                ' converted, found ', coalesce(came_in, 0))
            FROM (
                SELECT program, participant_id, sum(converted) AS left_fund
                FROM coop_fund GROUP BY ALL
            ) FULL JOIN (
                SELECT program, participant_id, sum(converted_in) AS came_in
                FROM balances GROUP BY ALL
            ) USING (program, participant_id)
            WHERE coalesce(left_fund, 0) <> coalesce(came_in, 0)
            UNION ALL
            SELECT concat(program, '/', subject, '/', determinations.window, ': expected ',
                coalesce(earned, 0), ' measured and ', expected, ', found ', measured, ' and ', outcome)
            FROM (
                SELECT determinations.*, earned,
                    CASE WHEN coalesce(earned, 0) >= threshold OR has_own THEN 'qualified'
                        -- Claims have what rolled over, or more than there was: what came first?
                        WHEN claimed.fund_half IS NOT NULL THEN outcome
                        ELSE 'converted' END AS expected
                FROM determinations LEFT JOIN (
                    SELECT claim_items.program, claim_items.participant_id, fund_half,
                        bool_or(reason IS DISTINCT FROM 'OVERCLAIMED' AND to_half IS NULL) AS has_own
                    FROM claim_items LEFT JOIN program_fund_rollover AS rollover
                        ON rollover.program = claim_items.program AND to_half = fund_half
                        AND coalesce(rollover.participant_id, claim_items.participant_id)
                            = claim_items.participant_id
                    WHERE decision IN ('approved', 'paid')
                    GROUP BY ALL
                ) AS claimed ON claimed.program = determinations.program
                    AND claimed.participant_id = subject AND claimed.fund_half = determinations.window
                LEFT JOIN (
                    SELECT earnings.program, earnings.participant_id, earnings.fund_half, decided_on,
                        sum(program_amount) AS earned
                    FROM earnings
                    JOIN coop_fund USING (program, participant_id, fund_half)
                    JOIN (
                        SELECT DISTINCT program, subject AS participant_id, determinations.window AS fund_half, decided_on
                        FROM determinations WHERE kind = 'coop_threshold'
                    ) AS decided USING (program, participant_id, fund_half)
                    -- A refund counts if its month was over when the half was decided.
                    WHERE earning_type = 'coop' AND (
                        (period || '-01')::DATE < half_until OR last_day((period || '-01')::DATE) <= decided_on
                    )
                    GROUP BY ALL
                ) AS earned ON earned.program = determinations.program
                    AND earned.participant_id = subject AND earned.fund_half = determinations.window
                    AND earned.decided_on = determinations.decided_on
            ) AS determinations
            WHERE kind = 'coop_threshold' AND frozen_by IS NULL AND (measured <> coalesce(earned, 0) OR outcome <> expected)
            UNION ALL
            SELECT concat(program, '/', participant_id, '/', fund_half,
                ': expected nothing converted, found ', converted)
            FROM coop_fund ANTI JOIN (SELECT * FROM determinations WHERE outcome = 'converted')
                AS decided ON decided.program = coop_fund.program
                AND subject = participant_id AND decided.window = fund_half
            WHERE converted <> 0",
        ),
    },
    Check {
        name: "journal",
        description: "every entry balances by itself per currency",
        global: true,
        tables: &["journal"],
        how: How::Sql(
            "SELECT concat('entry ', entry_id, ', ', currency,
                ': expected equal sides, found debit ', sum(debit),
                ', credit ', sum(credit))
            FROM journal GROUP BY entry_id, currency HAVING sum(debit) <> sum(credit)",
        ),
    },
];

/// Every staged table, against what the run's inputs and the supersessions say.
fn staged() -> String {
    let tables =
        || crate::schema::TABLES.iter().filter(|table| crate::query::is_replaceable(table));
    let counts: Vec<String> = tables()
        .map(|table| {
            format!("SELECT delivery_id, count(*) AS rows FROM {} GROUP BY ALL", table.name)
        })
        .collect();
    let in_force: Vec<String> = tables()
        .map(|table| {
            let name = table.name;
            format!(
                "SELECT '{name}' AS table_name,
                    (SELECT count(*) FROM {name}, snapshot WHERE known_on <= as_of) AS staged,
                    (SELECT count(*) FROM {name}_in_force) AS in_force"
            )
        })
        .collect();
    format!(
        "SELECT concat('delivery ', delivery_id, ': expected ', coalesce(expected, 0),
                ' staged rows, found ', coalesce(found, 0))
        FROM (
            SELECT delivery_id, sum(rows_staged) AS expected FROM (
                SELECT DISTINCT source, delivery_id, source_file, file_digest, rows_staged
                FROM run_inputs WHERE state = 'staged'
            ) GROUP BY ALL
        ) FULL JOIN (
            SELECT delivery_id, sum(rows) AS found FROM ({}) GROUP BY ALL
        ) USING (delivery_id)
        WHERE coalesce(expected, 0) <> coalesce(found, 0)
        UNION ALL
        SELECT concat(table_name, ': expected ', staged - coalesce(replaced, 0),
                ' rows in force (', staged, ' staged, ',
                coalesce(replaced, 0), ' replaced), found ', in_force)
        FROM ({}) LEFT JOIN (
            SELECT table_name, sum(rows) AS replaced FROM (
                SELECT DISTINCT table_name, delivery_id, slice_key, row_key, rows
                FROM supersessions, snapshot WHERE known_on <= as_of
            ) GROUP BY ALL
        ) USING (table_name)
        WHERE in_force <> staged - coalesce(replaced, 0)",
        counts.join(" UNION ALL "),
        in_force.join(" UNION ALL ")
    )
}
