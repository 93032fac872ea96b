-- What the rules make of lines. `lines` names a table or view with the columns of `transactions`.

-- One row per line × role: the reseller, and the billed partner; one of role `none` if it has neither.
CREATE OR REPLACE TEMP MACRO concerned_in(lines) AS TABLE
SELECT line.*, millionths_of(base) AS millionths,
    CASE WHEN any_customer_countries() THEN customer_country END AS customer_place,
    filters_passed(source, format, customer_id, customer_country, product_id, sku_id, charge_type,
        term_and_billing_cycle, publisher_name, workload, transaction_currency, base, quantity,
        unit_price) AS filter_place,
    CASE payee WHEN 1 THEN reseller_partner_id ELSE billed_partner_id END AS partner_id,
    CASE
        WHEN payee = 1 THEN 'reseller'
        WHEN billed_partner_id IS NULL THEN 'none'
        WHEN reseller_partner_id IS NULL THEN 'direct'
        ELSE 'provider'
    END AS role
FROM query_table(lines) AS line, (VALUES (1), (2)) AS payees (payee)
WHERE CASE payee WHEN 1 THEN reseller_partner_id ELSE billed_partner_id END IS NOT NULL
    OR payee = 2 AND billed_partner_id IS NULL AND reseller_partner_id IS NULL;

-- One row per line × role × covering lever; one with null program where nothing covers the role. With
-- a participant it is in scope: earned where `reason` is null, else unearned.
CREATE OR REPLACE TEMP MACRO covering_of(lines) AS TABLE
WITH concerned AS (
    SELECT concerned.*, partner_place
    FROM concerned_in(lines) AS concerned
    LEFT JOIN partner_places
        ON partner_places.partner_id = concerned.partner_id
        AND partner_places.transaction_on = concerned.transaction_on
)
SELECT concerned.source, concerned.transaction_id, customer_id, concerned.period,
    concerned.transaction_currency, base, base AS rated_base, millionths, concerned.role, concerned.partner_id,
    covers.program, cover_kind, lever, term, segment_on, product_group, share, fee_share, amount,
    payee_share, lever_place, engagement, selects, specificity, aggregated, measured, pays_as,
    quantity, exchange_rate, cap, concerned.transaction_on, rate_part, rate_whole, share_part, share_whole,
    rebate_rounding, mappings.participant_id, exchange_part, exchange_whole, minor, program_minor,
    CASE WHEN covers.program IS NOT NULL THEN unmapped_reason END AS unmapped_reason,
    CASE
        WHEN term IS NULL THEN 'OUT_OF_TERM'
        WHEN met IS NULL THEN 'NOT_ENROLLED'
        WHEN NOT met THEN unmet_reason
        WHEN ineligible_reason IS NOT NULL THEN ineligible_reason
        WHEN exchange_part IS NULL THEN 'NORATE'
    END AS reason,
    -- Nothing is against the partner, the product or the customer: what else a lever asks of the customer
    -- comes next, before the line itself.
    term IS NOT NULL AND coalesce(met, false) AND coalesce(ineligible_place, 3) = 3 AS asks_customer
FROM concerned
LEFT JOIN covers
    ON covers.transaction_on = concerned.transaction_on
    AND covers.product_id IS NOT DISTINCT FROM concerned.product_id
    AND covers.sku_id IS NOT DISTINCT FROM concerned.sku_id
    AND covers.data_role = concerned.data_role
    AND covers.role = concerned.role
    AND covers.customer_place IS NOT DISTINCT FROM concerned.customer_place
    AND covers.partner_place IS NOT DISTINCT FROM concerned.partner_place
    AND covers.filter_place = concerned.filter_place
LEFT JOIN mappings
    ON mappings.program = covers.program
    AND mappings.partner_id = concerned.partner_id
    AND mappings.transaction_on = concerned.transaction_on
LEFT JOIN verdicts
    ON verdicts.program = covers.program
    AND verdicts.participant_id = mappings.participant_id
    AND verdicts.period = concerned.period
LEFT JOIN ineligible_lines
    ON ineligible_lines.program = covers.program
    AND ineligible_lines.source = concerned.source
    AND ineligible_lines.transaction_id = concerned.transaction_id
LEFT JOIN exchange
    ON exchange.program = covers.program
    AND exchange.transaction_currency = concerned.transaction_currency
    AND exchange.period = concerned.period;

-- Where some lever asks who added a customer, comes after another, or competes with others, the step of
-- that name makes one of these anew.
CREATE OR REPLACE TEMP MACRO added_of(lines) AS TABLE SELECT * FROM covering_of(lines);
CREATE OR REPLACE TEMP MACRO followed_of(lines) AS TABLE SELECT * FROM added_of(lines);
CREATE OR REPLACE TEMP MACRO outcomes_of(lines) AS TABLE SELECT * FROM followed_of(lines);

-- The roles of lines that are out of scope, from their outcomes; the reason is the one that came
-- furthest.
CREATE OR REPLACE TEMP MACRO omitted_in(outcomes) AS TABLE
SELECT source, transaction_id, role, any_value(period) AS period,
    any_value(transaction_currency) AS transaction_currency, any_value(base) AS base,
    max(CASE
        WHEN unmapped_reason = 'MAPDUP' THEN '4 MAPDUP'
        WHEN unmapped_reason = 'UNMAPPED' THEN '3 UNMAPPED'
        WHEN role IN (SELECT program_role.role FROM program_role) THEN '2 NO_LEVER'
        ELSE '1 NO_PROGRAM'
    END)[3:] AS reason
FROM query_table(outcomes)
GROUP BY source, transaction_id, role
HAVING count(participant_id) = 0;

-- `round(dividend ÷ divisor)`, half away from zero; the divisor is positive.
CREATE OR REPLACE TEMP MACRO divided(dividend, divisor) AS
    (2 * abs(dividend) + divisor) // (2 * divisor) * sign(dividend);

-- The same in the way that a program rounds its money. What is rounded is named as rarely as can be: it is
-- planned and computed as often as it is named.
CREATE OR REPLACE TEMP MACRO rounded(dividend, divisor, rounding) AS
    (2 * abs(dividend) + CASE rounding
        WHEN 'down' THEN 0
        WHEN 'half_even' THEN divisor - 1 + abs(dividend) // divisor % 2
        ELSE divisor
    END) // (2 * divisor) * sign(dividend);

-- `round(number × part ÷ whole)`; where the product may leave 64 bits, in 128.
CREATE OR REPLACE TEMP MACRO scaled(number, part, whole, rounding) AS CASE
    WHEN abs(number) <= 4000000000000000000 // (part + 1) THEN rounded(number * part, whole, rounding)
    ELSE rounded(number::HUGEINT * part, whole::HUGEINT, rounding)::BIGINT END;

-- `rebate = round(share × e)`, as its split says.
CREATE OR REPLACE TEMP MACRO rebate_of(amount, share_part, share_whole, rebate_rounding) AS
    scaled(amount, share_part, share_whole, rounds_rebate(rebate_rounding));

-- The fee's part of what the rebate leaves; co-op is the rest of it.
CREATE OR REPLACE TEMP MACRO fee_of(rest, share, fee_share, rounding) AS CASE
    WHEN fee_share = 0 THEN 0
    WHEN share + fee_share = 1 THEN rest
    ELSE rounded(
        rest::HUGEINT * billionths_of(fee_share), billionths_of(1 - share), rounding
    ) END::BIGINT;

-- What a line earns before payees divide it, in minor units: `e = round(rate × base)`; of a fixed amount,
-- which is in program currency, `e = round(amount ÷ fx)`.
CREATE OR REPLACE TEMP MACRO fixed_of(amount, base, program_minor) AS
    (sign(base) * amount * 1000 // program_minor)::BIGINT;
CREATE OR REPLACE TEMP MACRO whole_of_line(
    fixed, exchange_part, exchange_whole, rated_base, millionths, rate_part, rate_whole, minor, rounding
) AS CASE
    WHEN fixed IS NOT NULL
    THEN rounded(fixed * exchange_whole::HUGEINT, exchange_part::HUGEINT, rounding)::BIGINT
    WHEN millionths IS NOT NULL THEN scaled(millionths, rate_part, rate_whole * minor, rounding)
    ELSE rounded(
        trillionths_of(rated_base) * rate_part,
        rate_whole::HUGEINT * minor * 1000000, rounding
    )::BIGINT END;

-- The reseller has its share, the provider the rest.
CREATE OR REPLACE TEMP MACRO payee_part(whole, reseller_share, role, rounding) AS CASE
    WHEN reseller_share IS NULL THEN whole
    WHEN role = 'reseller'
    THEN scaled(whole, part_of(reseller_share), whole_of(reseller_share), rounding)
    ELSE whole - scaled(whole, part_of(reseller_share), whole_of(reseller_share), rounding) END;

-- `rebate = round(share × e)`; in program currency `E = round(e × fx)`, `Rebate = round(rebate × fx)`.
-- Co-op is what rebate and fee leave. What is fixed, or a payee's part, is split in both currencies.
CREATE OR REPLACE TEMP MACRO amounts_of(outcomes) AS TABLE
SELECT *, fee_of(earned - rebate, share, fee_share, program_rounding(program)) AS fee,
    fee_of(program_earned - program_rebate, share, fee_share, program_rounding(program)) AS program_fee
FROM (
    SELECT *, rebate_of(earned, share_part, share_whole, rebate_rounding) AS rebate,
        CASE
            WHEN amount IS NOT NULL OR payee_share IS NOT NULL
            THEN rebate_of(program_earned, share_part, share_whole, rebate_rounding)
            ELSE scaled(
                rebate_of(earned, share_part, share_whole, rebate_rounding), exchange_part, exchange_whole,
                program_rounding(program)
            )
        END AS program_rebate
    FROM (
        SELECT * EXCLUDE (fixed, whole),
            payee_part(whole, payee_share, role, program_rounding(program)) AS earned,
            payee_part(
                coalesce(fixed, scaled(whole, exchange_part, exchange_whole, program_rounding(program))),
                payee_share, role, program_rounding(program)
            ) AS program_earned
        FROM (
            SELECT *, fixed_of(amount, base, program_minor) AS fixed,
                whole_of_line(
                    fixed, exchange_part, exchange_whole, rated_base, millionths, rate_part,
                    rate_whole, minor, program_rounding(program)
                ) AS whole
            FROM query_table(outcomes)
        )
    )
);

-- A number of minor units as money.
CREATE OR REPLACE TEMP MACRO money_of(number, minor) AS
    (number * (minor // 1000))::DECIMAL(38, 0) * 0.001::DECIMAL(4, 3);
