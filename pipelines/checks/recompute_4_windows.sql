-- What measures and caps share: the first day of a line's window, and what a line adds, with 21 decimals.

CREATE OR REPLACE TEMP MACRO first_of(period, months, fiscal_start) AS (
    (period || '-01')::DATE - to_months(
        ((date_part('month', (period || '-01')::DATE) + 12 - fiscal_start) % 12 % months)::INTEGER
    )
)::DATE;

CREATE OR REPLACE TEMP MACRO added(quantity_of, base, exchange_rate, quantity) AS
    CASE quantity_of
        WHEN 'amount'
        THEN trillionths_of(base) * billionths_of(exchange_rate)
        ELSE trillionths_of(coalesce(quantity, 0)) * 1000000000
    END;
