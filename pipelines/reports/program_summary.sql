-- What each program earned, and how far it is on its way to being paid
-- one row per program × period × lever × earning type × status; amounts in program currency
--
-- Status: Accrued (co-op, kept in the fund), Unprocessed (its cycle is not due), Upcoming (ordered),
-- Held (a hold, a missing profile or a missing rate), Carried (below the minimum or negative).
WITH earned AS (
    SELECT program, period, lever, earning_type, participant_id, program_currency,
        estimated_payment_month AS cycle, count(*) AS earnings, sum(program_amount) AS amount
    FROM earnings
    GROUP BY ALL
),
-- Payments that came back and are not reissued yet
waiting AS (
    SELECT payments.payment_id
    FROM payments
    JOIN (FROM payment_history WHERE accepted AND returns_in IS NOT NULL) AS came_back
        USING (payment_id)
    ANTI JOIN (FROM payments WHERE order_kind = 'reissue') AS reissued
        ON reissued.program = payments.program
        AND reissued.participant_id = payments.participant_id
        AND reissued.earning_type = payments.earning_type AND reissued.cycle >= returns_in
),
ordered AS (
    SELECT program, period, lever, earning_type, participant_id,
        sum(earnings) AS earnings, sum(program_amount) AS amount
    FROM payment_items
    ANTI JOIN waiting USING (payment_id)
    WHERE lever <> 'coop_claim'
    GROUP BY ALL
),
due AS (
    SELECT program, earning_type, max(cycle) AS cycle FROM balances GROUP BY program, earning_type
),
standing AS (
    SELECT program, earning_type, participant_id, arg_max(reason, cycle) AS reason
    FROM balances
    GROUP BY ALL
),
statuses AS (
    SELECT earned.program, earned.period, earned.lever, earned.earning_type, earned.program_currency,
        participant_id, 'Upcoming' AS status, ordered.earnings, ordered.amount
    FROM ordered
    JOIN earned USING (program, period, lever, earning_type, participant_id)
    UNION ALL
    SELECT earned.program, earned.period, earned.lever, earned.earning_type, earned.program_currency,
        participant_id,
        CASE
            WHEN earned.earning_type = 'coop' THEN 'Accrued'
            WHEN due.cycle IS NULL OR earned.cycle > due.cycle THEN 'Unprocessed'
            WHEN earned.amount = coalesce(ordered.amount, 0) THEN 'Upcoming'
            WHEN standing.reason IN ('HOLD', 'PROFILE', 'NORATE', 'CHECK') THEN 'Held'
            ELSE 'Carried'
        END AS status,
        earned.earnings - coalesce(ordered.earnings, 0) AS earnings,
        earned.amount - coalesce(ordered.amount, 0) AS amount
    FROM earned
    LEFT JOIN ordered USING (program, period, lever, earning_type, participant_id)
    LEFT JOIN due ON due.program = earned.program AND due.earning_type = earned.earning_type
    LEFT JOIN standing USING (program, earning_type, participant_id)
    WHERE earned.earnings > coalesce(ordered.earnings, 0)
        OR earned.amount <> coalesce(ordered.amount, 0)
)
SELECT program, period, lever, earning_type, status,
    count(DISTINCT participant_id) AS participants,
    sum(earnings)::BIGINT AS earnings,
    program_currency,
    sum(amount)::DECIMAL(18, 3) AS program_amount
FROM statuses
GROUP BY program, period, lever, earning_type, status, program_currency
ORDER BY program, period, lever, earning_type, status, program_currency
