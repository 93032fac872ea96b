-- What the rules make of lines. `lines` names a table or view with the columns of `transactions`.

-- One row per line × role × covering lever; one with null program where nothing covers the role. With
-- a participant it is in scope: earned where `reason` is null, else unearned.
CREATE OR REPLACE TEMP MACRO outcomes_of(lines) AS TABLE
WITH concerned AS (
    SELECT line.*,
        CASE payee WHEN 1 THEN reseller_partner_id ELSE billed_partner_id END AS partner_id,
        CASE
            WHEN payee = 1 THEN 'reseller'
            WHEN billed_partner_id IS NULL THEN 'none'
            WHEN reseller_partner_id IS NULL THEN 'direct'
            ELSE 'provider'
        END AS role
    FROM query_table(lines) AS line, (VALUES (1), (2)) AS payees (payee)
    WHERE CASE payee WHEN 1 THEN reseller_partner_id ELSE billed_partner_id END IS NOT NULL
        OR payee = 2 AND billed_partner_id IS NULL AND reseller_partner_id IS NULL
)
SELECT concerned.source, concerned.transaction_id, customer_id, concerned.period,
    concerned.transaction_currency, base, concerned.role, concerned.partner_id,
    covers.program, lever, term, product_group, rate, share, aggregated, pays_as,
    mappings.participant_id, exchange_rate, digits, program_digits,
    CASE WHEN covers.program IS NOT NULL THEN unmapped_reason END AS unmapped_reason,
    CASE
        WHEN term IS NULL THEN 'OUT_OF_TERM'
        WHEN met IS NULL THEN 'NOT_ENROLLED'
        WHEN NOT met THEN unmet_reason
        WHEN exchange_rate IS NULL THEN 'NORATE'
    END AS reason
FROM concerned
LEFT JOIN covers
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
LEFT JOIN mappings
    ON mappings.program = covers.program
    AND mappings.partner_id = concerned.partner_id
    AND mappings.transaction_on = concerned.transaction_on
LEFT JOIN verdicts
    ON verdicts.program = covers.program
    AND verdicts.participant_id = mappings.participant_id
    AND verdicts.period = concerned.period
LEFT JOIN exchange
    ON exchange.program = covers.program
    AND exchange.transaction_currency = concerned.transaction_currency
    AND exchange.period = concerned.period;

-- The roles of lines that are out of scope; the reason is the one that came furthest.
CREATE OR REPLACE TEMP MACRO omitted_of(lines) AS TABLE
SELECT source, transaction_id, role, any_value(period) AS period,
    any_value(transaction_currency) AS transaction_currency, any_value(base) AS base,
    max(CASE
        WHEN unmapped_reason = 'MAPDUP' THEN '4 MAPDUP'
        WHEN unmapped_reason = 'UNMAPPED' THEN '3 UNMAPPED'
        WHEN role IN (SELECT program_role.role FROM program_role) THEN '2 NO_LEVER'
        ELSE '1 NO_PROGRAM'
    END)[3:] AS reason
FROM outcomes_of(lines)
GROUP BY source, transaction_id, role
HAVING count(participant_id) = 0;

-- `e = round(rate × base)`, `rebate = round(share × e)`; in program currency `E = round(e × fx)`,
-- `Rebate = round(rebate × fx)`. Co-op is what the rebate leaves.
CREATE OR REPLACE TEMP MACRO amounts_of(outcomes) AS TABLE
SELECT *,
    round_to(earned::DECIMAL(38, 3) * exchange_rate, program_digits) AS program_earned,
    round_to(rebate::DECIMAL(38, 3) * exchange_rate, program_digits) AS program_rebate
FROM (
    SELECT *, round_to(earned::DECIMAL(38, 3) * share, digits) AS rebate
    FROM (
        SELECT *, round_to(base::DECIMAL(38, 12) * rate, digits) AS earned
        FROM query_table(outcomes)
    )
);
