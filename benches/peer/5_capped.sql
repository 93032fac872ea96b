-- What caps left of the lines of the scopes that can reach their limit.

create table capped_months as
select program, month_no, strftime(first_day(month_no), '%Y-%m') as own_period,
       strftime(first_day(month_no + months_after), '%Y-%m') as own_month
from programs cross join (select distinct month_no from segments);

copy (
    with wide as (
        select k.*, y.payee_id, c.lever_id, y.program, y.program_currency, c.term, c.lever, c.types,
               y.participant, y.partner, y.role, c.product_group, y.currency as transaction_currency, c.rate, c.share, c.share_n,
               y.exchange_rate, y.fund_half, y.unit, y.program_unit, m.own_period, m.own_month,
               c.on_base
        from credited k join paid y using (paid_no) join cover c using (cover_no)
        join capped_months m on m.program = y.program and m.month_no = k.own_month_no
    ), summed as (
        -- Of the refunds of a line all up to one of them are split, less what was before it.
        select *, gross as gross_so_far, credit as credit_so_far, earned as earned_so_far,
               rebate as rebate_so_far, program_earned as program_earned_so_far,
               program_rebate as program_rebate_so_far
        from wide where original_transaction_id is null
        union all by name
        select *, sum(gross) over pieces as gross_so_far, sum(credit) over pieces as credit_so_far,
               (sum(earned) over pieces)::bigint as earned_so_far,
               (sum(rebate) over pieces)::bigint as rebate_so_far,
               (sum(program_earned) over pieces)::bigint as program_earned_so_far,
               (sum(program_rebate) over pieces)::bigint as program_rebate_so_far
        from wide where original_transaction_id is not null
        window pieces as (partition by source, original_transaction_id, paid_no, cover_no
                          order by refunded rows unbounded preceding)
    ), split as (
        select *, credit_so_far = gross_so_far as whole,
               case when whole then earned_so_far
                    else rdiv_big(earned_so_far::hugeint * abs(credit_so_far), abs(gross_so_far))
               end::bigint as earned_of_all,
               case when whole then program_earned_so_far when not on_base then credit_so_far
                    else rdiv_big(program_earned_so_far::hugeint * abs(credit_so_far),
                                  abs(gross_so_far)) end::bigint as program_earned_of_all,
               case when whole then rebate_so_far
                    else rdiv(earned_of_all * share_n, {one_share}) end as rebate_of_all,
               case when whole then program_rebate_so_far
                    else rdiv(program_earned_of_all * share_n, {one_share}) end
                   as program_rebate_of_all
        from summed
    ), parts as (
        select *, earned_of_all as credit_earned, rebate_of_all as credit_rebate,
               program_earned_of_all as credit_program_earned,
               program_rebate_of_all as credit_program_rebate
        from split where original_transaction_id is null
        union all by name
        select *, earned_of_all - lag(earned_of_all, 1, 0) over pieces as credit_earned,
               rebate_of_all - lag(rebate_of_all, 1, 0) over pieces as credit_rebate,
               program_earned_of_all - lag(program_earned_of_all, 1, 0) over pieces
                   as credit_program_earned,
               program_rebate_of_all - lag(program_rebate_of_all, 1, 0) over pieces
                   as credit_program_rebate
        from split where original_transaction_id is not null
        window pieces as (partition by source, original_transaction_id, paid_no, cover_no
                          order by refunded)
    ), credits as (
        select *, unnest(types) as earning_type from parts
    )
    select {earning_columns}
    from (
        select *, case earning_type when 'coop' then earned - rebate else rebate end * unit as gross_n,
               case earning_type when 'coop' then credit_earned - credit_rebate
                    else credit_rebate end * unit as amount_n,
               case earning_type when 'coop' then credit_program_earned - credit_program_rebate
                    else credit_program_rebate end * program_unit as program_n
        from credits
    )
) to '{out}/earnings_capped' ({format});
