-- Instead of caps, if no program has one.
CREATE OR REPLACE TEMP TABLE credited_amounts (
    source VARCHAR, transaction_id VARCHAR, original_transaction_id VARCHAR, program VARCHAR,
    lever VARCHAR, role VARCHAR, participant_id VARCHAR, period VARCHAR, transaction_currency VARCHAR,
    share DECIMAL(10, 9), fee_share DECIMAL(10, 9), minor INTEGER, program_minor INTEGER, earned BIGINT,
    rebate BIGINT, fee BIGINT, program_earned BIGINT, program_rebate BIGINT, program_fee BIGINT
);

CREATE OR REPLACE TEMP TABLE recomputed_caps (
    program VARCHAR, cap VARCHAR, participant_id VARCHAR, global_id VARCHAR, customer_id VARCHAR,
    window_from VARCHAR, gross DECIMAL(18, 3), used DECIMAL(18, 3)
);
