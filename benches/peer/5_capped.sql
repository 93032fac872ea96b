-- What caps left of the lines of the scopes that can reach their limit.

copy (
    with typed as (select *, unnest(types) as earning_type from credited)
    select {earning_columns}
    from (
        select *, case earning_type when 'coop' then earned - rebate else rebate end * unit as gross_n,
               case earning_type when 'coop' then credit_earned - credit_rebate
                    else credit_rebate end * unit as amount_n,
               case earning_type when 'coop' then credit_program_earned - credit_program_rebate
                    else credit_program_rebate end * program_unit as program_n
        from typed
    )
) to '{out}/earnings_capped' ({format});
