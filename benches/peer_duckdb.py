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
FORMAT = "format parquet, compression zstd, compression_level 1, per_thread_output true"
FILE_FORMAT = "format parquet, compression zstd, compression_level 1"

# Every lever that covers a line, with what it would earn, in integers.
OUTCOMES = """
    select *, rdiv(earned * share_n, {one_share}) as rebate,
           rdiv(earned * exchange_n, exchange_d) as program_earned,
           rdiv(rebate * exchange_n, exchange_d) as program_rebate
    from (
        select t.*, y.role, y.partner, y.program, y.program_currency, y.participant,
               y.payment_month, y.fund_half, c.lever, c.term, c.product_group, c.rate, c.share,
               c.share_n, c.in_term, y.exchange_rate, y.exchange_n, y.exchange_d, y.unit,
               y.program_unit, len(y.reasons) = 0 and c.in_term and y.known as eligible,
               {why} as why, rdiv(t.thousandths * c.rate_n, {one_rate} * y.unit) as earned
        from (select *, (base::decimal(14,3) * 1000::decimal(4,0))::bigint as thousandths
              from {relation}) t
        join paid y on y.place = t.pair + t.segment and y.currency = t.transaction_currency
        join cover c on c.place = (t.product + t.segment) * 4 + y.role_no and c.program = y.program
        where {condition}
    )
"""
WHY = """list_concat(case when c.in_term then [] else ['OUT_OF_TERM'] end,
        list_concat(y.reasons, case when y.known then [] else ['NORATE'] end))"""
# Lines with the numbers of what they are joined on.
NUMBERED = """(
        select t.*, d.segment, d.period, i.pair, q.product
        from {relation} t join days d on d.day = t.transaction_on
        join pairs i on i.billed is not distinct from t.billed_partner_id
         and i.reseller is not distinct from t.reseller_partner_id
        join products q on q.product_id is not distinct from t.product_id
         and q.sku_id is not distinct from t.sku_id)"""
OWN = NUMBERED.format(relation=f"""(select {COLUMNS} from transactions where base >= 0
           union all select {COLUMNS} from unlinked)""")
ORIGINALS = NUMBERED.format(relation="originals")
EARNING_COLUMNS = """
    hash(program, term, lever, source, transaction_id, participant, role, earning_type) as id_high,
    hash(transaction_id, original_transaction_id, lever, role, earning_type) as id_low,
    program, term, lever, earning_type, own_period as period, on_day as transaction_on,
    participant as participant_id, partner as earning_participant_id, role, source, transaction_id,
    original_transaction_id, null::text as aggregate_key, customer_id, product_group,
    transaction_currency, program_currency, own_base::decimal(38,12) as base,
    rate as earning_rate,
    case earning_type when 'coop' then 1::decimal(18,9) - share else share end::decimal(18,9) as share,
    exchange_rate, amount_n::decimal(14,0) * 0.001::decimal(4,3) as gross_amount,
    0::decimal(18,3) as forgone_amount,
    amount_n::decimal(14,0) * 0.001::decimal(4,3) as earning_amount,
    program_n::decimal(14,0) * 0.001::decimal(4,3) as program_amount, null::text as tier_detail,
    case when earning_type = 'coop' then fund_half end as fund_half,
    case when earning_type != 'coop' then own_month end as estimated_payment_month
"""
FORGONE = """case when in_term then ((earned * unit)::decimal(14,0) * 0.001::decimal(4,3))
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
        start = time.perf_counter()
        work()
        seconds[name] = time.perf_counter() - start

    step("rules", lambda: rules.load(connection, str(options.pipeline.parent / job["programs"])))
    step("dimensions", lambda: run(connection, "1_dimensions.sql", {}))
    step("links", lambda: run(connection, "2_links.sql", {
        "columns": COLUMNS,
        "walk_by_reference": WALK.format(steps="steps_by_reference"),
        "walk_by_key": WALK.format(steps="steps_by_key"),
    }))
    step("outputs", lambda: run(connection, "3_outputs.sql", outputs(connection, options.out)))
    step("payments", lambda: run(connection, "4_payments.sql", {
        "out": options.out, "as_of": options.as_of, "file_format": FILE_FORMAT,
    }))
    if options.timings:
        options.timings.write_text(json.dumps(seconds, indent=2))
    print(json.dumps(seconds, indent=2))


def outputs(connection, out):
    """The parts that 3_outputs.sql is put together from."""
    rate_scale, share_scale = connection.execute("select * from rate_scales").fetchone()
    scales = {"one_rate": 10 ** (rate_scale or 0), "one_share": 10 ** (share_scale or 0)}
    eligible = "len(y.reasons) = 0 and c.in_term and y.known"
    refunded = OUTCOMES.format(relation=ORIGINALS, condition="true", why=WHY, **scales)
    return {
        **scales,
        "out": out,
        "format": FORMAT,
        "file_format": FILE_FORMAT,
        "earning_columns": EARNING_COLUMNS,
        "forgone": FORGONE,
        "own": OWN,
        "originals": ORIGINALS,
        "earned_lines": OUTCOMES.format(relation=OWN, condition=eligible, why="null", **scales),
        "refused_lines": OUTCOMES.format(
            relation="rest", condition=f"not ({eligible})", why=WHY, **scales),
        "refunded_lines": f"select * from ({refunded}) where true",
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
