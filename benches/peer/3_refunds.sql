-- What linked refunds take back of line by line earnings: each piece is a difference of rounded parts of
-- its original's amounts, and belongs to its own month.

create table reversals as
with outcomes as ({refunded_lines})
select o.* exclude (transaction_id, transaction_on, period, month_no, earned, rebate, program_earned,
                    program_rebate),
       o.transaction_on as original_on, n.transaction_id,
       o.transaction_id as original_transaction_id, n.customer_id as refund_customer_id,
       n.transaction_on as on_day, d.period as own_period, d.month_no as own_month_no,
       strftime(first_day(d.month_no + g.months_after), '%Y-%m') as own_month,
       (p.before - p.cumulated)::decimal(14,0) * 0.001::decimal(4,3) as own_base,
       p.before - p.cumulated as own_thousandths, p.cumulated as refunded,
       (rdiv(o.earned::hugeint * p.before, p.base)
           - rdiv(o.earned::hugeint * p.cumulated, p.base))::bigint as earned,
       (rdiv(o.rebate::hugeint * p.before, p.base)
           - rdiv(o.rebate::hugeint * p.cumulated, p.base))::bigint as rebate,
       (rdiv(o.program_earned::hugeint * p.before, p.base)
           - rdiv(o.program_earned::hugeint * p.cumulated, p.base))::bigint as program_earned,
       (rdiv(o.program_rebate::hugeint * p.before, p.base)
           - rdiv(o.program_rebate::hugeint * p.cumulated, p.base))::bigint as program_rebate
from outcomes o join pieces p on p.original = o.transaction_id
join negatives n on n.transaction_id = p.id
join days d on d.day = n.transaction_on
join programs g on g.program = o.program;
