-- Who added which customer: the participant that first sold the minimum to it while it was new.

create table new_customers as
with firsts as (
    select lever_no, customer_id as customer, min(transaction_on) as first_on
    from transactions cross join levers
    where asks and not new_by_product and base > 0 and customer_id is not null
    group by all
    union all
    select lever_no, customer_id, min(transaction_on)
    from (select t.*, q.product + s.segment as place
          from transactions t join days s on s.day = t.transaction_on
          join products q on q.product_id is not distinct from t.product_id
           and q.sku_id is not distinct from t.sku_id) t
    join (
        select distinct r.lever_no, p.product + s.segment as place
        from rates r join levers l using (lever_no) join products p on true
        join segments s on true
        left join product_groups g on g.product_id = p.product_id
         and g.product_group = r.product_group
         and (coalesce(g.sku_id, '') = '' or g.sku_id = p.sku_id)
         and coalesce(g.from_on, date '0001-01-01') <= s.from_on
         and s.from_on < coalesce(g.until_on, date '9999-01-01')
        where l.asks and l.new_by_product and (g.product_id is not null or r.product_group = '*')
    ) p using (place)
    where base > 0 and customer_id is not null
    group by all
), opened as (
    select lever_no, greatest(min(r.from_on), min(t.from_on)) as opened_on
    from rates r join terms t using (program) group by lever_no
)
select f.*, (first_on + to_months(new_months))::date as old_on
from firsts f join levers using (lever_no) join opened using (lever_no)
where first_on >= opened_on;

create table additions as
with sales as (
    select o.lever_no, customer_id as customer, participant_no, transaction_on, transaction_id, source,
           role, (l.new_minimum * 10 ** g.minor)::bigint as minimum, (10 ** (12 - g.minor))::bigint as grid,
           sum((thousandths * exchange_9)::hugeint) over (
               partition by o.lever_no, customer_id, participant_no
               order by transaction_on, transaction_id, source, role rows unbounded preceding) as sold
    from ({asking_lines}) o join levers l using (lever_no) join programs g on g.program = l.program
    join new_customers n on n.lever_no = o.lever_no and n.customer = o.customer_id
    where base > 0 and first_on <= transaction_on and transaction_on < old_on
), firsts as (
    select lever_no, customer, participant_no
    from sales where rdiv_big(sold, grid) >= minimum
    qualify row_number() over (
        partition by lever_no, customer order by transaction_on, transaction_id, source, role) = 1
)
select n.lever_no, n.customer, n.first_on, n.old_on, f.participant_no
from new_customers n left join firsts f using (lever_no, customer);
