-- Every account of the journal, month by month
-- one row per program × month × account × currency, from the account's first month on
--
-- closing = opening + debit − credit; what is owed is negative. Currencies are never added.
WITH moved AS (
    SELECT program, date_trunc('month', accounting_on)::DATE AS month, account, currency,
        sum(debit) AS debit, sum(credit) AS credit
    FROM journal
    GROUP BY ALL
),
accounts AS (
    SELECT program, account, currency, min(month) AS first_month
    FROM moved
    GROUP BY ALL
),
months AS (
    SELECT program, unnest(generate_series(min(month), max(month), INTERVAL 1 MONTH))::DATE AS month
    FROM moved
    GROUP BY program
),
filled AS (
    SELECT program, month, account, currency,
        coalesce(debit, 0) AS debit, coalesce(credit, 0) AS credit
    FROM accounts
    JOIN months USING (program)
    LEFT JOIN moved USING (program, month, account, currency)
    WHERE month >= first_month
),
running AS (
    SELECT *,
        sum(debit - credit) OVER (
            PARTITION BY program, account, currency ORDER BY month
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS closing
    FROM filled
)
SELECT program, strftime(month, '%Y-%m') AS month, account, currency,
    (closing - debit + credit)::DECIMAL(18, 3) AS opening,
    debit::DECIMAL(18, 3) AS debit, credit::DECIMAL(18, 3) AS credit,
    closing::DECIMAL(18, 3) AS closing
FROM running
ORDER BY program, month, account, currency
