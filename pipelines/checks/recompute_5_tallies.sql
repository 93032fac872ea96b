-- What lines earn together, before caps: `tallies`, and the `aggregates` among them.

-- Lines are rounded one by one, so their amounts are summed; aggregates are rounded after.
CREATE OR REPLACE TEMP TABLE tallies AS
WITH summed AS (
    SELECT cover_kind, role, participant_id, period, transaction_currency, reason,
        CASE WHEN aggregated AND participant_id IS NOT NULL AND reason IS NULL THEN customer_id END
            AS customer_id,
        CASE WHEN participant_id IS NULL AND program IS NOT NULL THEN partner_id END AS stray_partner_id,
        count(*) AS rows, sum(base) AS base, sum(earned) AS earned, sum(rebate) AS rebate,
        sum(fee) AS fee, sum(program_earned) AS program_earned,
        sum(program_rebate) AS program_rebate, sum(program_fee) AS program_fee
    FROM amounts_of('plain_outcomes')
    GROUP BY ALL
)
SELECT summed.*, cover_kinds.* EXCLUDE (cover_kind),
    exchange.* EXCLUDE (program, transaction_currency, period)
FROM summed
LEFT JOIN cover_kinds USING (cover_kind)
LEFT JOIN exchange USING (program, transaction_currency, period);

-- Sums of lines, and what refunds of each later, or earlier, period take back of them: `rated_base` is what
-- they take back up to it, so that of a sum that is refunded whole nothing is left.
CREATE OR REPLACE TEMP VIEW aggregates AS
WITH parts AS (
    SELECT * EXCLUDE (rows, earned, rebate, fee, program_earned, program_rebate, program_fee,
            stray_partner_id),
        period AS summed_period
    FROM tallies
    WHERE aggregated AND participant_id IS NOT NULL AND reason IS NULL
    UNION ALL BY NAME
    SELECT summed.*, cover_kinds.* EXCLUDE (cover_kind),
        exchange.* EXCLUDE (program, transaction_currency, period)
    FROM (
        SELECT cover_kind, role, participant_id, period, transaction_currency, reason, customer_id, base,
            summed_period
        FROM summed_pieces
    ) AS summed
    JOIN cover_kinds USING (cover_kind)
    JOIN exchange
        ON exchange.program = cover_kinds.program AND exchange.period = summed_period
        AND exchange.transaction_currency = summed.transaction_currency
),
sums AS (
    SELECT * REPLACE (sum(base) AS base)
    FROM parts
    GROUP BY ALL
),
reached AS (
    SELECT *, sum(base) OVER (
        PARTITION BY cover_kind, role, participant_id, transaction_currency, customer_id, summed_period,
            summed_period = period
        ORDER BY period
    ) AS rated_base
    FROM sums
)
SELECT *, 1 AS rows, millionths_of(rated_base) AS millionths
FROM reached;

CREATE OR REPLACE TEMP TABLE aggregate_amounts AS
SELECT * REPLACE (
    earned - lag(earned, 1, 0) OVER periods AS earned, rebate - lag(rebate, 1, 0) OVER periods AS rebate,
    fee - lag(fee, 1, 0) OVER periods AS fee,
    program_earned - lag(program_earned, 1, 0) OVER periods AS program_earned,
    program_rebate - lag(program_rebate, 1, 0) OVER periods AS program_rebate,
    program_fee - lag(program_fee, 1, 0) OVER periods AS program_fee
)
FROM amounts_of('aggregates')
WINDOW periods AS (
    PARTITION BY cover_kind, role, participant_id, transaction_currency, customer_id, summed_period,
        summed_period = period
    ORDER BY period
);
