//! Checks of closed cycles: they stay as they were closed, and what they settled adds up to earnings.

use super::{Check, How};

pub const CHECKS: &[Check] = &[
    Check {
        name: "closed_cycles",
        description: "what is kept of every closed cycle is what its close recorded, by digest, and \
                      there are no other rows of it",
        global: true,
        tables: &["closes"],
        how: How::Sql(CLOSED_CYCLES),
    },
    Check {
        name: "settlements",
        description: "what closed cycles settled and what open ones add = the earnings now; with `--deep` \
                      earning by earning",
        global: true,
        tables: &["closes"],
        how: How::SqlAndDeep(SETTLEMENTS, SETTLEMENTS_DEEP),
    },
];

const CLOSED_CYCLES: &str = "
    WITH kept AS (
        SELECT CASE table_name WHEN 'settled_earnings' THEN \"partition\"
                ELSE unit.replace('closed-', '') END AS cycle,
            table_name || ' ' || digest AS line
        FROM snapshot_files
        WHERE table_name = 'settled_earnings'
            OR starts_with(unit, 'closed-') AND table_name IN ('payments', 'payment_items',
                'balances', 'balance_lots', 'journal', 'determinations', 'settlement_changes',
                'adjustments', 'offsets', 'closed_rates')
    ),
    digests AS (
        SELECT cycle, sha256(coalesce(string_agg(line, chr(10) ORDER BY line), '')) AS digest
        FROM closed_cycles LEFT JOIN kept USING (cycle) GROUP BY cycle
    ),
    closed_rows AS (
        SELECT 'payments' AS table_name, cycle, count(*) AS found
        FROM payments WHERE order_kind <> 'claim' GROUP BY ALL
        UNION ALL
        SELECT 'payment_items', payment_items.cycle, count(*)
        FROM payment_items JOIN payments USING (payment_id)
        WHERE order_kind <> 'claim' GROUP BY ALL
        UNION ALL
        SELECT 'balances', cycle, count(*) FROM balances GROUP BY ALL
        UNION ALL
        SELECT 'settlement_changes', cycle, count(*) FROM settlement_changes GROUP BY ALL
        UNION ALL
        SELECT 'offsets', cycle, count(*) FROM offsets GROUP BY ALL
    ),
    kept_rows AS (
        SELECT table_name, unit.replace('closed-', '') AS cycle, sum(rows) AS expected
        FROM snapshot_files WHERE starts_with(unit, 'closed-')
        AND table_name IN ('payments', 'payment_items', 'balances', 'settlement_changes', 'offsets')
        GROUP BY ALL
    )
    SELECT concat('cycle ', cycle, ': expected digest ', orders_digest, ' of its close, found ', digest)
    FROM closed_cycles JOIN digests USING (cycle) WHERE orders_digest <> digest
    UNION ALL
    SELECT concat('cycle ', cycle, ', ', table_name, ': expected ', coalesce(expected, 0),
        ' rows as it was closed, found ', coalesce(found, 0))
    FROM (FROM closed_rows WHERE cycle <= (SELECT max(cycle) FROM closed_cycles)) AS closed_rows
    FULL JOIN kept_rows USING (table_name, cycle)
    WHERE coalesce(expected, 0) <> coalesce(found, 0)";

const SETTLEMENTS: &str = "
    SELECT concat_ws('/', program, participant_id, term, lever, earning_type, period)
        || concat(': expected ', coalesce(earned, 0), ' settled and due, found ',
            coalesce(entered, 0))
    FROM (
        SELECT program, participant_id, term, lever, earning_type, period,
            sum(program_amount) AS earned
        FROM earnings WHERE earning_type <> 'coop' GROUP BY ALL
    ) FULL JOIN (
        SELECT program, participant_id, term, lever, earning_type, period,
            sum(program_amount) AS entered
        FROM cycle_entries GROUP BY ALL
    ) USING (program, participant_id, term, lever, earning_type, period)
    WHERE coalesce(earned, 0) <> coalesce(entered, 0)";

const SETTLEMENTS_DEEP: &str = "
    SELECT concat('earning ', earning_id, ', ', period, ': expected ', coalesce(earned, 0),
        ' settled and due, found ', coalesce(entered, 0))
    FROM (
        SELECT earning_id, period, sum(program_amount) AS earned
        FROM earnings WHERE earning_type <> 'coop' GROUP BY ALL
    ) FULL JOIN (
        SELECT earning_id, period, sum(program_amount) AS entered FROM cycle_entries GROUP BY ALL
    ) USING (earning_id, period)
    WHERE coalesce(earned, 0) <> coalesce(entered, 0)";
