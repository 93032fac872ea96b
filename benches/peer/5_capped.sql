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
               c.on_base, credit = gross as whole
        from credited k join paid y using (paid_no) join cover c using (cover_no)
        join capped_months m on m.program = y.program and m.month_no = k.own_month_no
    ), credits as (
        select *, case when whole then earned
                       else rdiv_big(earned::hugeint * abs(credit), abs(gross)) end::bigint
                   as credit_earned,
               case when whole then program_earned when not on_base then credit
                    else rdiv_big(program_earned::hugeint * abs(credit), abs(gross)) end::bigint
                   as credit_program_earned,
               case when whole then rebate
                    else rdiv(credit_earned * share_n, {one_share}) end as credit_rebate,
               case when whole then program_rebate
                    else rdiv(credit_program_earned * share_n, {one_share}) end
                   as credit_program_rebate,
               unnest(types) as earning_type
        from wide
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
