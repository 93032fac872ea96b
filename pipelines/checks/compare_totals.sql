-- The first groups in which the published tables differ from the recomputation; one text per group.
WITH earned AS (
    SELECT program, lever, participant_id, earning_type, period, transaction_currency,
        count(*) AS rows, sum(earning_amount) AS earning_amount, sum(program_amount) AS program_amount
    FROM earnings
    GROUP BY ALL
),
refused AS (
    SELECT 'unearned' AS kind, reason, program, lever, participant_id, role, period,
        transaction_currency, count(*) AS rows, sum(base) AS base
    FROM unearned
    GROUP BY ALL
    UNION ALL
    SELECT 'out of scope', reason, NULL, NULL, NULL, role, period, transaction_currency,
        count(*), sum(base)
    FROM out_of_scope
    GROUP BY ALL
)
SELECT concat(program, ', ', lever, ', ', participant_id, ', ', earning_type, ', ', period, ', ',
    transaction_currency, ': expected ', coalesce(expected.rows, 0), ' earnings of ',
    coalesce(expected.earning_amount, 0), ' (', coalesce(expected.program_amount, 0),
    ' in program currency), found ', coalesce(earned.rows, 0), ' of ',
    coalesce(earned.earning_amount, 0), ' (', coalesce(earned.program_amount, 0), ')') AS fault
FROM recomputed_earned AS expected
FULL JOIN earned
    USING (program, lever, participant_id, earning_type, period, transaction_currency)
WHERE expected.rows IS DISTINCT FROM earned.rows
    OR expected.earning_amount IS DISTINCT FROM earned.earning_amount
    OR expected.program_amount IS DISTINCT FROM earned.program_amount
UNION ALL
SELECT concat(coalesce(expected.kind, refused.kind), ' ', coalesce(expected.reason, refused.reason),
    concat_ws(', ', '', expected.program, expected.lever, expected.participant_id), ', ',
    coalesce(expected.role, refused.role), ', ', coalesce(expected.period, refused.period), ', ',
    coalesce(expected.transaction_currency, refused.transaction_currency),
    ': expected ', coalesce(expected.rows, 0), ' rows of base ', coalesce(expected.base, 0),
    ', found ', coalesce(refused.rows, 0), ' of ', coalesce(refused.base, 0))
FROM recomputed_refused AS expected
FULL JOIN refused
    ON refused.kind = expected.kind AND refused.reason = expected.reason
    AND coalesce(refused.program, '') = coalesce(expected.program, '')
    AND coalesce(refused.lever, '') = coalesce(expected.lever, '')
    AND coalesce(refused.participant_id, '') = coalesce(expected.participant_id, '')
    AND refused.role = expected.role AND refused.period = expected.period
    AND refused.transaction_currency = expected.transaction_currency
WHERE expected.rows IS DISTINCT FROM refused.rows OR expected.base IS DISTINCT FROM refused.base
UNION ALL
SELECT concat('cap ', cap, ' of ', program, ', ', participant_id, ', ', global_id, ', ', customer_id, ', ', window_from,
    ': expected ', expected.used, ' used of gross ', expected.gross, ', found ', found.used, ' of ',
    found.gross)
FROM (
    SELECT program, cap, coalesce(participant_id, '') AS participant_id, coalesce(global_id, '') AS global_id,
        coalesce(customer_id, '') AS customer_id, window_from, used, gross
    FROM recomputed_caps
) AS expected
FULL JOIN (
    SELECT program, cap, coalesce(participant_id, '') AS participant_id, coalesce(global_id, '') AS global_id,
        coalesce(customer_id, '') AS customer_id, window_from, used, gross
    FROM cap_balances
) AS found USING (program, cap, participant_id, global_id, customer_id, window_from)
WHERE expected.used IS DISTINCT FROM found.used OR expected.gross IS DISTINCT FROM found.gross
