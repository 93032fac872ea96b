-- Shared caps of which an open cycle takes another amount, or by another row, than the recomputation says;
-- one text each.
SELECT concat(program, ', ', subject, ', ', "window", ', cycle ', cycle, ': expected ',
    coalesce(expected.measured::VARCHAR, 'nothing'), ' of ', expected.threshold, ' by ',
    expected.transaction_id, ' of ', expected.decided_on, ', found ',
    coalesce(published.measured::VARCHAR, 'nothing'), ' of ', published.threshold, ' by ',
    published.transaction_id, ' of ', published.decided_on) AS fault
FROM recomputed_rooms AS expected
FULL JOIN (FROM determinations WHERE kind = 'cap_room' AND frozen_by IS NULL) AS published
    USING (program, subject, "window", cycle)
WHERE expected.measured IS DISTINCT FROM published.measured
    OR expected.threshold IS DISTINCT FROM published.threshold
    OR expected.decided_on IS DISTINCT FROM published.decided_on
    OR expected.source IS DISTINCT FROM published.source
    OR expected.transaction_id IS DISTINCT FROM published.transaction_id
    OR published.outcome <> CASE WHEN expected.measured < expected.threshold THEN 'left'
        ELSE 'exhausted' END
