-- Instead of trailing revenue, if no program asks for it.
CREATE OR REPLACE TEMP TABLE recomputed_revenue (
    program VARCHAR, subject VARCHAR, "window" VARCHAR, outcome VARCHAR, decided_on DATE,
    measured DECIMAL(18, 3), threshold DECIMAL(18, 3), transactions BIGINT
);
