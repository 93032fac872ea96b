-- Levers over a measure: what every line adds to which window, and what the windows earn month by month:
-- `measured_earnings`, and `held_parts` of windows whose baseline has no exchange rate. What is measured
-- has 21 decimals until it is rounded.

-- None if no program has such a lever.
CREATE OR REPLACE TEMP VIEW measurable_lines AS
SELECT * FROM plain_lines WHERE any_measured();

CREATE OR REPLACE TEMP MACRO first_of(period, months, fiscal_start) AS (
    (period || '-01')::DATE - to_months(
        ((date_part('month', (period || '-01')::DATE) + 12 - fiscal_start) % 12 % months)::INTEGER
    )
)::DATE;

CREATE OR REPLACE TEMP MACRO added(quantity_of, base, exchange_rate, quantity) AS
    CASE quantity_of
        WHEN 'amount'
        THEN (base * 1000000000000)::HUGEINT * (exchange_rate::DECIMAL(38, 9) * 1000000000)::HUGEINT
        ELSE (coalesce(quantity, 0)::DECIMAL(38, 12) * 1000000000000)::HUGEINT * 1000000000
    END;

-- Units that a piece of a refund takes back, as differences of running shares, with 12 decimals.
CREATE OR REPLACE TEMP MACRO units_back(quantity, before, cumulated, base) AS (
    portion((coalesce(quantity, 0)::DECIMAL(38, 12) * 1000000000000)::HUGEINT, before, base)
        - portion((coalesce(quantity, 0)::DECIMAL(38, 12) * 1000000000000)::HUGEINT, cumulated, base)
);

CREATE OR REPLACE TEMP TABLE measured_parts AS
SELECT outcomes.program, outcomes.lever, participant_id, role, outcomes.period, transaction_currency,
    outcomes.source, transaction_id, NULL AS original, base,
    CASE per WHEN 'customer' THEN customer_id END AS customer_id,
    first_of(outcomes.period, months, fiscal_start) AS window_on,
    added(quantity_of, base, exchange_rate, quantity) AS adds
FROM outcomes_of('measurable_lines') AS outcomes
JOIN program_measure USING (program, lever)
WHERE participant_id IS NOT NULL AND reason IS NULL
UNION ALL
SELECT originals.program, originals.lever, participant_id, role, pieces.period,
    pieces.transaction_currency, pieces.source, refund, pieces.original, pieces.base,
    CASE per WHEN 'customer' THEN customer_id END,
    first_of(originals.period, months, fiscal_start),
    CASE quantity_of
        WHEN 'amount' THEN added('amount', pieces.base, exchange_rate, NULL)
        ELSE units_back(quantity, before, cumulated, original_base) * 1000000000
    END
FROM pieces
JOIN original_outcomes AS originals
    ON originals.source = pieces.source AND originals.transaction_id = pieces.original
JOIN program_measure
    ON program_measure.program = originals.program AND program_measure.lever = originals.lever
WHERE NOT excess AND participant_id IS NOT NULL AND reason IS NULL;

-- What baselines look at: all lines of the lever's products, whatever their day and outcome.
CREATE OR REPLACE TEMP TABLE baseline_covers AS
SELECT DISTINCT product_id, sku_id, data_role, transaction_on, program, lever, role, customer_countries,
    partner_countries
FROM product_day_groups
JOIN program_rate USING (product_group)
JOIN program_lever USING (program, lever, data_role)
JOIN program_measure USING (program, lever)
WHERE baseline IN ('last_year', 'previous');

CREATE OR REPLACE TEMP MACRO revenue_of(lines) AS TABLE
SELECT concerned.source, concerned.transaction_id, covers.program, covers.lever, participant_id,
    CASE per WHEN 'customer' THEN customer_id END AS customer_id, quantity_of, quantity, exchange_rate,
    base, first_of(concerned.period, months, fiscal_start) AS window_on
FROM concerned_in(lines) AS concerned
JOIN baseline_covers AS covers
    ON covers.transaction_on = concerned.transaction_on
    AND covers.product_id IS NOT DISTINCT FROM concerned.product_id
    AND covers.sku_id IS NOT DISTINCT FROM concerned.sku_id
    AND covers.data_role = concerned.data_role
    AND covers.role = concerned.role
    AND lever_filter(covers.program, covers.lever, concerned.source, concerned.format,
        concerned.customer_id, concerned.customer_country, concerned.product_id, concerned.sku_id,
        concerned.charge_type, concerned.term_and_billing_cycle, concerned.publisher_name,
        concerned.workload, concerned.transaction_currency, concerned.base, concerned.quantity,
        concerned.unit_price)
JOIN program_measure
    ON program_measure.program = covers.program AND program_measure.lever = covers.lever
JOIN mappings
    ON mappings.program = covers.program
    AND mappings.partner_id = concerned.partner_id
    AND mappings.transaction_on = concerned.transaction_on
JOIN exchange
    ON exchange.program = covers.program
    AND exchange.transaction_currency = concerned.transaction_currency
    AND exchange.period = concerned.period
LEFT JOIN partner_places
    ON partner_places.partner_id = concerned.partner_id
    AND partner_places.transaction_on = concerned.transaction_on
WHERE participant_id IS NOT NULL
    AND (len(customer_countries) = 0
        OR list_contains(customer_countries, concerned.customer_country))
    AND (len(partner_countries) = 0 OR list_has_any(partner_countries, places[covers.program]));

CREATE OR REPLACE TEMP TABLE revenue AS
WITH parts AS (
    SELECT program, lever, participant_id, customer_id, window_on,
        added(quantity_of, base, exchange_rate, quantity) AS adds
    FROM revenue_of('measurable_lines')
    UNION ALL
    SELECT program, lever, participant_id, customer_id, window_on,
        CASE quantity_of
            WHEN 'amount' THEN added('amount', pieces.base, exchange_rate, NULL)
            ELSE units_back(quantity, before, cumulated, original_base) * 1000000000
        END
    FROM pieces
    JOIN revenue_of('original_lines') AS originals
        ON originals.source = pieces.source AND originals.transaction_id = pieces.original
    WHERE NOT excess
)
SELECT program, lever, participant_id, customer_id, window_on, sum(adds) AS adds,
    bool_or(adds IS NULL) AS missing
FROM parts
GROUP BY ALL;

-- A measure with 12 decimals: an amount rounded to minor units, or units as they are.
CREATE OR REPLACE TEMP MACRO measure_of(quantity_of, adds, minor) AS CASE quantity_of
    WHEN 'amount'
    THEN divided(adds, minor::HUGEINT * 1000000000000000) * (minor::HUGEINT * 1000000)
    ELSE adds // 1000000000 END;

CREATE OR REPLACE TEMP TABLE measured_months AS
WITH months AS (
    SELECT program, lever, participant_id, customer_id, window_on, period, sum(adds) AS adds
    FROM measured_parts
    GROUP BY ALL
),
running AS (
    SELECT *, sum(adds) OVER (
        PARTITION BY program, lever, participant_id, customer_id, window_on ORDER BY period
    ) AS cumulated
    FROM months
)
SELECT running.* EXCLUDE (adds, cumulated), program.currency, minor_of(program.currency) AS minor,
    measure_of(quantity_of, cumulated, minor_of(program.currency)) AS measure, minimum, baseline,
    CASE baseline
        WHEN 'fixed' THEN baseline_amount
        ELSE measure_of(quantity_of, coalesce(revenue.adds, 0), minor_of(program.currency))
    END AS compared,
    baseline IS DISTINCT FROM 'fixed' AND coalesce(missing, false) AS held,
    (running.window_on + to_months(program_measure.months))::DATE AS window_end, side
FROM running
JOIN program_measure USING (program, lever)
JOIN program USING (program)
LEFT JOIN revenue
    ON revenue.program = running.program AND revenue.lever = running.lever
    AND revenue.participant_id = running.participant_id
    AND revenue.customer_id IS NOT DISTINCT FROM running.customer_id
    AND revenue.window_on = CASE baseline
        WHEN 'last_year' THEN (running.window_on - INTERVAL 1 YEAR)::DATE
        WHEN 'previous' THEN (running.window_on - to_months(program_measure.months))::DATE
    END;

CREATE OR REPLACE TEMP VIEW held_parts AS
SELECT measured_parts.*
FROM measured_parts
SEMI JOIN (SELECT * FROM measured_months WHERE held) AS months
    ON months.program = measured_parts.program AND months.lever = measured_parts.lever
    AND months.participant_id = measured_parts.participant_id
    AND months.customer_id IS NOT DISTINCT FROM measured_parts.customer_id
    AND months.window_on = measured_parts.window_on AND months.period = measured_parts.period;

CREATE OR REPLACE TEMP MACRO ruling_day(side, month_on) AS
    CASE side WHEN 'start' THEN month_on ELSE last_day(month_on) END;

-- What a window has earned up to a month, in minor units: over the tiers of the table that rules.
CREATE OR REPLACE TEMP TABLE measured_earnings AS
WITH counted AS (
    SELECT *,
        CASE
            WHEN measure < minimum THEN 0
            WHEN baseline IS NULL THEN measure
            ELSE greatest(measure - compared, 0)
        END::HUGEINT AS counted
    FROM measured_months
    WHERE NOT held
),
ruled AS (
    SELECT counted.*, tables.place
    FROM counted
    JOIN (SELECT DISTINCT program, lever, place, from_on, until_on FROM program_tier) AS tables
        ON tables.program = counted.program AND tables.lever = counted.lever
        AND coalesce(tables.from_on < window_end, true)
        AND coalesce(window_on < tables.until_on, true)
    QUALIFY row_number() OVER (
        PARTITION BY counted.program, counted.lever, participant_id, customer_id, window_on, period
        ORDER BY CASE side WHEN 'start' THEN tables.place ELSE -tables.place END
    ) = 1
),
tiers AS (
    SELECT ruled.*,
        CASE shape
            WHEN 'whole' THEN abs(counted)
            ELSE least(abs(counted), coalesce(upper, abs(counted))) - lower
        END * pays + flat * 1000000000000 AS amount,
        CASE shape || '/' || edge
            WHEN 'whole/lower' THEN lower < abs(counted) AND coalesce(abs(counted) <= upper, true)
            WHEN 'whole/upper' THEN lower <= abs(counted) AND coalesce(abs(counted) < upper, true)
            WHEN 'marginal/lower' THEN lower < abs(counted)
            ELSE lower <= abs(counted)
        END AND counted <> 0 AS entered
    FROM ruled
    JOIN program_tier
        ON program_tier.program = ruled.program AND program_tier.lever = ruled.lever
        AND program_tier.place = ruled.place
),
totals AS (
    SELECT program, lever, participant_id, customer_id, window_on, window_end, period, currency, minor,
        side, any_value(sign(counted)) AS side_of_zero, sum(amount) FILTER (entered) AS amount
    FROM tiers
    GROUP BY ALL
),
rounded AS (
    SELECT *,
        side_of_zero * divided(coalesce(amount, 0), minor::HUGEINT * 1000000000000000) AS total
    FROM totals
),
steps AS (
    SELECT *,
        (total - coalesce(lag(total) OVER (
            PARTITION BY program, lever, participant_id, customer_id, window_on ORDER BY period
        ), 0))::BIGINT AS earned,
        least((period || '-01')::DATE, (window_end - INTERVAL 1 MONTH)::DATE) AS month_on
    FROM rounded
),
shared AS (
    SELECT steps.*, pays_as,
        rebate_share(pays_as, program_split.share) AS share,
        fee_share(pays_as, program_split.fee_share) AS fee_share
    FROM steps
    JOIN program_lever USING (program, lever)
    LEFT JOIN program_split
        ON program_split.program = steps.program
        AND coalesce(program_split.from_on <= ruling_day(side, month_on), true)
        AND coalesce(ruling_day(side, month_on) < program_split.until_on, true)
)
SELECT *, fee_of(earned - rebate, share, fee_share) AS fee
FROM (SELECT *, scaled(earned, part_of(share), whole_of(share)) AS rebate FROM shared);
