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

CREATE OR REPLACE TEMP VIEW aggregates AS
SELECT * EXCLUDE (rows, earned, rebate, fee, program_earned, program_rebate, program_fee), 1 AS rows,
    base AS rated_base, millionths_of(base) AS millionths
FROM tallies
WHERE aggregated AND participant_id IS NOT NULL AND reason IS NULL;
