-- Instead of baselines, if no measure is compared with another.
CREATE OR REPLACE TEMP TABLE baselines (
    program VARCHAR, lever VARCHAR, whose VARCHAR, window_on DATE, amount HUGEINT, missing BOOLEAN,
    anew BOOLEAN
);
