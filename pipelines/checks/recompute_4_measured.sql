-- What each month of a window has measured up to it (up to each of its parts that have rules of their own),
-- and what it is compared with.

-- What was measured over the days up to the window's last.
CREATE OR REPLACE TEMP TABLE days_before AS
SELECT windows.program, windows.lever, windows.whose, windows.window_on,
    sum(adds) AS adds, bool_or(missing) AS missing
FROM (SELECT DISTINCT program, lever, whose, window_on FROM own_months) AS windows
JOIN program_measure USING (program, lever)
JOIN revenue
    ON revenue.program = windows.program AND revenue.lever = windows.lever
    AND revenue.whose = windows.whose
    AND revenue.counts_on < windows.window_on + INTERVAL 1 MONTH
    AND revenue.counts_on >= windows.window_on + INTERVAL 1 MONTH - to_days(trailing_days)
WHERE trailing_days IS NOT NULL
GROUP BY ALL;

CREATE OR REPLACE TEMP TABLE measured_months AS
WITH months AS (
    SELECT program, lever, whose, window_on, period, rules_on, sum(adds) AS adds,
        bool_or(of_month) AS of_month
    FROM own_months
    GROUP BY ALL
),
running AS (
    SELECT *, sum(adds) OVER (
        PARTITION BY program, lever, whose, window_on ORDER BY period, rules_on
    ) AS cumulated
    FROM months
)
SELECT running.* EXCLUDE (adds, cumulated), program.currency, minor_of(program.currency) AS minor,
    measure_of(
        quantity_of, cumulated, minor_of(program.currency), program_rounding(running.program)
    ) AS measure,
    minimum, baseline,
    CASE baseline WHEN 'fixed' THEN baseline_amount ELSE coalesce(baselines.amount, 0) END AS compared,
    CASE WHEN trailing_days IS NOT NULL
        THEN measure_of(
            quantity_of, coalesce(days_before.adds, 0), minor_of(program.currency),
            program_rounding(running.program)
        )
    END AS days_measure,
    flat_on_zero, at_least, at_most, guarantee, recover_from, recover_share,
    coalesce(baselines.missing, false) OR coalesce(days_before.missing, false) AS held,
    (running.window_on + to_months(program_measure.months))::DATE AS window_end, side
FROM running
JOIN program_measure USING (program, lever)
JOIN program USING (program)
LEFT JOIN baselines
    ON baselines.program = running.program AND baselines.lever = running.lever
    AND baselines.whose = running.whose AND baselines.window_on = running.window_on
LEFT JOIN days_before
    ON days_before.program = running.program AND days_before.lever = running.lever
    AND days_before.whose = running.whose AND days_before.window_on = running.window_on;

CREATE OR REPLACE TEMP TABLE held_months AS
SELECT program, lever, whose, window_on, period FROM measured_months WHERE held;

CREATE OR REPLACE TEMP VIEW held_parts AS
FROM measured_parts SEMI JOIN held_months USING (program, lever, whose, window_on, period);

CREATE OR REPLACE TEMP VIEW held_lines AS
FROM with_whose('measured_lines')
SEMI JOIN held_months USING (program, lever, whose, window_on, period);
