"""The peer: the same outputs by DuckDB SQL, as good as we can write it.

In: a job file, the files of a staged warehouse. Out: Parquet files, zstd, in a folder, and the
seconds each step took. The rules come from the program files, the arithmetic from benches/peer/*.sql.
"""

import argparse
import json
import pathlib
import sys
import time
import tomllib

import duckdb

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "peer"))
import rules  # noqa: E402

# What every line needs of the staged table.
COLUMNS = """transaction_id, source, transaction_on, billed_partner_id, reseller_partner_id,
    customer_id, product_id, sku_id, transaction_currency, base"""
# What levers over quantities need besides.
WITH_QUANTITY = COLUMNS + ", quantity"
FORMAT = "format parquet, compression zstd, compression_level 1, per_thread_output true"
FILE_FORMAT = "format parquet, compression zstd, compression_level 1"

# Texts that repeat from line to line, by the look-up table that they come from.
WORDS = {
    "days": ["period"],
    "paid": ["role", "partner", "program", "program_currency", "participant", "payment_month",
             "fund_half", "currency"],
    "cover": ["lever", "term", "product_group"],
}

# Every lever that covers a line, with what it would earn, in integers.
# A role is paid by one program, so a place says the program. A condition on `program` beside it would be
# the only one between `paid` and `cover` alone: of many lines the planner then joins these two first, by
# program, and every line meets thousands of rows.
OUTCOMES = """
    select *, rdiv(earned * share_n, {one_share}) as rebate,
           rdiv(earned * exchange_n, exchange_d) as program_earned,
           rdiv(rebate * exchange_n, exchange_d) as program_rebate
    from (
        select t.* exclude (transaction_currency), y.currency as transaction_currency, y.payee_id,
               y.role, y.partner, y.program, y.program_currency, y.participant, y.payment_month,
               y.fund_half, c.lever_id, c.lever, c.term, c.product_group, c.rate, c.share,
               c.share_n, c.in_term, y.exchange_rate, y.exchange_n, y.exchange_d, y.unit,
               y.program_unit, {unadded} as unadded,
               y.eligible and c.in_term and unadded is null as eligible, c.types, c.has_measure, y.role_no,
               y.month_no, y.participant_no, y.exchange_9, y.paid_no, c.cover_no, c.lever_no, c.cap_no, c.on_base, c.cap_slot,
               c.cap_per_participant, c.cap_per_customer, {why} as why, rdiv(t.thousandths * c.rate_n, {one_rate} * y.unit) as earned
        from (select *, (base::decimal(14,3) * 1000::decimal(4,0))::bigint as thousandths
              from {relation}) t
        join paid y on y.place = t.pair + t.segment and y.currency = t.transaction_currency
        join cover c on c.place = (t.product + t.segment) * 4 + y.role_no
        {joined} where {condition}
    )
"""
# What every line adds to a measure.
MEASURED = """
    select t.*, y.exchange_9, y.participant_no, y.partner_no, y.role_no, y.month_no, c.lever_no,
           c.lever_slot, c.of_quantity, c.per_customer, y.eligible and c.in_term as counts
    from (select *, (base::decimal(14,3) * 1000::decimal(4,0))::bigint as thousandths,
                 (quantity::decimal(14,3) * 1000::decimal(4,0))::bigint as units
          from {relation}) t
    join paid y on y.place = t.pair + t.segment and y.currency = t.transaction_currency
    join cover c on c.place = (t.product + t.segment) * 4 + y.role_no
    where c.has_measure
"""
# Whose room of a cap a line takes, and how much of it.
SCOPE = "cap_slot + case when cap_per_participant then participant_no else 0 end"
SCOPE_CUSTOMER = "case when cap_per_customer then coalesce(customer_id, '') else '' end"
GROSS = "case when on_base then thousandths * exchange_9 else program_earned end"
BEYOND = f"""left join reached r on r.scope = c.cap_slot
         + case when c.cap_per_participant then y.participant_no else 0 end
     and r.customer = case when c.cap_per_customer then coalesce(t.customer_id, '') else '' end"""
# What is against a line of a lever that asks who added the customer.
ADDITIONS = "left join additions a on a.lever_no = c.lever_no and a.customer = t.customer_id"
UNADDED = """case when not c.asks then null
                    when a.customer is null or t.transaction_on < a.first_on
                         or t.transaction_on >= a.old_on then 'CUSNOTNEW'
                    when a.participant_no is null then 'MINTHNTMT'
                    when a.participant_no != y.participant_no then 'IVDCUST' end"""
WHY = """list_concat(case when c.in_term then [] else ['OUT_OF_TERM'] end, list_concat(y.reasons,
        list_concat(case when unadded is null then [] else [unadded] end,
                    case when y.known then [] else ['NORATE'] end)))"""
# Lines with the numbers of what they are joined on.
NUMBERED = """(
        select t.*, d.segment, d.period, i.pair, q.product
        from {relation} t join days d on d.day = t.transaction_on
        join pairs i on i.billed is not distinct from t.billed_partner_id
         and i.reseller is not distinct from t.reseller_partner_id
        join products q on q.product_id is not distinct from t.product_id
         and q.sku_id is not distinct from t.sku_id)"""
OWN_LINES = """(select {columns} from transactions where base >= 0
           union all select {columns} from unlinked)"""
OWN = NUMBERED.format(relation=OWN_LINES.format(columns=COLUMNS))
OWN_WITH_QUANTITY = NUMBERED.format(relation=OWN_LINES.format(columns=WITH_QUANTITY))
ORIGINALS = NUMBERED.format(relation="originals")
EARNING_COLUMNS = """
    hash(payee_id, lever_id, source, transaction_id, earning_type) as id_high,
    hash(transaction_id, original_transaction_id, lever_id, payee_id, earning_type) as id_low,
    program, term, lever, earning_type, own_period as period, on_day as transaction_on,
    participant as participant_id, partner as earning_participant_id, role, source, transaction_id,
    original_transaction_id, null::text as aggregate_key, customer_id, product_group,
    transaction_currency, program_currency, own_base::decimal(38,12) as base,
    rate as earning_rate,
    case earning_type when 'coop' then 1::decimal(18,9) - share else share end::decimal(18,9) as share,
    exchange_rate, gross_n::decimal(14,0) * 0.001::decimal(4,3) as gross_amount,
    (gross_n - amount_n)::decimal(14,0) * 0.001::decimal(4,3) as forgone_amount,
    amount_n::decimal(14,0) * 0.001::decimal(4,3) as earning_amount,
    program_n::decimal(14,0) * 0.001::decimal(4,3) as program_amount, null::text as tier_detail,
    case when earning_type = 'coop' then fund_half end as fund_half,
    case when earning_type != 'coop' then own_month end as estimated_payment_month
"""
FORGONE = """case when in_term and not has_measure then ((earned * unit)::decimal(14,0) * 0.001::decimal(4,3))
        ::decimal(38,12) end"""
# One step of all families at once: what a refund takes of a candidate, and what that leaves.
WALK = """
    with recursive numbered as materialized (
        select *, dense_rank() over (partition by family order by original) as place from {steps}
    ), families as (
        select family, list(before order by place) as used
        from (select distinct family, place, before from numbered) group by family
    ), walk as (
        select family, 0::bigint as step, 0::bigint as rest, used, null::text as id,
               null::text as original, 0::bigint as before, 0::bigint as taken, 0::bigint as base,
               false as closes
        from families
        union all
        select family, step, asked - taken,
               list_transform(used, lambda v, i: case when i = place then v + taken else v end),
               id, original, before, taken, base, closes
        from (
            select *, least(asked, base - before) as taken
            from (
                select w.family, n.step, n.id, n.original, n.base, n.closes, n.place, w.used,
                       w.used[n.place] as before,
                       case when n.opens then n.refund else w.rest end as asked
                from walk w join numbered n on n.family = w.family and n.step = w.step + 1
            )
        )
    )
    select id, original, before, taken, base, closes, rest from walk where step > 0
"""


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--pipeline", required=True, type=pathlib.Path)
    arguments.add_argument("--files", required=True, type=pathlib.Path,
                           help="JSON: staged table → its files")
    arguments.add_argument("--out", required=True, type=pathlib.Path)
    arguments.add_argument("--as-of", required=True)
    arguments.add_argument("--timings", type=pathlib.Path)
    arguments.add_argument("--memory", default="")
    options = arguments.parse_args()

    job = tomllib.loads(options.pipeline.read_text())
    options.out.mkdir(parents=True)
    connection = duckdb.connect()
    connection.execute("set preserve_insertion_order = false")
    # It gives both arms of some unions the columns of one (1.5.6, 2.0.0).
    connection.execute("set disabled_optimizers = 'common_subplan'")
    connection.execute(f"set temp_directory = '{options.out}/temp'")
    if options.memory:
        connection.execute(f"set memory_limit = '{options.memory}'")
    for table, files in json.loads(options.files.read_text()).items():
        quoted = ", ".join(f"'{file}'" for file in files)
        kind = "view" if table == "transactions" else "table"
        connection.execute(f"create {kind} {table} as select * from "
                           f"read_parquet([{quoted}], hive_partitioning = false)")
    seconds = {}

    def step(name, work):
        start, busy = time.perf_counter(), time.process_time()
        work()
        seconds[name] = round(time.perf_counter() - start, 3)
        seconds[f"{name}.cpu"] = round(time.process_time() - busy, 3)

    step("rules", lambda: rules.load(connection, str(options.pipeline.parent / job["programs"])))
    step("dimensions", lambda: dimensions(connection))
    check(connection)
    step("links", lambda: run(connection, "2_links.sql", {
        "columns": WITH_QUANTITY,
        "walk_by_reference": WALK.format(steps="steps_by_reference"),
        "walk_by_key": WALK.format(steps="steps_by_key"),
    }))
    values = outputs(connection, options.out)
    if values["has_additions"]:
        step("additions", lambda: run(connection, "3_additions.sql", values))
    step("refunds", lambda: run(connection, "3_refunds.sql", values))
    if values["has_caps"]:
        step("caps", lambda: run(connection, "4_caps.sql", values))
    if values["has_measures"]:
        step("measures", lambda: run(connection, "4_measures.sql", values))
    step("outputs", lambda: run(connection, "5_outputs.sql", values))
    if values["has_additions"]:
        step("added", lambda: run(connection, "5_added.sql", values))
    if values["has_caps"]:
        step("capped", lambda: run(connection, "5_capped.sql", values))
    if values["has_measures"]:
        step("shares", lambda: run(connection, "5_measured.sql", values))
    step("payments", lambda: run(connection, "6_payments.sql", {
        "out": options.out, "as_of": options.as_of, "file_format": FILE_FORMAT,
    }))
    if options.timings:
        options.timings.write_text(json.dumps(seconds, indent=2))
    print(json.dumps(seconds, indent=2))


def dimensions(connection):
    """The look-up tables. Their texts become enumerations: small numbers to join, copy and write."""
    run(connection, "1_dimensions.sql", {})
    for table, columns in WORDS.items():
        for column in columns:
            name = f"{table}_{column}"
            connection.execute(f"""create type {name} as enum (
                select distinct {column} from {table} where {column} is not null order by all)""")
            connection.execute(f"alter table {table} alter {column} type {name}")
    connection.execute("create type kind as enum ('rebate', 'coop', 'fee')")
    connection.execute("alter table cover alter types type kind[]")


def check(connection):
    """Stops at data that the peer's SQL for measures doesn't know."""
    sources = connection.execute("select list(distinct source) from transactions").fetchone()[0]
    missing = connection.execute("select count(*) from paid where not known").fetchone()[0]
    measured = connection.execute("select count(*) from levers where has_measure").fetchone()[0]
    if measured and (len(sources) > 1 or missing):
        raise SystemExit("the peer measures lines of one source, with all exchange rates")


def outputs(connection, out):
    """The parts that the SQL after the links is put together from."""
    rate_scale, share_scale = connection.execute("select * from rate_scales").fetchone()
    scales = {"one_rate": 10 ** (rate_scale or 0), "one_share": 10 ** (share_scale or 0)}
    has_caps = connection.execute("select count(*) > 0 from caps").fetchone()[0]
    has_measures = connection.execute("select bool_or(has_measure) from levers").fetchone()[0]
    has_additions = connection.execute("select bool_or(asks) from levers").fetchone()[0]
    earns = "y.eligible and c.in_term and not c.has_measure"

    def outcomes(relation, condition, why="null", joined="", additions=has_additions):
        """Additions are looked up only where a lever that asks can be met: it costs every line."""
        return OUTCOMES.format(
            relation=relation, condition=condition, why=why,
            joined=f"{joined} {ADDITIONS}" if additions else joined,
            unadded=UNADDED if additions else "null", **scales)

    def own(condition, joined=""):
        return outcomes(OWN, f"{earns} and not c.asks and {condition}", joined=joined, additions=False)

    return {
        **scales,
        "has_caps": has_caps,
        "has_measures": has_measures,
        "has_additions": has_additions,
        "out": out,
        "format": FORMAT,
        "file_format": FILE_FORMAT,
        "earning_columns": EARNING_COLUMNS,
        "forgone": FORGONE,
        "own": OWN,
        "originals": ORIGINALS,
        "scope": SCOPE,
        "scope_customer": SCOPE_CUSTOMER,
        "gross": GROSS,
        "source": connection.execute("select min(source) from transactions").fetchone()[0],
        "earned_lines": own("r.scope is null", BEYOND) if has_caps else own("true"),
        "capped_lines": own("c.cap_no is not null"),
        "asking_lines": outcomes(OWN, f"{earns} and c.asks", additions=False),
        "added_lines": outcomes(OWN, f"{earns} and c.asks and unadded is null"),
        "unadded_lines": outcomes(OWN, f"{earns} and c.asks and unadded is not null"),
        "beyond_reversals": f"""anti join reached r
            on r.scope = {SCOPE} and r.customer = {SCOPE_CUSTOMER}""" if has_caps else "",
        "refused_lines": outcomes("rest", "not (y.eligible and c.in_term)", why=WHY),
        "refunded_lines": outcomes(ORIGINALS, f"{earns} and unadded is null"),
        "refunded_outcomes": outcomes(ORIGINALS, "true", why=WHY),
        "measured_lines": MEASURED.format(relation=OWN_WITH_QUANTITY),
        "measured_originals": MEASURED.format(relation=ORIGINALS),
    }


def run(connection, name, values):
    """Runs the statements of a file of benches/peer."""
    text = (HERE / "peer" / name).read_text()
    statements = text.format(**values) if values else text
    for statement in duckdb.extract_statements(statements):
        try:
            connection.execute(statement)
        except duckdb.Error as error:
            raise SystemExit(f"{name}: {error}\nin:\n{statement.query.strip()[:600]}") from None


main()
