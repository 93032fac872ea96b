-- Windows that are compared with another amount than the recomputation says; one text each.
SELECT concat(program, ', baseline of ', subject, ', ', "window", ': expected ',
    coalesce(expected.measured::VARCHAR, 'nothing'), ' of ', expected.decided_on, ', found ',
    coalesce(published.measured::VARCHAR, 'nothing'), ' of ', published.decided_on) AS fault
FROM recomputed_baselines AS expected
FULL JOIN (FROM determinations WHERE kind = 'baseline' AND frozen_by IS NULL) AS published
    USING (program, subject, "window")
WHERE expected.measured IS DISTINCT FROM published.measured
    OR expected.amount IS DISTINCT FROM trillionths_of(published.baseline)
    OR expected.decided_on IS DISTINCT FROM published.decided_on
