-- Small look-up tables, one row per combination that occurs: what covers a product on a day, who a
-- partner earns for on a day, who is eligible in a month, which exchange rate applies.
--
-- Reads the views of a snapshot and the tables `program…` that the programs were loaded into. Dates
-- are half-open, null is open. Rates are kept as fractions of integers in lowest terms, because
-- DuckDB divides 64-bit integers seventy times as fast as decimals; a product that could leave 64
-- bits is calculated in 128.

-- A number in whole parts of one, exactly. DuckDB casts a double ten times as fast as a decimal of more than
-- 18 digits; what comes of it is taken only if it equals the number. Millionths are null where the number
-- is finer or too large, which is rare.
CREATE OR REPLACE TEMP MACRO millionths_of(number) AS CASE
    WHEN TRY_CAST(number::DOUBLE * 1e6 AS BIGINT) * 0.000001::DECIMAL(7, 6) = number
    THEN TRY_CAST(number::DOUBLE * 1e6 AS BIGINT) END;
CREATE OR REPLACE TEMP MACRO trillionths_of(number) AS coalesce(
    millionths_of(number)::HUGEINT * 1000000, (number::DECIMAL(38, 12) * 1000000000000)::HUGEINT
);
CREATE OR REPLACE TEMP MACRO billionths_of(rate) AS CASE
    WHEN TRY_CAST(rate::DOUBLE * 1e9 AS BIGINT) * 0.000000001::DECIMAL(10, 9) = rate
    THEN TRY_CAST(rate::DOUBLE * 1e9 AS BIGINT)::HUGEINT
    ELSE (rate::DECIMAL(38, 9) * 1000000000)::HUGEINT END;

-- A currency's minor unit in millionths: cents are 10,000.
CREATE OR REPLACE TEMP MACRO minor_of(currency) AS
    CASE minor_units(currency) WHEN 0 THEN 1000000 WHEN 2 THEN 10000 ELSE 1000 END::BIGINT;

CREATE OR REPLACE TEMP MACRO part_of(rate) AS (rate::DECIMAL(38, 9) * 1000000000)::BIGINT
    // greatest_common_divisor((rate::DECIMAL(38, 9) * 1000000000)::BIGINT, 1000000000);
CREATE OR REPLACE TEMP MACRO whole_of(rate) AS 1000000000
    // greatest_common_divisor((rate::DECIMAL(38, 9) * 1000000000)::BIGINT, 1000000000);

-- Shares of rebate and fee; co-op is the rest, and all of it is rebate where no split is declared.
CREATE OR REPLACE TEMP MACRO rebate_share(pays_as, share) AS
    CASE pays_as WHEN 'split' THEN coalesce(share, 1) WHEN 'rebate' THEN 1 ELSE 0 END::DECIMAL(18, 9);
CREATE OR REPLACE TEMP MACRO fee_share(pays_as, share) AS
    CASE pays_as WHEN 'split' THEN coalesce(share, 0) WHEN 'rebate' THEN 0 ELSE 1 END::DECIMAL(18, 9);

-- How the rebate is rounded, as its split says; null where nobody rounds but half away from zero.
CREATE OR REPLACE TEMP MACRO rounds_rebate(rounding) AS CASE WHEN any_rounding() THEN rounding END;

-- With the customer's country where rates by market ask for it, and the filters that a line passes.
CREATE OR REPLACE TEMP TABLE product_days AS
SELECT DISTINCT product_id, sku_id, data_role, transaction_on,
    CASE WHEN any_customer_countries() THEN customer_country END AS customer_place,
    filters_passed(source, format, customer_id, customer_country, product_id, sku_id, charge_type,
        term_and_billing_cycle, publisher_name, workload, transaction_currency, base, quantity,
        unit_price) AS filter_place
FROM transactions_in_force;

-- A group's product without SKU holds every SKU; `*` holds every product.
CREATE OR REPLACE TEMP TABLE product_day_groups AS
SELECT *, '*' AS product_group
FROM product_days
UNION
SELECT product_days.*, product_group
FROM product_days
JOIN product_groups_in_force AS members
    ON members.product_id = product_days.product_id
    AND coalesce(members.sku_id, '') IN ('', product_days.sku_id)
    AND coalesce(members.from_on <= transaction_on, true)
    AND coalesce(transaction_on < members.until_on, true);

-- Days on which a lever's term, split or cap changes: terms and splits are those of all levers of a program.
CREATE OR REPLACE TEMP VIEW changes_but_rates AS
SELECT program, lever, of_split, segment_on
FROM (
    SELECT program, lever, of_split, unnest([from_on, until_on]) AS segment_on
    FROM (
        SELECT program, false AS of_split, from_on, until_on FROM program_term
        UNION ALL
        SELECT program, true, from_on, until_on FROM program_split
    )
    JOIN program_lever USING (program)
    UNION
    SELECT program, lever, false, unnest([from_on, until_on]) FROM program_cap
)
WHERE segment_on IS NOT NULL;

-- Days on which some rule of a lever changes: its aggregates end there.
CREATE OR REPLACE TEMP TABLE changes AS
SELECT program, lever, segment_on FROM changes_but_rates
UNION
SELECT program, lever, segment_on
FROM (SELECT program, lever, unnest([from_on, until_on]) AS segment_on FROM program_rate)
WHERE segment_on IS NOT NULL;

-- Rows of the participant map that share a day are rejected on all their days. A program's old name
-- means it on its days only.
CREATE OR REPLACE TEMP TABLE map_rows AS
SELECT row_number() OVER () AS map_row, program_name.program, partner_id, participant_id,
    greatest(coalesce(from_on, DATE '-infinity'), coalesce(named_from, DATE '-infinity')) AS first_on,
    least(coalesce(until_on, DATE 'infinity'), coalesce(named_until, DATE 'infinity')) AS end_on
FROM participant_map_in_force AS map
JOIN program_name ON program_name.name = map.program
WHERE first_on < end_on;

-- Joined, because DuckDB 1.5 answers a correlated EXISTS that has a `<>` in it wrongly.
CREATE OR REPLACE TEMP TABLE map_ranges AS
SELECT map_rows.*, rejected.map_row IS NOT NULL AS overlapping
FROM map_rows
LEFT JOIN (
    SELECT DISTINCT one.map_row
    FROM map_rows AS one
    JOIN map_rows AS other USING (program, partner_id)
    WHERE one.map_row <> other.map_row
        AND one.first_on < other.end_on AND other.first_on < one.end_on
) AS rejected USING (map_row);

CREATE OR REPLACE TEMP TABLE mappings AS
WITH partner_days AS (
    SELECT billed_partner_id AS partner_id, transaction_on
    FROM transactions_in_force
    WHERE billed_partner_id IS NOT NULL
    UNION
    SELECT reseller_partner_id, transaction_on
    FROM transactions_in_force
    WHERE reseller_partner_id IS NOT NULL
)
SELECT program.program, partner_days.partner_id, transaction_on,
    CASE
        WHEN bool_or(overlapping) THEN NULL
        WHEN count(map_row) > 0 THEN any_value(participant_id)
        WHEN any_value(unmapped_itself) THEN any_value(partner_days.partner_id)
    END AS participant_id,
    CASE WHEN bool_or(overlapping) THEN 'MAPDUP' ELSE 'UNMAPPED' END AS unmapped_reason
FROM partner_days
CROSS JOIN program
LEFT JOIN map_ranges
    ON map_ranges.program = program.program AND map_ranges.partner_id = partner_days.partner_id
    AND first_on <= transaction_on AND transaction_on < end_on
GROUP BY ALL;

-- Countries that rates by market ask for, of the participants that a partner earns for on a day, program
-- by program.
CREATE OR REPLACE TEMP TABLE partner_places AS
WITH countries AS (
    SELECT program, partner_id, transaction_on, list(DISTINCT country ORDER BY country) AS countries
    FROM mappings
    JOIN memberships_in_force AS members
        ON members.location_id = mappings.participant_id
        AND coalesce(members.from_on <= transaction_on, true)
        AND coalesce(transaction_on < members.until_on, true)
    WHERE any_partner_countries() AND country <> ''
    GROUP BY ALL
)
SELECT partner_id, transaction_on, map_from_entries(list((program, countries))) AS places,
    string_agg(concat(program, '=', countries::VARCHAR), ';' ORDER BY program) AS partner_place
FROM countries
GROUP BY ALL;

-- Of several rates of a lever that match, the first in the file counts; within it, the first group.
-- Open ends are infinite here, because DuckDB joins by comparisons quickly, by anything else in a loop.
-- On a day in no term a lever covers by product alone, whatever the dates of its rates.
CREATE OR REPLACE TEMP TABLE covers AS
WITH places AS (
    SELECT DISTINCT transaction_on, NULL::VARCHAR AS partner_place, NULL::MAP(VARCHAR, VARCHAR[]) AS places
    FROM product_days
    UNION ALL
    SELECT DISTINCT transaction_on, partner_place, places FROM partner_places
),
matching AS (
    SELECT product_day_groups.*, program, lever, role, partner_place, term, rate, amount,
        aggregated, measured, pays_as, lever_place, engagement, selects,
        (product_group <> '*')::INTEGER * 16 + (len(customer_countries) > 0)::INTEGER * 8
            + (len(partner_countries) > 0)::INTEGER * 4 + typed::INTEGER * 2 + filtered::INTEGER
            AS specificity
    FROM product_day_groups
    JOIN program_rate USING (product_group)
    JOIN program_lever USING (program, lever, data_role)
    JOIN places USING (transaction_on)
    LEFT JOIN (SELECT program, term, from_on AS term_from, until_on AS term_until FROM program_term)
        USING (program)
    WHERE passes_filter(filter_place, program, lever, filtered)
        AND (len(customer_countries) = 0 OR list_contains(customer_countries, customer_place))
        AND (len(partner_countries) = 0 OR list_has_any(partner_countries, places[program]))
        AND coalesce(program_rate.from_on <= transaction_on, true)
        AND coalesce(transaction_on < program_rate.until_on, true)
        AND coalesce(term_from <= transaction_on, true)
        AND coalesce(transaction_on < term_until, true)
    QUALIFY row_number() OVER (
        PARTITION BY product_id, sku_id, data_role, transaction_on, program, lever, role,
            customer_place, partner_place, filter_place
        ORDER BY place, group_place
    ) = 1
),
out_of_term AS (
    SELECT product_day_groups.*, program, lever, role, partner_place, NULL AS term,
        0::DECIMAL(18, 9) AS rate, NULL::BIGINT AS amount, aggregated, measured, pays_as, lever_place,
        engagement, selects, 0 AS specificity
    FROM product_day_groups
    JOIN program_rate USING (product_group)
    JOIN program_lever USING (program, lever, data_role)
    JOIN places USING (transaction_on)
    ANTI JOIN program_term
        ON program_term.program = program_rate.program
        AND coalesce(program_term.from_on, DATE '-infinity') <= transaction_on
        AND transaction_on < coalesce(program_term.until_on, DATE 'infinity')
    WHERE passes_filter(filter_place, program_rate.program, lever, filtered)
        AND (len(customer_countries) = 0 OR list_contains(customer_countries, customer_place))
        AND (len(partner_countries) = 0 OR list_has_any(partner_countries, places[program_rate.program]))
    QUALIFY row_number() OVER (
        PARTITION BY product_id, sku_id, data_role, transaction_on, program, lever, role,
            customer_place, partner_place, filter_place
        ORDER BY place, group_place
    ) = 1
)
-- A column comes before an alias of its name, so the fractions are taken one level up.
SELECT *, part_of(rate) AS rate_part, whole_of(rate) AS rate_whole,
    part_of(share) AS share_part, whole_of(share) AS share_whole,
    dense_rank() OVER (
        ORDER BY program, lever, term, product_group, rate, amount, payee_share, aggregated, measured,
            pays_as, share, fee_share, rebate_rounding, cap, segment_on
    ) AS cover_kind
FROM (
    SELECT covering.*, CASE WHEN aggregated THEN segment_on END AS segment_on, cap,
        CASE WHEN covering.role <> 'direct' AND term IS NOT NULL THEN reseller_share END
            AS payee_share,
        rebate_share(pays_as, program_split.share) AS share,
        fee_share(pays_as, program_split.fee_share) AS fee_share,
        rounds_rebate(rounding) AS rebate_rounding
    FROM (FROM matching UNION ALL BY NAME FROM out_of_term) AS covering
    LEFT JOIN program_split
        ON program_split.program = covering.program
        AND coalesce(program_split.from_on, DATE '-infinity') <= transaction_on
        AND transaction_on < coalesce(program_split.until_on, DATE 'infinity')
    LEFT JOIN program_payees
        ON program_payees.program = covering.program AND program_payees.lever = covering.lever
        AND coalesce(program_payees.from_on, DATE '-infinity') <= transaction_on
        AND transaction_on < coalesce(program_payees.until_on, DATE 'infinity')
    LEFT JOIN program_cap
        ON program_cap.program = covering.program AND program_cap.lever = covering.lever
        AND coalesce(program_cap.from_on, DATE '-infinity') <= transaction_on
        AND transaction_on < coalesce(program_cap.until_on, DATE 'infinity')
    ASOF LEFT JOIN changes
        ON changes.program = covering.program AND changes.lever = covering.lever
        AND changes.segment_on <= transaction_on
);

-- What covers have in common: lines are summed by it, which is quicker than by all that it stands for.
CREATE OR REPLACE TEMP TABLE cover_kinds AS
SELECT DISTINCT cover_kind, program, lever, term, product_group, rate_part, rate_whole, amount, payee_share,
    aggregated, measured, pays_as, share, share_part, share_whole, fee_share, rebate_rounding, cap, segment_on
FROM covers;

CREATE OR REPLACE TEMP TABLE verdicts AS
SELECT program, participant_id, period, met, reason AS unmet_reason
FROM eligibility
WHERE requirement = 'all';

-- The first reason against a line's product, its customer or the line itself, and against which of them;
-- none where there is none. A blank program means all.
CREATE OR REPLACE TEMP TABLE ineligible_lines AS
WITH listed AS (
    SELECT kind, id, reason, named.program,
        greatest(coalesce(from_on, DATE '-infinity'), coalesce(named_from, DATE '-infinity'))
            AS first_on,
        least(coalesce(until_on, DATE 'infinity'), coalesce(named_until, DATE 'infinity')) AS end_on
    FROM ineligibilities_in_force AS listed
    JOIN (
        FROM program_name UNION ALL SELECT program, '', NULL, NULL FROM program
    ) AS named ON named.name = trim(coalesce(listed.program, ''))
),
reached AS (
    SELECT source, transaction_id, program, 1 AS place, reason
    FROM transactions_in_force
    JOIN listed ON kind = 'product' AND id = product_id
        AND first_on <= transaction_on AND transaction_on < end_on
    UNION ALL
    SELECT source, transaction_id, program, 2, reason
    FROM transactions_in_force
    JOIN listed ON kind = 'customer' AND id = customer_id
        AND first_on <= transaction_on AND transaction_on < end_on
    UNION ALL
    SELECT source, transaction_id, program, 3, reason
    FROM transactions_in_force
    JOIN listed ON kind = 'transaction' AND id = transaction_id
        AND first_on <= transaction_on AND transaction_on < end_on
)
SELECT source, transaction_id, program,
    arg_min(reason, place * 1000 + precedence) AS ineligible_reason, min(place) AS ineligible_place
FROM reached
JOIN (SELECT code AS reason, precedence FROM reasons WHERE kind = 'outcome') USING (reason)
GROUP BY ALL;

-- What closed cycles used stays.
CREATE OR REPLACE TEMP VIEW counting_rates AS
SELECT rate_type, from_currency, to_currency, period, rate FROM closed_rates
UNION ALL
SELECT rate_type, from_currency, to_currency, period, rate
FROM exchange_rates_in_force
ANTI JOIN closed_rates USING (rate_type, from_currency, to_currency, period);

-- From minor units of the transaction's currency to those of the program's: `× part ÷ whole`.
CREATE OR REPLACE TEMP TABLE exchange AS
WITH rates AS (
    SELECT program, transaction_currency, period,
        -- Rows that contradict each other are no rate.
        CASE
            WHEN transaction_currency = currency THEN 1
            WHEN count(DISTINCT rate) = 1 AND min(rate) > 0 THEN max(rate)
        END::DECIMAL(18, 9) AS exchange_rate,
        minor_of(transaction_currency) AS minor, minor_of(currency) AS program_minor
    FROM (SELECT DISTINCT transaction_currency, period FROM transactions_in_force)
    CROSS JOIN program
    LEFT JOIN (
        SELECT from_currency AS transaction_currency, to_currency AS currency, period, rate
        FROM counting_rates
        WHERE rate_type = 'earning'
    ) USING (transaction_currency, currency, period)
    GROUP BY program, transaction_currency, currency, period
)
SELECT *,
    part_of(exchange_rate) * (1000000 // program_minor) AS exchange_part,
    whole_of(exchange_rate) * (1000000 // minor) AS exchange_whole
FROM rates;
