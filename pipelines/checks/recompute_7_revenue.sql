-- Who reached trailing revenue, when and with how much: `recomputed_revenue`. Revenue has 21 decimals
-- until it is rounded.

-- Whose line it is, once per line whatever its roles: the location's, or its companies' of that day.
CREATE OR REPLACE TEMP TABLE trailing_sold AS
WITH lines AS (
    SELECT DISTINCT asked.program, asked.name, asked.from_on, by_company, line.source,
        line.transaction_id, line.transaction_on, participant_id,
        (base * 1000000000000)::HUGEINT * (exchange_rate::DECIMAL(38, 9) * 1000000000)::HUGEINT
            AS exact
    FROM (FROM concerned_in('transactions_in_force') WHERE EXISTS (FROM program_trailing)) AS line
    JOIN program_trailing AS asked ON asked.data_role = line.data_role
    JOIN program_role ON program_role.program = asked.program AND program_role.role = line.role
    JOIN mappings
        ON mappings.program = asked.program AND mappings.partner_id = line.partner_id
        AND mappings.transaction_on = line.transaction_on
    JOIN exchange
        ON exchange.program = asked.program AND exchange.period = line.period
        AND exchange.transaction_currency = line.transaction_currency
    LEFT JOIN product_day_groups
        ON list_contains(asked.product_groups, product_day_groups.product_group)
        AND product_day_groups.product_id = line.product_id
        AND product_day_groups.sku_id IS NOT DISTINCT FROM line.sku_id
        AND product_day_groups.data_role = line.data_role
        AND product_day_groups.transaction_on = line.transaction_on
    WHERE participant_id IS NOT NULL AND exchange_rate IS NOT NULL
        AND (len(asked.product_groups) = 0 OR product_day_groups.product_group IS NOT NULL)
),
subjects AS (
    SELECT DISTINCT lines.program, lines.name, lines.from_on, lines.source, lines.transaction_id,
        lines.transaction_on, exact,
        CASE WHEN global_id IS NULL THEN participant_id ELSE 'company ' || global_id END AS subject
    FROM lines
    LEFT JOIN memberships_in_force AS members
        ON by_company AND members.location_id = participant_id
        AND coalesce(members.from_on <= transaction_on, true)
        AND coalesce(transaction_on < members.until_on, true)
)
SELECT program, name, from_on, subject, transaction_on, sum(exact) AS exact
FROM subjects
GROUP BY ALL;

-- The assessments are days on which nothing is sold, and each looks back over its window.
CREATE OR REPLACE TEMP TABLE recomputed_revenue AS
WITH months AS (
    SELECT (min(period) || '-01')::DATE AS first_on,
        least((max(period) || '-01')::DATE + INTERVAL 1 MONTH, any_value(as_of) + INTERVAL 1 DAY)::DATE
            AS end_on
    FROM eligibility, snapshot
),
assessments AS (
    SELECT asked.*, day::DATE AS assessed_on
    FROM program_trailing AS asked, months, generate_series(first_on, end_on, INTERVAL 1 DAY) AS calendar (day)
    WHERE day < end_on AND isodow(day) = weekday
        AND coalesce(from_on <= day, true) AND coalesce(day < until_on, true)
),
measures AS (
    SELECT assessments.program, assessments.name, assessments.from_on, subject, assessed_on, amount,
        days, sum(exact) AS exact
    FROM assessments
    JOIN trailing_sold AS sold
        ON sold.program = assessments.program AND sold.name = assessments.name
        AND sold.from_on IS NOT DISTINCT FROM assessments.from_on
        AND transaction_on <= assessed_on AND transaction_on > assessed_on - days
    GROUP BY ALL
),
rounded AS (
    SELECT measures.*, money_of(
        divided(exact, minor_of(currency)::HUGEINT * 1000000000000000), minor_of(currency)
    ) AS measured
    FROM measures
    JOIN program USING (program)
)
SELECT program, subject, concat(name, ' ', assessed_on - days + 1, '..', assessed_on) AS "window",
    assessed_on AS decided_on, measured, amount AS threshold
FROM rounded
WHERE measured >= amount
QUALIFY row_number() OVER (PARTITION BY program, name, from_on, subject ORDER BY assessed_on) = 1;
