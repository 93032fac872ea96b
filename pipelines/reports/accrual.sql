-- What is earned and not yet ordered, by age
-- one row per program × period × earning type; amounts in program currency
WITH earned AS (
    SELECT program, period, earning_type, program_currency, sum(program_amount) AS amount
    FROM earnings
    GROUP BY ALL
),
ordered AS (
    SELECT program, period, earning_type, sum(program_amount) AS amount
    FROM payment_items
    -- What pays again what came back was ordered before; `liability_rollforward` shows what came back.
    WHERE earning_type <> 'coop' AND kind <> 'returned'
    GROUP BY ALL
),
aged AS (
    SELECT program, period, earning_type, program_currency,
        earned.amount AS earned_amount, coalesce(ordered.amount, 0) AS ordered_amount,
        datediff('month', (period || '-01')::DATE, as_of) AS age_months
    FROM earned
    LEFT JOIN ordered USING (program, period, earning_type)
    CROSS JOIN snapshot
)
SELECT program, period, earning_type, age_months,
    CASE
        WHEN age_months <= 2 THEN '0 to 2 months'
        WHEN age_months <= 5 THEN '3 to 5 months'
        WHEN age_months <= 11 THEN '6 to 11 months'
        ELSE '12 months and more'
    END AS age,
    program_currency,
    earned_amount::DECIMAL(18, 3) AS earned_amount,
    ordered_amount::DECIMAL(18, 3) AS ordered_amount,
    (earned_amount - ordered_amount)::DECIMAL(18, 3) AS accrued_amount
FROM aged
ORDER BY program, period, earning_type, program_currency
