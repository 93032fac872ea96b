-- Levers that ask who added the customer: what earns, and what doesn't for that reason alone.

copy (
    with outcomes as ({added_lines}),
    typed as (select *, unnest(types) as earning_type from outcomes)
    select {earning_columns}
    from (
        select *, null::text as original_transaction_id, transaction_on as on_day,
               period as own_period, payment_month as own_month, base as own_base,
               case earning_type when 'coop' then earned - rebate else rebate end * unit as gross_n,
               gross_n as amount_n,
               case earning_type when 'coop' then program_earned - program_rebate
                    else program_rebate end * program_unit as program_n
        from typed
    )
) to '{out}/earnings_added' ({format});

copy (
    with outcomes as ({unadded_lines})
    select program, term, lever, period, transaction_on, participant as participant_id,
           partner as earning_participant_id, role, source, transaction_id,
           null::text as original_transaction_id, customer_id, product_group,
           transaction_currency, base, {forgone} as forgone_amount,
           unadded as reason, null::text as other_reasons
    from outcomes
) to '{out}/unearned_added' ({format});
