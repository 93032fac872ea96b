-- Who reaches trailing revenue, when and with how much, by all lines in force: `reached_revenue`. Revenue has
-- 21 decimals until it is rounded.

-- The products that each wording counts, day by day; the group of every product where it names none.
CREATE OR REPLACE TEMP TABLE trailing_products AS
SELECT DISTINCT program, name, from_on, by_company, product_id, sku_id, data_role, transaction_on
FROM (
    SELECT *, unnest(CASE len(product_groups) WHEN 0 THEN ['*'] ELSE product_groups END) AS product_group
    FROM program_trailing
)
JOIN product_day_groups USING (product_group, data_role);

-- The companies that a location belongs to on a day.
CREATE OR REPLACE TEMP TABLE day_companies AS
SELECT DISTINCT participant_id, transaction_on, global_id
FROM mappings
JOIN memberships_in_force AS members
    ON members.location_id = participant_id
    AND coalesce(members.from_on <= transaction_on, true)
    AND coalesce(transaction_on < members.until_on, true);

-- Whose line it is, once per line whatever its roles: the location's, or its companies' of that day.
CREATE OR REPLACE TEMP MACRO trailing_lines_of(lines) AS TABLE
WITH sold AS (
    SELECT DISTINCT asked.program, asked.name, asked.from_on, by_company, line.source,
        line.transaction_id, line.transaction_on, participant_id,
        trillionths_of(base) * billionths_of(exchange_rate)
            AS exact
    FROM concerned_in(lines) AS line
    JOIN trailing_products AS asked
        ON asked.product_id IS NOT DISTINCT FROM line.product_id
        AND asked.sku_id IS NOT DISTINCT FROM line.sku_id
        AND asked.data_role = line.data_role AND asked.transaction_on = line.transaction_on
    JOIN program_role ON program_role.program = asked.program AND program_role.role = line.role
    JOIN mappings
        ON mappings.program = asked.program AND mappings.partner_id = line.partner_id
        AND mappings.transaction_on = line.transaction_on
    JOIN exchange
        ON exchange.program = asked.program AND exchange.period = line.period
        AND exchange.transaction_currency = line.transaction_currency
    WHERE participant_id IS NOT NULL AND exchange_rate IS NOT NULL
)
SELECT DISTINCT program, name, from_on, source, transaction_id, sold.transaction_on, exact,
    CASE WHEN global_id IS NULL THEN sold.participant_id ELSE 'company ' || global_id END AS subject
FROM sold
LEFT JOIN day_companies
    ON day_companies.participant_id = CASE WHEN by_company THEN sold.participant_id END
    AND day_companies.transaction_on = sold.transaction_on;

CREATE OR REPLACE TEMP TABLE trailing_sold AS
SELECT program, name, from_on, subject, transaction_on, sum(exact) AS exact, count(*) AS lines
FROM trailing_lines_of('transactions_in_force')
GROUP BY ALL;

-- The assessments are days on which nothing is sold, and each looks back over its window.
CREATE OR REPLACE TEMP TABLE reached_revenue AS
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
        days, sum(exact) AS exact, sum(lines) AS lines
    FROM assessments
    JOIN trailing_sold AS sold
        ON sold.program = assessments.program AND sold.name = assessments.name
        AND sold.from_on IS NOT DISTINCT FROM assessments.from_on
        AND transaction_on <= assessed_on AND transaction_on > assessed_on - days
    GROUP BY ALL
),
rounded AS (
    SELECT measures.*, money_of(
        rounded(
            exact, minor_of(currency)::HUGEINT * 1000000000000000, program_rounding(measures.program)
        ),
        minor_of(currency)
    ) AS measured
    FROM measures
    JOIN program USING (program)
)
SELECT program, name, from_on, subject,
    concat(name, ' ', assessed_on - days + 1, '..', assessed_on) AS "window",
    assessed_on AS decided_on, measured, amount AS threshold, lines AS transactions
FROM rounded
WHERE measured >= amount
QUALIFY row_number() OVER (PARTITION BY program, name, from_on, subject ORDER BY assessed_on) = 1;
