-- What negative balances take from positive ones of their offset group, from balances before: laid end to end in order
-- of program and earning type, the negative ones of a participant's cycle cover the positive ones; each overlap of two
-- is what moves between them. Both sides have it, and no others move anything.
WITH moved AS (
    SELECT program, participant_id, earning_type, cycle, sum(amount) AS moved FROM offsets GROUP BY ALL
),
-- A balance that adds up to nothing, with what was moved, has no row.
standing AS (
    SELECT program, participant_id, earning_type, cycle, offset_group,
        coalesce(closing + ordered + forfeited, 0) - coalesce(moved, 0) AS amount
    FROM balances
    FULL JOIN moved USING (program, participant_id, earning_type, cycle)
    JOIN (FROM program WHERE offset_group IS NOT NULL) AS program USING (program)
    -- A close keeps what the program file said then.
    WHERE cycle NOT IN (SELECT cycle FROM closed_cycles)
),
laid AS (
    SELECT *, abs(amount) AS size, sum(abs(amount)) OVER (
        PARTITION BY participant_id, offset_group, cycle, sign(amount) ORDER BY program, earning_type
    ) AS until
    FROM standing WHERE amount <> 0
),
expected AS (
    SELECT negative.program, negative.participant_id, negative.earning_type, negative.cycle,
        positive.program AS other_program, positive.earning_type AS other_earning_type,
        least(negative.until, positive.until)
            - greatest(negative.until - negative.size, positive.until - positive.size) AS amount
    FROM (FROM laid WHERE amount < 0) AS negative
    JOIN (FROM laid WHERE amount > 0) AS positive USING (participant_id, offset_group, cycle)
),
sides AS (
    SELECT * FROM expected WHERE amount > 0
    UNION ALL
    SELECT other_program, participant_id, other_earning_type, cycle, program, earning_type, -amount
    FROM expected WHERE amount > 0
),
found AS (
    SELECT program, participant_id, earning_type, cycle, other_program, other_earning_type, amount
    FROM offsets WHERE cycle NOT IN (SELECT cycle FROM closed_cycles)
)
SELECT concat_ws('/', program, participant_id, earning_type, cycle) || concat(': expected ',
    coalesce(sides.amount, 0), ' of ', other_program, '/', other_earning_type, ', found ', coalesce(found.amount, 0))
FROM sides FULL JOIN found
    USING (program, participant_id, earning_type, cycle, other_program, other_earning_type)
WHERE coalesce(sides.amount, 0) <> coalesce(found.amount, 0)
UNION ALL
SELECT concat_ws('/', one.program, one.participant_id, one.earning_type, one.cycle) || concat(': expected ',
    -one.amount, ' on the other side, ', one.other_program, '/', one.other_earning_type, ', found ',
    coalesce(other.amount, 0))
FROM offsets AS one LEFT JOIN offsets AS other
    ON other.program = one.other_program AND other.earning_type = one.other_earning_type
    AND other.participant_id = one.participant_id AND other.cycle = one.cycle
    AND other.other_program = one.program AND other.other_earning_type = one.earning_type
WHERE coalesce(other.amount, 0) <> -one.amount
