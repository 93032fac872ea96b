-- What is owed to participants, and every movement of it, month by month
-- one row per program × month × earning type, from its first month on; amounts in program currency
--
-- opening + all movements = closing; what adds to what is owed is positive. Months are those of the
-- journal: what is earned counts on the last day of its month, whether it is due or not.
WITH moved AS (
    SELECT program, date_trunc('month', accounting_on)::DATE AS month,
        replace(account, '_payable', '') AS earning_type, currency,
        CASE event
            WHEN 'forfeiture reversed' THEN 'forfeiture'
            WHEN 'late' THEN 'accrual'
            WHEN 'manual adjustment' THEN 'adjustment'
            WHEN 'expiry reversed' THEN 'expiry'
            WHEN 'offset' THEN 'transfer'
            ELSE event
        END AS event,
        credit - debit AS amount
    FROM journal
    WHERE account IN ('rebate_payable', 'coop_payable', 'fee_payable')
),
kinds AS (
    SELECT program, earning_type, currency, min(month) AS first_month
    FROM moved
    GROUP BY ALL
),
months AS (
    SELECT program, unnest(generate_series(min(month), max(month), INTERVAL 1 MONTH))::DATE AS month
    FROM moved
    GROUP BY program
),
filled AS (
    SELECT kinds.program, months.month, kinds.earning_type, kinds.currency,
        coalesce(sum(amount) FILTER (event = 'accrual'), 0) AS accrued,
        coalesce(sum(amount) FILTER (event = 'conversion'), 0) AS converted,
        coalesce(sum(amount) FILTER (event = 'adjustment'), 0) AS adjusted,
        coalesce(sum(amount) FILTER (event = 'return'), 0) AS returned,
        coalesce(sum(amount) FILTER (event = 'transfer'), 0) AS transferred,
        coalesce(sum(amount) FILTER (event = 'order'), 0) AS ordered,
        coalesce(sum(amount) FILTER (event = 'claim'), 0) AS claimed,
        coalesce(sum(amount) FILTER (event = 'forfeiture'), 0) AS forfeited,
        coalesce(sum(amount) FILTER (event = 'expiry'), 0) AS expired,
        coalesce(sum(amount) FILTER (event = 'escheat'), 0) AS escheated,
        coalesce(sum(amount) FILTER (event = 'write-off'), 0) AS written_off,
        coalesce(sum(amount) FILTER (event = 'recovery'), 0) AS recovered,
        coalesce(sum(amount), 0) AS moved
    FROM kinds
    JOIN months ON months.program = kinds.program AND months.month >= first_month
    LEFT JOIN moved ON moved.program = kinds.program AND moved.month = months.month
        AND moved.earning_type = kinds.earning_type AND moved.currency = kinds.currency
    GROUP BY ALL
),
running AS (
    SELECT *,
        sum(moved) OVER (
            PARTITION BY program, earning_type, currency ORDER BY month
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS closing
    FROM filled
)
SELECT program, strftime(month, '%Y-%m') AS month, earning_type, currency AS program_currency,
    (closing - moved)::DECIMAL(18, 3) AS opening, accrued::DECIMAL(18, 3) AS accrued,
    converted::DECIMAL(18, 3) AS converted, adjusted::DECIMAL(18, 3) AS adjusted,
    returned::DECIMAL(18, 3) AS returned, transferred::DECIMAL(18, 3) AS transferred,
    ordered::DECIMAL(18, 3) AS ordered, claimed::DECIMAL(18, 3) AS claimed,
    forfeited::DECIMAL(18, 3) AS forfeited, expired::DECIMAL(18, 3) AS expired,
    escheated::DECIMAL(18, 3) AS escheated, written_off::DECIMAL(18, 3) AS written_off,
    recovered::DECIMAL(18, 3) AS recovered, closing::DECIMAL(18, 3) AS closing
FROM running
ORDER BY program, month, earning_type, currency
