-- Staged base = base in scope + base out of scope, per source, currency and period. Of the months checked.
WITH staged AS (
    SELECT source, transaction_currency, period, sum(base) AS base
    FROM transactions_in_force WHERE checked(period) GROUP BY ALL
),
outcomes AS (
    SELECT source, transaction_id, original_transaction_id, transaction_currency, period,
        base, false AS excess
    FROM earnings
    WHERE checked(period) AND transaction_id IS NOT NULL AND (earning_type <> 'coop' OR share = 1)
    UNION ALL
    SELECT earning_sources.source, earning_sources.transaction_id,
        earning_sources.original_transaction_id,
        coalesce(earning_sources.transaction_currency, earnings.transaction_currency),
        earning_sources.period, earning_sources.base, false
    FROM earning_sources JOIN earnings USING (earning_id)
    WHERE checked(earning_sources.period) AND checked(earnings.period) AND (earning_type <> 'coop' OR share = 1)
    UNION ALL
    SELECT source, transaction_id, original_transaction_id, transaction_currency, period,
        base, reason = 'REFUND_EXCESS'
    FROM unearned WHERE checked(period)
    UNION ALL
    SELECT source, transaction_id, original_transaction_id, transaction_currency, period,
        base, false
    FROM out_of_scope WHERE whole AND checked(period)
),
pieces AS (
    SELECT source, transaction_currency, period, min(base) AS base,
        min(base) <> max(base) AS differs
    FROM outcomes
    GROUP BY source, transaction_currency, period, hash(transaction_id),
        hash(original_transaction_id, excess)
),
reached AS (
    SELECT source, transaction_currency, period, sum(base) AS base,
        count(*) FILTER (differs) AS differing
    FROM pieces GROUP BY ALL
)
SELECT concat(source, ', ', transaction_currency, ', ', period, ': expected base ',
    coalesce(staged.base, 0), ', found ', coalesce(reached.base, 0), '; ', differing,
    ' transactions whose outcomes differ in base')
FROM staged FULL JOIN reached USING (source, transaction_currency, period)
WHERE coalesce(staged.base, 0) <> coalesce(reached.base, 0) OR differing > 0
