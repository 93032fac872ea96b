-- Instead of measures, if no program has a lever over one: no lines to plan over, so no time to plan.
CREATE OR REPLACE TEMP TABLE measured_earnings (
    program VARCHAR, lever VARCHAR, participant_id VARCHAR, company VARCHAR, customer_id VARCHAR,
    window_on DATE, window_end DATE, rules_on DATE, period VARCHAR, currency VARCHAR, minor INTEGER,
    cap VARCHAR, pays_as VARCHAR, share DECIMAL(10, 9), fee_share DECIMAL(10, 9), rebate_rounding VARCHAR, earned BIGINT,
    rebate BIGINT, fee BIGINT
);

CREATE OR REPLACE TEMP TABLE held_lines (
    program VARCHAR, lever VARCHAR, participant_id VARCHAR, role VARCHAR, period VARCHAR,
    transaction_currency VARCHAR, source VARCHAR, transaction_id VARCHAR, original VARCHAR,
    base DECIMAL(38, 9)
);

CREATE OR REPLACE TEMP VIEW held_parts AS SELECT *, 1 AS rows FROM held_lines;
