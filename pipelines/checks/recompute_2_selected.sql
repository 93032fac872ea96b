-- Of the levers of an engagement that would earn on a line, one does. Run only where levers compete.

CREATE OR REPLACE TEMP MACRO outcomes_of(lines) AS TABLE
WITH valued AS (
    SELECT *,
        coalesce(selects, 'all') <> 'all' AND reason IS NULL AND participant_id IS NOT NULL AS contends,
        CASE selects
            WHEN 'most_specific' THEN -specificity
            WHEN 'best' THEN -abs(payee_part(
                whole_of_line(
                    fixed_of(amount, base, program_minor), exchange_part, exchange_whole, rated_base,
                    millionths, rate_part, rate_whole, minor, program_rounding(program)
                ),
                payee_share, role, program_rounding(program)
            ))
            ELSE 0
        END AS value
    FROM followed_of(lines)
),
ranked AS (
    SELECT *,
        contends AND row_number() OVER (
            PARTITION BY source, transaction_id, role, program, engagement, contends
            ORDER BY value, lever_place
        ) > 1 AS outranked
    FROM valued
)
SELECT * EXCLUDE (contends, value, outranked)
    REPLACE (CASE WHEN outranked THEN 'OUTRANKED' ELSE reason END AS reason)
FROM ranked;
