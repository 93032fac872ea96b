-- Orders of programs that pay in transaction currency, from what was earned: whenever a balance is ordered, each
-- currency in which all that entered, less what was ordered before, is positive, there and in program currency.
-- Converted co-op and manual adjustments are in program currency, what came back in its payment's. Left out are
-- accounts that forfeited, which takes of several currencies, and those that were paid by exchange rate before.
WITH account AS (
    SELECT program, participant_id, earning_type FROM balances
    SEMI JOIN (FROM program WHERE pays_as_earned) AS paying USING (program)
    GROUP BY ALL HAVING bool_and(forfeited = 0)
    EXCEPT
    SELECT program, participant_id, earning_type FROM payments WHERE exchange_rate IS NOT NULL
),
came AS (
    SELECT program, participant_id, earning_type, cycle, transaction_currency AS currency,
        program_amount, earning_amount AS own_amount
    FROM cycle_entries
    UNION ALL
    SELECT program, participant_id, earning_type, cycle, program_currency, converted_in, converted_in
    FROM balances
    UNION ALL
    SELECT program, participant_id, earning_type, cycle, currency, amount, amount
    FROM adjustments WHERE state = 'posted'
    UNION ALL
    SELECT payments.program, payments.participant_id, payments.earning_type, returns_in,
        payment_currency, gross_program_amount, gross_amount
    FROM payments
    JOIN (FROM payment_history WHERE accepted AND returns_in IS NOT NULL) AS history USING (payment_id)
),
ordered AS (
    SELECT program, participant_id, earning_type, cycle, payment_currency AS currency,
        sum(gross_program_amount) AS program_amount, sum(gross_amount) AS own_amount
    FROM payments SEMI JOIN account USING (program, participant_id, earning_type)
    WHERE earning_type <> 'coop' GROUP BY ALL
),
moved AS (
    SELECT came.*, true AS entered FROM came SEMI JOIN account USING (program, participant_id, earning_type)
    UNION ALL BY NAME
    SELECT * REPLACE (-program_amount AS program_amount, -own_amount AS own_amount), false AS entered
    FROM ordered
),
standing AS (
    SELECT program, participant_id, earning_type, released.cycle, currency,
        sum(program_amount) AS program_amount, sum(own_amount) AS own_amount
    FROM moved
    JOIN (SELECT program, participant_id, earning_type, cycle FROM balances WHERE ordered <> 0) AS released
        USING (program, participant_id, earning_type)
    WHERE moved.cycle < released.cycle OR entered AND moved.cycle = released.cycle
    GROUP BY ALL
    HAVING sum(program_amount) > 0 AND sum(own_amount) > 0
)
SELECT concat_ws('/', program, participant_id, earning_type, cycle) || concat(': expected ', currency, ' ',
    coalesce(standing.own_amount, 0), ' ordered (', coalesce(standing.program_amount, 0), '), found ',
    coalesce(ordered.own_amount, 0), ' (', coalesce(ordered.program_amount, 0), ')')
FROM standing FULL JOIN ordered USING (program, participant_id, earning_type, cycle, currency)
WHERE coalesce(standing.own_amount, 0) <> coalesce(ordered.own_amount, 0)
    OR coalesce(standing.program_amount, 0) <> coalesce(ordered.program_amount, 0)
UNION ALL
SELECT concat('payment ', payment_id, ': expected an exchange rate unless its program pays in transaction currency, found ',
    coalesce(exchange_rate::VARCHAR, 'none'))
FROM payments JOIN program USING (program)
WHERE earning_type <> 'coop' AND status = 'proposed' AND pays_as_earned <> (exchange_rate IS NULL)
