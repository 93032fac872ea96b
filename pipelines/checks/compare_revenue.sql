-- Who reached trailing revenue at another assessment or with another amount than the recomputation
-- says; one text each.
SELECT concat(program, ', trailing revenue of ', subject, ', ', "window", ': expected ',
    coalesce(expected.measured::VARCHAR, 'nothing'), ' on ', expected.decided_on, ', found ',
    coalesce(published.measured::VARCHAR, 'nothing'), ' on ', published.decided_on) AS fault
-- What was decided for good stays, whatever the recomputation says.
FROM (
    FROM recomputed_revenue AS anew
    WHERE (program, subject, regexp_replace("window", ' [^ ]*$', '')) NOT IN (
        SELECT (program, subject, regexp_replace("window", ' [^ ]*$', '')) FROM determinations
        WHERE kind = 'trailing_revenue' AND frozen_by IS NOT NULL)
) AS expected
FULL JOIN (FROM determinations WHERE kind = 'trailing_revenue' AND frozen_by IS NULL) AS published
    USING (program, subject, "window")
WHERE expected.measured IS DISTINCT FROM published.measured
    OR expected.threshold IS DISTINCT FROM published.threshold
    OR expected.decided_on IS DISTINCT FROM published.decided_on
