-- What each participant earned, did not earn and why, and what became of it
-- one row per participant × program × period × line × earning type × reason × currency
--
-- Lines: earned, accrued (co-op), upcoming (ordered), paid (the bank or the ERP says so), held, carried,
-- unprocessed, adjusted (manually): in program currency. unearned: base and forgone amount in transaction currency. Currencies are never added.
WITH earned AS (
    SELECT program, period, earning_type, participant_id, program_currency,
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
paid AS (
    SELECT payment_id
    FROM payments
    WHERE status = 'paid'
    UNION
    SELECT payment_id
    FROM payment_history
    WHERE newest AND status = 'Sent'
),
ordered AS (
    SELECT payment_items.program, period, payment_items.earning_type,
        payment_items.participant_id,
        sum(CASE WHEN paid.payment_id IS NULL THEN program_amount ELSE 0 END) AS upcoming,
        sum(CASE WHEN paid.payment_id IS NULL THEN 0 ELSE program_amount END) AS paid,
        sum(CASE WHEN paid.payment_id IS NULL THEN earnings ELSE 0 END) AS earnings_upcoming,
        sum(CASE WHEN paid.payment_id IS NULL THEN 0 ELSE earnings END) AS earnings_paid
    FROM payment_items
    ANTI JOIN waiting USING (payment_id)
    LEFT JOIN paid USING (payment_id)
    WHERE lever NOT IN ('coop_claim', 'return') AND (kind <> 'adjustment' OR earnings <> 0)
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
rest AS (
    SELECT earned.program, earned.period, earned.earning_type, participant_id,
        earned.program_currency,
        CASE
            WHEN earned.earning_type = 'coop' THEN 'accrued'
            WHEN due.cycle IS NULL OR earned.cycle > due.cycle THEN 'unprocessed'
            WHEN standing.reason IN ('HOLD', 'PROFILE', 'NORATE', 'CHECK') THEN 'held'
            ELSE 'carried'
        END AS line,
        earned.earnings - coalesce(earnings_upcoming + earnings_paid, 0) AS rows,
        earned.amount - coalesce(upcoming + paid, 0) AS amount
    FROM earned
    LEFT JOIN ordered USING (program, period, earning_type, participant_id)
    LEFT JOIN due ON due.program = earned.program AND due.earning_type = earned.earning_type
    LEFT JOIN standing USING (program, earning_type, participant_id)
),
lines AS (
    SELECT participant_id, program, period, 1 AS place, 'earned' AS line, earning_type,
        NULL AS reason, program_currency AS currency, earnings AS rows, NULL AS base, amount
    FROM earned
    UNION ALL
    SELECT participant_id, program, period, 2, 'upcoming', earning_type, NULL, program_currency,
        earnings_upcoming, NULL, upcoming
    FROM ordered
    JOIN earned USING (participant_id, program, period, earning_type)
    WHERE earnings_upcoming > 0
    UNION ALL
    SELECT participant_id, program, period, 3, 'paid', earning_type, NULL, program_currency,
        earnings_paid, NULL, paid
    FROM ordered
    JOIN earned USING (participant_id, program, period, earning_type)
    WHERE earnings_paid > 0
    UNION ALL
    SELECT participant_id, program, period, 4, line, earning_type, NULL, program_currency, rows,
        NULL, amount
    FROM rest
    WHERE rows <> 0 OR amount <> 0
    UNION ALL
    SELECT participant_id, program, period, 6, 'adjusted', earning_type, NULL, currency, count(*),
        NULL, sum(amount)
    FROM adjustments
    WHERE state = 'posted'
    GROUP BY ALL
    UNION ALL
    SELECT participant_id, program, period, 5, 'unearned', NULL, reason, transaction_currency,
        count(*), sum(base), sum(forgone_amount)
    FROM unearned
    GROUP BY participant_id, program, period, reason, transaction_currency
),
names AS (
    SELECT location_id AS participant_id,
        arg_max(location_name, (coalesce(from_on, DATE '0001-01-01'), location_name)) AS name
    FROM memberships_in_force
    GROUP BY location_id
)
SELECT participant_id, names.name AS participant_name, program, period, line, earning_type, reason,
    sentence AS reason_sentence, currency, rows::BIGINT AS rows,
    base::DECIMAL(38, 12) AS base, amount::DECIMAL(38, 12) AS amount
FROM lines
LEFT JOIN names USING (participant_id)
LEFT JOIN reasons ON reasons.code = lines.reason AND reasons.kind = 'outcome'
ORDER BY participant_id, program, period, place, line, earning_type, reason, currency
