-- What the windows of measured levers earn month by month, and whose it is: `measured_earnings`.

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
        PARTITION BY counted.program, counted.lever, whose, window_on, period, rules_on
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
    SELECT program, lever, whose, window_on, window_end, period, rules_on, currency, minor, side,
        CASE WHEN any_value(counted) < 0 THEN -1 ELSE 1 END AS side_of_zero,
        any_value(counted) IS NOT NULL AS reached, any_value(at_least) AS least,
        any_value(at_most) AS most, guarantee, recover_from, recover_share, of_month, sum(amount) FILTER (entered) AS amount
    FROM tiers
    GROUP BY ALL
),
in_money AS MATERIALIZED (
    SELECT * EXCLUDE (amount, side_of_zero, most),
        -- A bound that isn't there is null, and the least of what is there counts.
        least(
            side_of_zero * rounded(
                coalesce(amount, 0), minor::HUGEINT * 1000000000000000, program_rounding(program)
            ),
            CASE WHEN reached THEN most END
        ) AS earned
    FROM totals
),
-- What is guaranteed counts at the end of a month: in the last of its parts.
parts AS (
    SELECT *,
        lead(period) OVER (
            PARTITION BY program, lever, whose, window_on ORDER BY period, rules_on
        ) IS DISTINCT FROM period AS ends,
        -- In a month of refunds of others' lines only, nothing new is due.
        bool_or(of_month) OVER (PARTITION BY program, lever, whose, window_on, period) AS falls_due
    FROM in_money
    WHERE least IS NOT NULL
),
-- What a month is short of the least, negative above it; how many months the least was due in so far.
missing AS (
    SELECT *,
        least - earned + coalesce(lag(earned) OVER so_far, 0) AS short,
        count(*) FILTER (falls_due AND period < strftime(window_end, '%Y-%m')) OVER so_far AS months_due,
        bool_or(falls_due AND period = strftime(window_end - INTERVAL 1 MONTH, '%Y-%m')) OVER so_far AS ended
    FROM parts
    WHERE ends
    WINDOW so_far AS (PARTITION BY program, lever, whose, window_on ORDER BY period)
),
-- What a month is advanced; negative: what it pays back, if there is so much to pay.
advanced AS (
    SELECT *,
        sum(CASE
            WHEN period >= strftime(window_end, '%Y-%m') OR NOT falls_due THEN 0
            WHEN short >= 0 THEN short
            WHEN months_due >= recover_from
            THEN rounded(short * recover_share, 1000000000::HUGEINT, program_rounding(program))
            ELSE 0
        END) OVER so_far AS advances
    FROM missing
    WINDOW so_far AS (PARTITION BY program, lever, whose, window_on ORDER BY period)
),
guaranteed AS (
    SELECT program, lever, whose, window_on, period, rules_on, CASE
        WHEN NOT reached THEN 0
        WHEN guarantee = 'start' OR guarantee = 'end' AND ended THEN greatest(least - earned, 0)
        WHEN guarantee = 'cumulative' THEN greatest(max(least * months_due - earned) OVER so_far, 0)
        -- As low as the balance of advances would have gone below zero, it is the higher for it.
        WHEN guarantee = 'draw' THEN advances - least(min(advances) OVER so_far, 0)
        ELSE 0
    END::HUGEINT AS guaranteed
    FROM advanced
    WINDOW so_far AS (PARTITION BY program, lever, whose, window_on ORDER BY period)
)
SELECT program, lever, whose, window_on, window_end, period, rules_on, currency, minor, side, earned AS total
FROM in_money
WHERE least IS NULL
UNION ALL
-- Before a month's end what was guaranteed at the one before.
SELECT program, lever, whose, window_on, window_end, period, rules_on, currency, minor, side,
    earned + coalesce(last_value(guaranteed IGNORE NULLS) OVER (
        PARTITION BY program, lever, whose, window_on ORDER BY period, rules_on
    ), 0)::HUGEINT
FROM parts
LEFT JOIN guaranteed USING (program, lever, whose, window_on, period, rules_on);

-- Who takes part in a window, and whether alone: whose measure it is says which company's or customer's.
CREATE OR REPLACE TEMP TABLE window_members AS
WITH members AS (
    SELECT DISTINCT program, lever, whose, window_on, participant_id, company, customer_id FROM own_months
    UNION
    SELECT own_months.program, own_months.lever, whose, window_on, payee, own_months.company, NULL
    FROM own_months
    JOIN program_company_payee
        ON program_company_payee.program = own_months.program AND program_company_payee.lever = own_months.lever
        AND program_company_payee.company = own_months.company
)
SELECT members.*, alone
FROM members
JOIN (
    SELECT program, lever, whose, window_on, count(*) = 1 AS alone FROM members GROUP BY ALL
) USING (program, lever, whose, window_on);

-- Of a window's total, each participant's part. Who is alone, as almost all are, has it all; else a company's
-- by what each location added, those below nothing as nothing, or all of it the declared payee's; by largest
-- remainder.
CREATE OR REPLACE TEMP TABLE own_totals AS
WITH months AS (
    SELECT totals.*, members.participant_id, members.company, members.customer_id,
        coalesce(of_line, false) AS of_line, payee, quantity_of,
        sum(coalesce(adds, 0)) OVER (
            PARTITION BY totals.program, totals.lever, totals.whose, totals.window_on,
                members.participant_id
            ORDER BY totals.period, totals.rules_on
        ) AS cumulated
    FROM measured_totals AS totals
    JOIN program_measure USING (program, lever)
    JOIN (FROM window_members WHERE NOT alone) AS members
        ON members.program = totals.program AND members.lever = totals.lever
        AND members.whose = totals.whose AND members.window_on = totals.window_on
    LEFT JOIN own_months
        ON own_months.program = totals.program AND own_months.lever = totals.lever
        AND own_months.whose = totals.whose AND own_months.window_on = totals.window_on
        AND own_months.period = totals.period AND own_months.rules_on = totals.rules_on
        AND own_months.participant_id = members.participant_id
    LEFT JOIN program_company_payee
        ON program_company_payee.program = totals.program AND program_company_payee.lever = totals.lever
        AND program_company_payee.company = members.company
),
weighed AS (
    SELECT *,
        CASE
            WHEN payee IS NOT NULL THEN (participant_id = payee)::HUGEINT
            ELSE greatest(measure_of(quantity_of, cumulated, minor, program_rounding(program)), 0)
        END AS added_so_far,
        row_number() OVER (
            PARTITION BY program, lever, whose, window_on, period, rules_on ORDER BY participant_id
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
    WINDOW whole AS (PARTITION BY program, lever, whose, window_on, period, rules_on)
),
parts AS (
    SELECT *, total * weight AS product, sum(weight) OVER whole AS weight_of_all
    FROM weights
    WINDOW whole AS (PARTITION BY program, lever, whose, window_on, period, rules_on)
),
floors AS (
    SELECT *,
        CASE
            WHEN product >= 0 THEN product // weight_of_all
            ELSE -((weight_of_all - 1 - product) // weight_of_all)
        END AS part
    FROM parts
)
SELECT program, lever, whose, window_on, window_end, period, rules_on, currency, minor, side, participant_id, company,
    customer_id, of_line,
    part + CASE
        WHEN row_number() OVER (
            PARTITION BY program, lever, whose, window_on, period, rules_on
            ORDER BY product - part * weight_of_all DESC, participant_id
        ) <= total - sum(part) OVER (PARTITION BY program, lever, whose, window_on, period, rules_on)
        THEN 1 ELSE 0
    END AS own_total
FROM floors
UNION ALL BY NAME
SELECT totals.*, participant_id, company, customer_id, coalesce(of_line, false) AS of_line, total AS own_total
FROM measured_totals AS totals
JOIN (FROM window_members WHERE alone) USING (program, lever, whose, window_on)
LEFT JOIN (SELECT program, lever, whose, window_on, period, rules_on, of_line FROM own_months)
    USING (program, lever, whose, window_on, period, rules_on);

CREATE OR REPLACE TEMP TABLE measured_earnings AS
WITH steps AS (
    SELECT *,
        (own_total - coalesce(lag(own_total) OVER (
            PARTITION BY program, lever, whose, window_on, participant_id ORDER BY period, rules_on
        ), 0))::BIGINT AS earned
    FROM own_totals
),
shared AS (
    SELECT steps.*, pays_as, cap,
        rebate_share(pays_as, program_split.share) AS share,
        fee_share(pays_as, program_split.fee_share) AS fee_share,
        rounds_rebate(rounding) AS rebate_rounding
    FROM steps
    JOIN program_lever USING (program, lever)
    LEFT JOIN program_split
        ON program_split.program = steps.program
        AND coalesce(program_split.from_on <= ruling_day(side, rules_on), true)
        AND coalesce(ruling_day(side, rules_on) < program_split.until_on, true)
    LEFT JOIN program_cap
        ON program_cap.program = steps.program AND program_cap.lever = steps.lever
        AND coalesce(program_cap.from_on <= ruling_day(side, rules_on), true)
        AND coalesce(ruling_day(side, rules_on) < program_cap.until_on, true)
    WHERE of_line OR earned <> 0
)
SELECT program, lever, participant_id, company, customer_id, window_on, window_end, rules_on, period,
    currency, minor, cap, pays_as, share, fee_share, rebate_rounding, earned, rebate,
    fee_of(earned - rebate, share, fee_share, program_rounding(program)) AS fee
FROM (
    SELECT *, rebate_of(earned, part_of(share), whole_of(share), rebate_rounding)::BIGINT AS rebate
    FROM shared
);

-- Large, and looked at no longer.
DROP TABLE revenue_by_months;
DROP TABLE own_months;
DROP TABLE measured_months;
DROP TABLE measured_totals;
DROP TABLE own_totals;
DROP TABLE window_members;
