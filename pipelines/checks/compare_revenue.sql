-- Who reached trailing revenue, or no longer does, at another assessment or with another amount or number of
-- lines than the recomputation says; one text each.
SELECT concat(program, ', trailing revenue of ', subject, ', ', "window", ': expected ', CASE
        WHEN expected.outcome IS NULL THEN 'nothing'
        ELSE concat(expected.outcome, ' with ', expected.measured, ' of ', expected.transactions,
            ' lines on ', expected.decided_on)
    END, ', found ', CASE
        WHEN published.outcome IS NULL THEN 'nothing'
        ELSE concat(published.outcome, ' with ', published.measured, ' of ', published.transactions,
            ' lines on ', published.decided_on)
    END) AS fault
FROM recomputed_revenue AS expected
FULL JOIN (FROM determinations WHERE kind = 'trailing_revenue' AND frozen_by IS NULL) AS published
    USING (program, subject, "window")
WHERE expected.measured IS DISTINCT FROM published.measured
    OR expected.outcome IS DISTINCT FROM published.outcome
    OR expected.threshold IS DISTINCT FROM published.threshold
    OR expected.transactions IS DISTINCT FROM published.transactions
    OR expected.decided_on IS DISTINCT FROM published.decided_on
