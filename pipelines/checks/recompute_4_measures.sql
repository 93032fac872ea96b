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

-- Whose measure a participant's lines of a month add to: its company's, where it has one.
CREATE OR REPLACE TEMP TABLE month_companies AS
SELECT program, participant_id, period, global_id AS company
FROM eligibility
WHERE requirement = 'all' AND global_id IS NOT NULL;

CREATE OR REPLACE TEMP MACRO whose_of(per, participant_id, company, customer_id) AS CASE per
    WHEN 'customer' THEN concat('participant ', participant_id, ', customer ', customer_id)
    WHEN 'company' THEN coalesce('company ' || company, 'participant ' || participant_id)
    ELSE 'participant ' || participant_id END;

CREATE OR REPLACE TEMP TABLE measured_parts AS
SELECT parts.* EXCLUDE (counted_period, per),
    CASE per WHEN 'company' THEN company END AS company,
    whose_of(per, parts.participant_id, company, customer_id) AS whose
FROM (
    SELECT outcomes.program, outcomes.lever, participant_id, role, outcomes.period,
        transaction_currency, outcomes.source, transaction_id, NULL AS original, base, per,
        CASE per WHEN 'customer' THEN customer_id END AS customer_id,
        outcomes.period AS counted_period,
        first_of(outcomes.period, months, fiscal_start) AS window_on,
        added(quantity_of, base, exchange_rate, quantity) AS adds
    FROM outcomes_of('measurable_lines') AS outcomes
    JOIN program_measure USING (program, lever)
    WHERE participant_id IS NOT NULL AND reason IS NULL
    UNION ALL
    SELECT originals.program, originals.lever, participant_id, role, pieces.period,
        pieces.transaction_currency, pieces.source, refund, pieces.original, pieces.base, per,
        CASE per WHEN 'customer' THEN customer_id END, originals.period,
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
    WHERE NOT excess AND participant_id IS NOT NULL AND reason IS NULL
) AS parts
LEFT JOIN month_companies
    ON month_companies.program = parts.program
    AND month_companies.participant_id = parts.participant_id
    AND month_companies.period = counted_period;

-- What baselines and days before look at: all lines of the lever's products, whatever their day and
-- outcome.
CREATE OR REPLACE TEMP TABLE baseline_covers AS
SELECT DISTINCT product_id, sku_id, data_role, transaction_on, program, lever, role, customer_countries,
    partner_countries
FROM product_day_groups
JOIN program_rate USING (product_group)
JOIN program_lever USING (program, lever, data_role)
JOIN program_measure USING (program, lever)
WHERE baseline IN ('last_year', 'previous', 'high_water') OR trailing_days IS NOT NULL;

CREATE OR REPLACE TEMP MACRO revenue_of(lines) AS TABLE
SELECT concerned.source, concerned.transaction_id, covers.program, covers.lever,
    whose_of(per, mappings.participant_id, company, customer_id) AS whose, quantity_of, quantity,
    exchange_rate, base, trailing_days, concerned.transaction_on,
    first_of(concerned.period, months, fiscal_start) AS window_on
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
LEFT JOIN month_companies
    ON month_companies.program = covers.program
    AND month_companies.participant_id = mappings.participant_id
    AND month_companies.period = concerned.period
LEFT JOIN partner_places
    ON partner_places.partner_id = concerned.partner_id
    AND partner_places.transaction_on = concerned.transaction_on
WHERE mappings.participant_id IS NOT NULL
    AND (len(customer_countries) = 0
        OR list_contains(customer_countries, concerned.customer_country))
    AND (len(partner_countries) = 0 OR list_has_any(partner_countries, places[covers.program]));

-- By first day of the window; by day where days before pick the tier.
CREATE OR REPLACE TEMP TABLE revenue AS
WITH parts AS (
    SELECT program, lever, whose,
        CASE WHEN trailing_days IS NULL THEN window_on ELSE transaction_on END AS counts_on,
        added(quantity_of, base, exchange_rate, quantity) AS adds
    FROM revenue_of('measurable_lines')
    UNION ALL
    SELECT program, lever, whose,
        CASE WHEN trailing_days IS NULL THEN window_on ELSE pieces.transaction_on END,
        CASE quantity_of
            WHEN 'amount' THEN added('amount', pieces.base, exchange_rate, NULL)
            ELSE units_back(quantity, before, cumulated, original_base) * 1000000000
        END
    FROM pieces
    JOIN revenue_of('original_lines') AS originals
        ON originals.source = pieces.source AND originals.transaction_id = pieces.original
    WHERE NOT excess
)
SELECT program, lever, whose, counts_on, sum(adds) AS adds, bool_or(adds IS NULL) AS missing
FROM parts
GROUP BY ALL;

-- A measure with 12 decimals: an amount rounded to minor units, or units as they are.
CREATE OR REPLACE TEMP MACRO measure_of(quantity_of, adds, minor) AS CASE quantity_of
    WHEN 'amount'
    THEN divided(adds, minor::HUGEINT * 1000000000000000) * (minor::HUGEINT * 1000000)
    ELSE divided(adds, 1000000000::HUGEINT) END;

CREATE OR REPLACE TEMP MACRO ruling_day(side, month_on) AS
    CASE side WHEN 'start' THEN month_on ELSE last_day(month_on) END;

-- Who is eligible where nothing earns the flat of the first tier: it adds nothing.
CREATE OR REPLACE TEMP TABLE measured_roster AS
SELECT program_measure.program, lever, verdicts.participant_id, verdicts.period,
    first_of(verdicts.period, months, fiscal_start) AS window_on,
    CASE per WHEN 'company' THEN company END AS company,
    whose_of(per, verdicts.participant_id, company, NULL) AS whose
FROM program_measure
JOIN verdicts USING (program)
LEFT JOIN month_companies
    ON month_companies.program = verdicts.program
    AND month_companies.participant_id = verdicts.participant_id
    AND month_companies.period = verdicts.period
WHERE flat_on_zero AND met
    AND EXISTS (
        FROM program_tier
        WHERE program_tier.program = program_measure.program
            AND program_tier.lever = program_measure.lever
            AND coalesce(from_on <= ruling_day(side, (verdicts.period || '-01')::DATE), true)
            AND coalesce(ruling_day(side, (verdicts.period || '-01')::DATE) < until_on, true)
    )
    AND EXISTS (
        FROM program_term
        WHERE program_term.program = program_measure.program
            AND coalesce(from_on <= ruling_day(side, (verdicts.period || '-01')::DATE), true)
            AND coalesce(ruling_day(side, (verdicts.period || '-01')::DATE) < until_on, true)
    );

-- Each participant's part of a window, month by month.
CREATE OR REPLACE TEMP TABLE own_months AS
SELECT program, lever, whose, any_value(company) AS company, any_value(customer_id) AS customer_id,
    window_on, participant_id, period, sum(adds) AS adds, bool_or(of_line) AS of_line
FROM (
    SELECT program, lever, whose, company, customer_id, window_on, participant_id, period, adds,
        true AS of_line
    FROM measured_parts
    UNION ALL
    SELECT program, lever, whose, company, NULL, window_on, participant_id, period, 0, false
    FROM measured_roster
)
GROUP BY program, lever, whose, window_on, participant_id, period;

-- The highest measure of all windows before.
CREATE OR REPLACE TEMP TABLE high_water AS
SELECT windows.program, windows.lever, windows.whose, windows.window_on,
    greatest(max(measure_of(quantity_of, adds, minor_of(currency))), 0) AS mark,
    bool_or(missing) AS missing
FROM (SELECT DISTINCT program, lever, whose, window_on FROM own_months) AS windows
JOIN program_measure USING (program, lever)
JOIN program USING (program)
JOIN revenue
    ON revenue.program = windows.program AND revenue.lever = windows.lever
    AND revenue.whose = windows.whose AND revenue.counts_on < windows.window_on
WHERE baseline = 'high_water'
GROUP BY ALL;

-- What was measured over the days up to the window's last.
CREATE OR REPLACE TEMP TABLE days_before AS
SELECT windows.program, windows.lever, windows.whose, windows.window_on,
    sum(adds) AS adds, bool_or(missing) AS missing
FROM (SELECT DISTINCT program, lever, whose, window_on FROM own_months) AS windows
JOIN program_measure USING (program, lever)
JOIN revenue
    ON revenue.program = windows.program AND revenue.lever = windows.lever
    AND revenue.whose = windows.whose
    AND revenue.counts_on < windows.window_on + INTERVAL 1 MONTH
    AND revenue.counts_on >= windows.window_on + INTERVAL 1 MONTH - to_days(trailing_days)
WHERE trailing_days IS NOT NULL
GROUP BY ALL;

CREATE OR REPLACE TEMP TABLE measured_months AS
WITH months AS (
    SELECT program, lever, whose, window_on, period, sum(adds) AS adds
    FROM own_months
    GROUP BY ALL
),
running AS (
    SELECT *, sum(adds) OVER (
        PARTITION BY program, lever, whose, window_on ORDER BY period
    ) AS cumulated
    FROM months
)
SELECT running.* EXCLUDE (adds, cumulated), program.currency, minor_of(program.currency) AS minor,
    measure_of(quantity_of, cumulated, minor_of(program.currency)) AS measure, minimum, baseline,
    CASE baseline
        WHEN 'fixed' THEN baseline_amount
        WHEN 'high_water' THEN coalesce(mark, 0)
        ELSE measure_of(quantity_of, coalesce(revenue.adds, 0), minor_of(program.currency))
    END AS compared,
    CASE WHEN trailing_days IS NOT NULL
        THEN measure_of(quantity_of, coalesce(days_before.adds, 0), minor_of(program.currency))
    END AS days_measure,
    flat_on_zero,
    coalesce(revenue.missing, false) OR coalesce(high_water.missing, false)
        OR coalesce(days_before.missing, false) AS held,
    (running.window_on + to_months(program_measure.months))::DATE AS window_end, side
FROM running
JOIN program_measure USING (program, lever)
JOIN program USING (program)
LEFT JOIN revenue
    ON revenue.program = running.program AND revenue.lever = running.lever
    AND revenue.whose = running.whose
    AND revenue.counts_on = CASE baseline
        WHEN 'last_year' THEN (running.window_on - INTERVAL 1 YEAR)::DATE
        WHEN 'previous' THEN (running.window_on - to_months(program_measure.months))::DATE
    END
LEFT JOIN high_water
    ON high_water.program = running.program AND high_water.lever = running.lever
    AND high_water.whose = running.whose AND high_water.window_on = running.window_on
LEFT JOIN days_before
    ON days_before.program = running.program AND days_before.lever = running.lever
    AND days_before.whose = running.whose AND days_before.window_on = running.window_on;

CREATE OR REPLACE TEMP VIEW held_parts AS
SELECT measured_parts.*
FROM measured_parts
SEMI JOIN (SELECT * FROM measured_months WHERE held) AS months
    ON months.program = measured_parts.program AND months.lever = measured_parts.lever
    AND months.whose = measured_parts.whose
    AND months.window_on = measured_parts.window_on AND months.period = measured_parts.period;

-- `round(number × part ÷ whole)`, common factors taken out first.
CREATE OR REPLACE TEMP MACRO pro_rata(number, part, whole) AS divided(
    (number // greatest_common_divisor(number, whole // greatest_common_divisor(part, whole)))
        * (part // greatest_common_divisor(part, whole)),
    whole // greatest_common_divisor(part, whole)
        // greatest_common_divisor(number, whole // greatest_common_divisor(part, whole))
);

-- A quantity that isn't negative, counted in larger units; both with 12 decimals.
CREATE OR REPLACE TEMP MACRO in_units(quantity, divide_by, rounding) AS CASE
    WHEN divide_by IS NULL THEN quantity
    ELSE CASE rounding
        WHEN 'exact' THEN pro_rata(quantity, 1000000000000::HUGEINT, divide_by)
        WHEN 'down' THEN quantity // divide_by * 1000000000000
        WHEN 'ceiling' THEN (quantity + divide_by - 1) // divide_by * 1000000000000
        WHEN 'half_even'
        THEN CASE
            WHEN quantity % divide_by * 2 = divide_by AND quantity // divide_by % 2 = 0
            THEN quantity // divide_by
            ELSE divided(quantity, divide_by)
        END * 1000000000000
        ELSE divided(quantity, divide_by) * 1000000000000
    END
END::HUGEINT;

-- What a window has earned up to a month, in minor units: over the tiers of the table that rules.
CREATE OR REPLACE TEMP TABLE measured_totals AS
WITH counted AS (
    SELECT *,
        CASE
            WHEN coalesce(days_measure, measure) < minimum THEN NULL
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
        PARTITION BY counted.program, counted.lever, whose, window_on, period
        ORDER BY CASE side WHEN 'start' THEN tables.place ELSE -tables.place END
    ) = 1
),
sized AS (
    SELECT ruled.*, program_tier.* EXCLUDE (program, lever, place, from_on, until_on),
        in_units(abs(counted), divide_by, scale_rounding) AS size,
        in_units(greatest(coalesce(days_measure, abs(counted)), 0)::HUGEINT, divide_by, scale_rounding)
            AS picks
    FROM ruled
    JOIN program_tier
        ON program_tier.program = ruled.program AND program_tier.lever = ruled.lever
        AND program_tier.place = ruled.place
),
sliced AS (
    SELECT *,
        CASE shape
            WHEN 'marginal' THEN least(size, coalesce(upper, size)) - lower
            WHEN 'interpolated' THEN least(size, upper) - lower
            WHEN 'rolling' THEN least(size, coalesce(upper, size))
            ELSE size
        END AS slice,
        CASE
            WHEN size = 0 AND NOT flat_on_zero THEN false
            WHEN size = 0 AND shape <> 'whole' THEN lower = 0 AND shape <> 'interpolated'
            WHEN shape = 'whole' AND edge = 'lower'
            THEN (lower < picks OR lower = 0) AND coalesce(picks <= upper, true)
            WHEN shape = 'whole' THEN lower <= picks AND coalesce(picks < upper, true)
            WHEN shape = 'interpolated' OR edge = 'lower' THEN lower < size
            ELSE lower <= size
        END AND counted IS NOT NULL AS entered
    FROM sized
),
tiers AS (
    SELECT * EXCLUDE (lower, upper, flat),
        CASE
            WHEN NOT entered THEN 0
            WHEN whole_amount IS NOT NULL
            THEN pro_rata(whole_amount * 1000000000000, slice, upper - lower)
            WHEN shape = 'interpolated' THEN pro_rata(size * pays, slice, upper - lower)
            WHEN per_units IS NOT NULL
            THEN (slice + per_units - 1) // per_units * 1000000000000 * pays
            ELSE slice * pays
        END + flat * 1000000000000 AS amount
    FROM sliced
),
totals AS (
    SELECT program, lever, whose, window_on, window_end, period, currency, minor, side,
        CASE WHEN any_value(counted) < 0 THEN -1 ELSE 1 END AS side_of_zero,
        sum(amount) FILTER (entered) AS amount
    FROM tiers
    GROUP BY ALL
)
SELECT *,
    side_of_zero * divided(coalesce(amount, 0), minor::HUGEINT * 1000000000000000) AS total
FROM totals;

-- Of a window's total, each participant's part: a company's by what each location added, those below
-- nothing as nothing, or all of it the declared payee's; by largest remainder.
CREATE OR REPLACE TEMP TABLE own_totals AS
WITH members AS (
    SELECT program, lever, whose, window_on, participant_id, any_value(company) AS company,
        any_value(customer_id) AS customer_id
    FROM own_months
    GROUP BY program, lever, whose, window_on, participant_id
    UNION
    SELECT own_months.program, own_months.lever, whose, window_on, payee, own_months.company, NULL
    FROM own_months
    JOIN program_company_payee
        ON program_company_payee.program = own_months.program AND program_company_payee.lever = own_months.lever
        AND program_company_payee.company = own_months.company
),
months AS (
    SELECT totals.*, members.participant_id, members.company, members.customer_id,
        coalesce(of_line, false) AS of_line, payee, quantity_of,
        sum(coalesce(adds, 0)) OVER (
            PARTITION BY totals.program, totals.lever, totals.whose, totals.window_on,
                members.participant_id
            ORDER BY totals.period
        ) AS cumulated
    FROM measured_totals AS totals
    JOIN program_measure USING (program, lever)
    JOIN members
        ON members.program = totals.program AND members.lever = totals.lever
        AND members.whose = totals.whose AND members.window_on = totals.window_on
    LEFT JOIN own_months
        ON own_months.program = totals.program AND own_months.lever = totals.lever
        AND own_months.whose = totals.whose AND own_months.window_on = totals.window_on
        AND own_months.period = totals.period AND own_months.participant_id = members.participant_id
    LEFT JOIN program_company_payee
        ON program_company_payee.program = totals.program AND program_company_payee.lever = totals.lever
        AND program_company_payee.company = members.company
),
weighed AS (
    SELECT *,
        CASE
            WHEN payee IS NOT NULL THEN (participant_id = payee)::HUGEINT
            ELSE greatest(measure_of(quantity_of, cumulated, minor), 0)
        END AS added_so_far,
        row_number() OVER (
            PARTITION BY program, lever, whose, window_on, period ORDER BY participant_id
        ) AS place
    FROM months
),
weights AS (
    SELECT *,
        CASE
            WHEN sum(added_so_far) OVER whole = 0 THEN (place = 1)::HUGEINT
            ELSE added_so_far
        END::HUGEINT AS weight
    FROM weighed
    WINDOW whole AS (PARTITION BY program, lever, whose, window_on, period)
),
parts AS (
    SELECT *, total * weight AS product, sum(weight) OVER whole AS weight_of_all
    FROM weights
    WINDOW whole AS (PARTITION BY program, lever, whose, window_on, period)
),
floors AS (
    SELECT *,
        CASE
            WHEN product >= 0 THEN product // weight_of_all
            ELSE -((weight_of_all - 1 - product) // weight_of_all)
        END AS part
    FROM parts
)
SELECT *,
    part + CASE
        WHEN row_number() OVER (
            PARTITION BY program, lever, whose, window_on, period
            ORDER BY product - part * weight_of_all DESC, participant_id
        ) <= total - sum(part) OVER (PARTITION BY program, lever, whose, window_on, period)
        THEN 1 ELSE 0
    END AS own_total
FROM floors;

CREATE OR REPLACE TEMP TABLE measured_earnings AS
WITH steps AS (
    SELECT *,
        (own_total - coalesce(lag(own_total) OVER (
            PARTITION BY program, lever, whose, window_on, participant_id ORDER BY period
        ), 0))::BIGINT AS earned,
        least((period || '-01')::DATE, (window_end - INTERVAL 1 MONTH)::DATE) AS month_on
    FROM own_totals
),
shared AS (
    SELECT steps.*, pays_as, cap,
        rebate_share(pays_as, program_split.share) AS share,
        fee_share(pays_as, program_split.fee_share) AS fee_share
    FROM steps
    JOIN program_lever USING (program, lever)
    LEFT JOIN program_split
        ON program_split.program = steps.program
        AND coalesce(program_split.from_on <= ruling_day(side, month_on), true)
        AND coalesce(ruling_day(side, month_on) < program_split.until_on, true)
    LEFT JOIN program_cap
        ON program_cap.program = steps.program AND program_cap.lever = steps.lever
        AND coalesce(program_cap.from_on <= ruling_day(side, month_on), true)
        AND coalesce(ruling_day(side, month_on) < program_cap.until_on, true)
    WHERE of_line OR earned <> 0
)
SELECT *, fee_of(earned - rebate, share, fee_share) AS fee
FROM (SELECT *, scaled(earned, part_of(share), whole_of(share)) AS rebate FROM shared);
