-- Taxes of every payment that no closed cycle ordered, but of claims that were sent before, from program data, the
-- payee's country and its tax profile on the due day, as they are known now.
-- Payments of participants with adjustments that aren't taxable are only bounded.
WITH taxpayer AS (
    SELECT payment_id,
        arg_max(country, (coalesce(from_on, DATE '0001-01-01'),
            coalesce(until_on, DATE '9999-12-31'), country)) AS country
    FROM payments JOIN memberships_in_force ON location_id = payments.participant_id
    WHERE nullif(country, '') IS NOT NULL AND coalesce(from_on <= due_on, true)
        AND coalesce(due_on < until_on, true)
    GROUP BY payment_id
),
profile AS (
    SELECT payment_id,
        arg_max(nullif(tax_profile, ''),
            (greatest(coalesce(from_on, DATE '0001-01-01'), coalesce(named_from, DATE '0001-01-01')),
            least(coalesce(until_on, DATE '9999-12-31'), coalesce(named_until, DATE '9999-12-31'))))
            AS tax_profile
    FROM payments
    JOIN enrollments_in_force ON location_id = payments.participant_id
    JOIN program_name
        ON program_name.program = payments.program AND name = enrollments_in_force.program
    WHERE coalesce(from_on <= due_on, true) AND coalesce(due_on < until_on, true)
        AND coalesce(named_from <= due_on, true) AND coalesce(due_on < named_until, true)
    GROUP BY payment_id
),
rates AS (
    SELECT payment_id, tax, arg_min(rate, place) AS rate
    FROM payments
    LEFT JOIN taxpayer USING (payment_id)
    LEFT JOIN profile USING (payment_id)
    JOIN program_tax ON program_tax.program = payments.program
        AND coalesce(from_on <= due_on, true) AND coalesce(due_on < until_on, true)
    WHERE (len(countries) = 0 OR list_contains(countries, country))
        AND (len(earning_types) = 0 OR list_contains(earning_types, earning_type))
        AND (len(tax_profiles) = 0 OR list_contains(tax_profiles, tax_profile))
    GROUP BY payment_id, tax
),
expected AS (
    SELECT payment_id, withheld_tax, sales_tax, gross_amount,
        round_as(gross_amount::DECIMAL(38, 3) * coalesce(any_value(rate)
            FILTER (tax = 'withholding'), 0), any_value(minor_units(payment_currency)),
            any_value(program_rounding(payments.program))) AS withheld,
        round_as(gross_amount::DECIMAL(38, 3) * coalesce(any_value(rate)
            FILTER (tax = 'sales'), 0), any_value(minor_units(payment_currency)),
            any_value(program_rounding(payments.program))) AS sales,
        bool_or(adjustment_id IS NOT NULL) AS untaxed
    FROM payments
    LEFT JOIN rates USING (payment_id)
    LEFT JOIN (FROM adjustments WHERE state = 'posted' AND NOT taxable) AS untaxed
        ON untaxed.program = payments.program
        AND untaxed.participant_id = payments.participant_id
    WHERE closed_snapshot IS NULL
    GROUP BY payment_id, withheld_tax, sales_tax, gross_amount
)
SELECT concat('payment ', payment_id, ': expected ', withheld, ' withheld and ', sales,
    ' sales tax, found ', withheld_tax, ' and ', sales_tax)
FROM expected
WHERE CASE WHEN untaxed THEN withheld_tax > withheld OR sales_tax > sales
        ELSE withheld_tax <> withheld OR sales_tax <> sales END
    OR gross_amount <= 0 AND (withheld_tax <> 0 OR sales_tax <> 0)
