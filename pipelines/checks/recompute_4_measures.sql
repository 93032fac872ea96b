-- Levers over a measure: what every line adds to which window, `measured_months`, and `held_parts` of
-- windows whose baseline has no exchange rate. What is measured has 21 decimals until it is rounded.

-- Units that a piece of a refund takes back, as differences of running shares, with 12 decimals.
CREATE OR REPLACE TEMP MACRO units_back(quantity, before, cumulated, base) AS
    taken_back(trillionths_of(coalesce(quantity, 0)), before, cumulated, base, 'half_up');

-- Whose measure a participant's lines of a month add to: its company's, where it has one.
CREATE OR REPLACE TEMP TABLE month_companies AS
SELECT program, participant_id, period, global_id AS company
FROM eligibility
WHERE requirement = 'all' AND global_id IS NOT NULL;

CREATE OR REPLACE TEMP MACRO whose_of(per, participant_id, company, customer_id) AS CASE per
    WHEN 'customer' THEN concat('participant ', participant_id, ', customer ', customer_id)
    WHEN 'company' THEN coalesce('company ' || company, 'participant ' || participant_id)
    ELSE 'participant ' || participant_id END;

CREATE OR REPLACE TEMP VIEW measured_lines AS
SELECT outcomes.program, outcomes.lever, participant_id, role, outcomes.period,
    transaction_currency, outcomes.source, transaction_id, NULL AS original, base, per,
    CASE per WHEN 'customer' THEN customer_id END AS customer_id,
    outcomes.period AS counted_period,
    first_of(outcomes.period, months, fiscal_start) AS window_on,
    added(quantity_of, base, exchange_rate, quantity) AS adds
FROM outcomes_of('plain_lines') AS outcomes
JOIN program_measure USING (program, lever)
WHERE measured AND participant_id IS NOT NULL AND reason IS NULL
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
WHERE NOT excess AND participant_id IS NOT NULL AND reason IS NULL;

-- What lines of a month add together; single ones are told apart only where they are refused, and `--deep`
-- looks at each.
CREATE OR REPLACE TEMP VIEW measured_sums AS
SELECT program, lever, participant_id, role, period, transaction_currency, per, customer_id,
    counted_period, window_on, count(*) AS rows, sum(base) AS base, sum(adds) AS adds
FROM measured_lines
GROUP BY ALL;

CREATE OR REPLACE TEMP MACRO ruling_day(side, month_on) AS
    CASE side WHEN 'start' THEN month_on ELSE last_day(month_on) END;

-- The first month of its window from which on each month has the rules that it has: term, split, cap and its
-- window, and half of the fund. Who belongs to a company may be another one each month.
CREATE OR REPLACE TEMP TABLE same_rules AS
WITH months AS (
    SELECT program, lever, pays_as, per, side, program_measure.fiscal_start,
        (period || '-01')::DATE AS month_on,
        ruling_day(side, (period || '-01')::DATE) AS ruled_on,
        first_of(period, program_measure.months, program_measure.fiscal_start) AS window_on,
        (window_on + to_months(program_measure.months - 1))::DATE AS last_on,
        first_of(period, 6, program_measure.fiscal_start) AS half_on
    FROM program_measure
    JOIN program_lever USING (program, lever)
    JOIN (SELECT DISTINCT program, period FROM verdicts) AS periods USING (program)
),
changed AS (
    SELECT months.program, months.lever, month_on,
        max(CASE side
            WHEN 'end' THEN date_trunc('month', segment_on)::DATE
            ELSE (date_trunc('month', segment_on - INTERVAL 1 DAY) + INTERVAL 1 MONTH)::DATE
        END) AS changed_on
    FROM months
    JOIN changes_but_rates AS changes
        ON changes.program = months.program AND changes.lever = months.lever
        AND segment_on <= ruled_on AND (pays_as = 'split' OR NOT of_split)
    GROUP BY ALL
)
SELECT months.program, months.lever, months.month_on, last_on,
    -- What isn't there is null, and the latest of what is there counts.
    greatest(
        window_on,
        changed_on,
        CASE
            WHEN of_company AND per <> 'company' THEN months.month_on
            ELSE first_of(strftime(months.month_on, '%Y-%m'), program_cap.months, program_cap.fiscal_start)
        END,
        CASE
            WHEN rebate_share(pays_as, share) + fee_share(pays_as, program_split.fee_share) <> 1
            THEN half_on
        END
    ) AS from_on
FROM months
LEFT JOIN changed
    ON changed.program = months.program AND changed.lever = months.lever
    AND changed.month_on = months.month_on
LEFT JOIN program_split
    ON program_split.program = months.program
    AND coalesce(program_split.from_on <= ruled_on, true)
    AND coalesce(ruled_on < program_split.until_on, true)
LEFT JOIN program_cap
    ON program_cap.program = months.program AND program_cap.lever = months.lever
    AND coalesce(program_cap.from_on <= ruled_on, true)
    AND coalesce(ruled_on < program_cap.until_on, true);

-- Whose it is, and the month whose rules it has: that in which it is booked, or the last of its window; of
-- what refunds lines of a month with other rules, the first month with those.
CREATE OR REPLACE TEMP MACRO with_whose(parts) AS TABLE
SELECT parts.* EXCLUDE (counted_period, per), counted_period = parts.period AS of_month,
    CASE per WHEN 'company' THEN company END AS company,
    whose_of(per, parts.participant_id, company, customer_id) AS whose,
    CASE
        WHEN counted.from_on = greatest(own.from_on, window_on)
        THEN least((parts.period || '-01')::DATE, counted.last_on)
        ELSE counted.from_on
    END AS rules_on
FROM query_table(parts) AS parts
LEFT JOIN same_rules AS counted
    ON counted.program = parts.program AND counted.lever = parts.lever
    AND counted.month_on = (counted_period || '-01')::DATE
LEFT JOIN same_rules AS own
    ON own.program = parts.program AND own.lever = parts.lever
    AND own.month_on = least((parts.period || '-01')::DATE, counted.last_on)
LEFT JOIN month_companies
    ON month_companies.program = parts.program
    AND month_companies.participant_id = parts.participant_id
    AND month_companies.period = counted_period;

CREATE OR REPLACE TEMP TABLE measured_parts AS
FROM with_whose('measured_sums');

-- What baselines and days before look at: all lines of the lever's products, whatever their day and
-- outcome.
CREATE OR REPLACE TEMP TABLE baseline_covers AS
SELECT DISTINCT product_id, sku_id, data_role, transaction_on, program, lever, role, filtered,
    customer_countries, partner_countries
FROM product_day_groups
JOIN program_rate USING (product_group)
JOIN program_lever USING (program, lever, data_role)
JOIN program_measure USING (program, lever)
WHERE baseline IN ('last_year', 'previous', 'high_water') OR trailing_days IS NOT NULL;

CREATE OR REPLACE TEMP MACRO revenue_of(lines) AS TABLE
-- Materialized, because two small tables that share the day would be joined on that alone before.
WITH covered AS MATERIALIZED (
    SELECT concerned.source, concerned.transaction_id, covers.program, covers.lever, partner_id,
        concerned.transaction_on, concerned.period, transaction_currency, customer_id, quantity, base,
        partner_countries
    FROM concerned_in(lines) AS concerned
    JOIN baseline_covers AS covers
        ON covers.transaction_on = concerned.transaction_on
        AND covers.product_id IS NOT DISTINCT FROM concerned.product_id
        AND covers.sku_id IS NOT DISTINCT FROM concerned.sku_id
        AND covers.data_role = concerned.data_role
        AND covers.role = concerned.role
        AND passes_filter(concerned.filter_place, covers.program, covers.lever, filtered)
    WHERE len(customer_countries) = 0
        OR list_contains(customer_countries, concerned.customer_country)
)
SELECT covered.source, covered.transaction_id, covered.program, covered.lever,
    whose_of(per, mappings.participant_id, company, customer_id) AS whose, quantity_of, quantity,
    exchange_rate, base, trailing_days, covered.transaction_on,
    first_of(covered.period, months, fiscal_start) AS window_on
FROM covered
JOIN program_measure
    ON program_measure.program = covered.program AND program_measure.lever = covered.lever
JOIN mappings
    ON mappings.program = covered.program
    AND mappings.partner_id = covered.partner_id
    AND mappings.transaction_on = covered.transaction_on
JOIN exchange
    ON exchange.program = covered.program
    AND exchange.transaction_currency = covered.transaction_currency
    AND exchange.period = covered.period
LEFT JOIN month_companies
    ON month_companies.program = covered.program
    AND month_companies.participant_id = mappings.participant_id
    AND month_companies.period = covered.period
LEFT JOIN partner_places
    ON partner_places.partner_id = covered.partner_id
    AND partner_places.transaction_on = covered.transaction_on
WHERE mappings.participant_id IS NOT NULL
    AND (len(partner_countries) = 0 OR list_has_any(partner_countries, places[covered.program]));

-- By first day of the window; by day where days before pick the tier.
CREATE OR REPLACE TEMP MACRO sold_by(lines, taken, refunded) AS TABLE
SELECT source, transaction_id, program, lever, whose,
    CASE WHEN trailing_days IS NULL THEN window_on ELSE transaction_on END AS counts_on,
    added(quantity_of, base, exchange_rate, quantity) AS adds
FROM revenue_of(lines)
UNION ALL
SELECT pieces.source, refund, program, lever, whose,
    CASE WHEN trailing_days IS NULL THEN window_on ELSE pieces.transaction_on END,
    CASE quantity_of
        WHEN 'amount' THEN added('amount', pieces.base, exchange_rate, NULL)
        ELSE units_back(quantity, before, cumulated, original_base) * 1000000000
    END
FROM query_table(taken) AS pieces
JOIN revenue_of(refunded) AS originals
    ON originals.source = pieces.source AND originals.transaction_id = pieces.original
WHERE NOT excess;

-- Filled by months, where something is compared; what a window sums may come from several of them.
CREATE OR REPLACE TEMP TABLE revenue_by_months (
    program VARCHAR, lever VARCHAR, whose VARCHAR, counts_on DATE, adds HUGEINT, missing BOOLEAN
);

CREATE OR REPLACE TEMP VIEW revenue AS
SELECT program, lever, whose, counts_on, sum(adds) AS adds, bool_or(missing) AS missing
FROM revenue_by_months
GROUP BY ALL;

-- A measure with 12 decimals: an amount rounded to minor units, or units as they are.
CREATE OR REPLACE TEMP MACRO measure_of(quantity_of, adds, minor, rounding) AS CASE quantity_of
    WHEN 'amount'
    THEN rounded(adds, minor::HUGEINT * 1000000000000000, rounding) * (minor::HUGEINT * 1000000)
    ELSE divided(adds, 1000000000::HUGEINT) END;

-- The months on whose ruling day a table and a term are in force.
CREATE OR REPLACE TEMP TABLE measured_in_force AS
SELECT DISTINCT program, lever, period
FROM program_measure
JOIN (SELECT DISTINCT program, period FROM verdicts) AS periods USING (program)
WHERE EXISTS (
        FROM program_tier
        WHERE program_tier.program = program_measure.program
            AND program_tier.lever = program_measure.lever
            AND coalesce(from_on <= ruling_day(side, (period || '-01')::DATE), true)
            AND coalesce(ruling_day(side, (period || '-01')::DATE) < until_on, true)
    )
    AND EXISTS (
        FROM program_term
        WHERE program_term.program = program_measure.program
            AND coalesce(from_on <= ruling_day(side, (period || '-01')::DATE), true)
            AND coalesce(ruling_day(side, (period || '-01')::DATE) < until_on, true)
    );

-- Who is eligible where nothing earns the flat of the first tier: it adds nothing.
CREATE OR REPLACE TEMP TABLE measured_roster AS
SELECT program_measure.program, lever, verdicts.participant_id, verdicts.period,
    first_of(verdicts.period, months, fiscal_start) AS window_on,
    CASE per WHEN 'company' THEN company END AS company,
    whose_of(per, verdicts.participant_id, company, NULL) AS whose
FROM program_measure
JOIN verdicts USING (program)
SEMI JOIN measured_in_force
    ON measured_in_force.program = program_measure.program
    AND measured_in_force.lever = program_measure.lever
    AND measured_in_force.period = verdicts.period
LEFT JOIN month_companies
    ON month_companies.program = verdicts.program
    AND month_companies.participant_id = verdicts.participant_id
    AND month_companies.period = verdicts.period
WHERE flat_on_zero AND met;

-- Every window ends in its last month, where it is due a guarantee then: it adds nothing for who is eligible.
CREATE OR REPLACE TEMP TABLE measured_ends AS
SELECT DISTINCT parts.program, parts.lever, whose, company, customer_id, window_on, participant_id,
    measured_in_force.period
FROM (
    SELECT program, lever, whose, company, customer_id, window_on, participant_id
    FROM measured_parts
    UNION
    SELECT program, lever, whose, company, NULL, window_on, participant_id FROM measured_roster
) AS parts
JOIN program_measure USING (program, lever)
JOIN measured_in_force
    ON measured_in_force.program = parts.program AND measured_in_force.lever = parts.lever
    AND (measured_in_force.period || '-01')::DATE = window_on + to_months(months - 1)
SEMI JOIN (SELECT * FROM verdicts WHERE met) AS eligible
    ON eligible.program = parts.program AND eligible.participant_id = parts.participant_id
    AND eligible.period = measured_in_force.period
WHERE at_least IS NOT NULL AND guarantee = 'end';

-- Each participant's part of a window, month by month and by the month whose rules it has.
CREATE OR REPLACE TEMP TABLE own_months AS
SELECT program, lever, whose, company, customer_id, window_on, participant_id, period, rules_on,
    sum(adds) AS adds, bool_or(of_line) AS of_line, bool_or(of_month) AS of_month
FROM (
    SELECT program, lever, whose, company, customer_id, window_on, participant_id, period, rules_on, adds,
        true AS of_line, of_month
    FROM measured_parts
    UNION ALL
    SELECT program, lever, whose, company, NULL, window_on, participant_id, period,
        (period || '-01')::DATE, 0, false, true
    FROM measured_roster
    UNION ALL
    SELECT program, lever, whose, company, customer_id, window_on, participant_id, period,
        (period || '-01')::DATE, 0, false, true
    FROM measured_ends
)
GROUP BY ALL;
