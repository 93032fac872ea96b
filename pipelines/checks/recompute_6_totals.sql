-- Everything that the rules make of the transactions in force, as totals: `recomputed_earned` and
-- `recomputed_refused`.

CREATE OR REPLACE TEMP TABLE recomputed_earned AS
WITH amounts AS (
    SELECT program, lever, participant_id, period, transaction_currency, share, fee_share, minor,
        program_minor, rows, earned, rebate, fee, program_earned, program_rebate, program_fee
    FROM tallies
    WHERE NOT aggregated AND NOT measured AND cap IS NULL AND participant_id IS NOT NULL
        AND reason IS NULL
    UNION ALL
    SELECT program, lever, participant_id, period, transaction_currency, share, fee_share, minor,
        program_minor, rows, earned, rebate, fee, program_earned, program_rebate, program_fee
    FROM aggregate_amounts
    WHERE cap IS NULL
    UNION ALL
    SELECT program, lever, participant_id, period, transaction_currency, share, fee_share, minor,
        program_minor, 1, earned, rebate, fee, program_earned, program_rebate, program_fee
    FROM reversals
    WHERE cap IS NULL
    UNION ALL
    SELECT program, lever, participant_id, period, transaction_currency, share, fee_share, minor,
        program_minor, 1, earned, rebate, fee, program_earned, program_rebate, program_fee
    FROM credited_amounts
    UNION ALL
    SELECT program, lever, participant_id, period, currency, share, fee_share, minor, minor, 1, earned,
        rebate, fee, earned, rebate, fee
    FROM measured_earnings
    WHERE cap IS NULL
),
typed AS (
    SELECT *, 'rebate' AS earning_type, rebate AS part, program_rebate AS program_part
    FROM amounts
    WHERE share <> 0
    UNION ALL
    SELECT *, 'coop', earned - rebate - fee, program_earned - program_rebate - program_fee
    FROM amounts
    WHERE share + fee_share <> 1
    UNION ALL
    SELECT *, 'fee', fee, program_fee FROM amounts WHERE fee_share <> 0
)
SELECT program, lever, participant_id, earning_type, period, transaction_currency, sum(rows) AS rows,
    money_of(sum(part), any_value(minor)) AS earning_amount,
    money_of(sum(program_part), any_value(program_minor)) AS program_amount
FROM typed
GROUP BY ALL;

-- Lines of partners that some program covers but doesn't map may be out of scope.
CREATE OR REPLACE TEMP VIEW stray_lines AS
SELECT *
FROM plain_lines
WHERE billed_partner_id IN (SELECT stray_partner_id FROM tallies)
    OR reseller_partner_id IN (SELECT stray_partner_id FROM tallies);

CREATE OR REPLACE TEMP VIEW stray_outcomes AS
SELECT * FROM outcomes_of('stray_lines');

CREATE OR REPLACE TEMP TABLE recomputed_refused AS
WITH refused AS (
    SELECT 'unearned' AS kind, reason, program, lever, participant_id, role, period,
        transaction_currency, rows, base
    FROM tallies
    WHERE participant_id IS NOT NULL AND reason IS NOT NULL
    UNION ALL
    SELECT 'unearned', CASE WHEN excess THEN 'REFUND_EXCESS' ELSE reason END, program, lever,
        participant_id, role, pieces.period, pieces.transaction_currency, 1, pieces.base
    FROM pieces
    JOIN original_outcomes AS originals
        ON originals.source = pieces.source AND originals.transaction_id = pieces.original
    WHERE participant_id IS NOT NULL AND (excess OR reason IS NOT NULL)
    UNION ALL
    SELECT 'unearned', 'NORATE', program, lever, participant_id, role, period, transaction_currency,
        rows, base
    FROM held_parts
    UNION ALL
    SELECT 'out of scope',
        CASE WHEN role IN (SELECT program_role.role FROM program_role) THEN 'NO_LEVER'
            ELSE 'NO_PROGRAM' END,
        NULL, NULL, NULL, role, period, transaction_currency, rows, base
    FROM tallies
    WHERE program IS NULL
    UNION ALL
    SELECT 'out of scope', reason, NULL, NULL, NULL, role, period, transaction_currency, 1, base
    FROM omitted_in('stray_outcomes')
    WHERE reason IN ('UNMAPPED', 'MAPDUP')
    UNION ALL
    SELECT 'out of scope', reason, NULL, NULL, NULL, role, period, transaction_currency, 1, base
    FROM omitted_pieces
)
SELECT kind, reason, program, lever, participant_id, role, period, transaction_currency,
    sum(rows) AS rows, sum(base) AS base
FROM refused
GROUP BY ALL;
