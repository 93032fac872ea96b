-- Customers that somebody else added, at another line or with another amount than the recomputation says;
-- one text each.
SELECT concat(program, ', customer ', subject, ', ', "window", ': expected ', expected.awarded_to, ' by ',
    expected.source, ' ', expected.transaction_id, ' of ', expected.decided_on, ' with ',
    coalesce(expected.measured::VARCHAR, 'nothing'), ', found ', published.awarded_to, ' by ',
    published.source, ' ', published.transaction_id, ' of ', published.decided_on, ' with ',
    coalesce(published.measured::VARCHAR, 'nothing')) AS fault
FROM recomputed_additions AS expected
FULL JOIN (FROM determinations WHERE kind = 'customer_add' AND frozen_by IS NULL) AS published
    USING (program, subject, "window")
WHERE expected.measured IS DISTINCT FROM published.measured
    OR expected.threshold IS DISTINCT FROM published.threshold
    OR expected.outcome IS DISTINCT FROM published.outcome
    OR expected.awarded_to IS DISTINCT FROM published.awarded_to
    OR expected.decided_on IS DISTINCT FROM published.decided_on
    OR expected.source IS DISTINCT FROM published.source
    OR expected.transaction_id IS DISTINCT FROM published.transaction_id
    OR expected.role IS DISTINCT FROM published.role
