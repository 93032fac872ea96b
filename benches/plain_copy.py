"""A plain copy: the columns that the calculation reads in, as many rows and columns out as it
writes, with the same types, codec and level, and no calculation. What is left is decoding and
encoding, which is the least that any engine must do.

Low-cardinality texts stand for low-cardinality texts, ids for ids, amounts for amounts; the earning
id, which is a digest, is a hash of the transaction id, since nothing else is as incompressible.
"""

import argparse
import json
import pathlib
import sys

READ = """transaction_id, source, transaction_on, billed_partner_id, reseller_partner_id,
    customer_id, product_id, sku_id, transaction_currency, base"""


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine", choices=["duckdb", "polars"])
    parser.add_argument("--files", required=True, type=pathlib.Path,
                        help="JSON: staged table → its files")
    parser.add_argument("--out", required=True, type=pathlib.Path)
    for table in ["transactions", "earnings", "unearned", "out-of-scope", "earning-sources"]:
        parser.add_argument(f"--{table}", required=True, type=int, help="its rows")
    return parser.parse_args()


def reading(options):
    """The columns that are read; quantities only where they are measured."""
    return READ + ", quantity" if options.earning_sources else READ


def with_duckdb(options, files):
    import duckdb

    connection = duckdb.connect()
    connection.execute("set preserve_insertion_order = false")
    connection.execute(f"set temp_directory = '{options.out}/temp'")
    quoted = ", ".join(f"'{file}'" for file in files)
    read = reading(options)
    connection.execute(f"create view t as select {read} from "
                       f"read_parquet([{quoted}], hive_partitioning = false)")
    texts = "source, sku_id, transaction_currency, billed_partner_id, reseller_partner_id, product_id"
    money = "base::decimal(18,3)"
    rate = "0.04::decimal(18,9)"
    outputs = {
        "earnings": (options.earnings, f"""
            hash(transaction_id) as a, hash(transaction_id, source) as b, {texts},
            {texts.replace('product_id', 'source')}, source, transaction_on, transaction_id,
            null::text as c, null::text as d, customer_id, base, {rate}, {rate}, {rate},
            {money}, 0::decimal(18,3), {money}, {money}, null::text as e"""),
        "unearned": (options.unearned, f"""
            {texts}, {texts.replace('product_id', 'source')}, transaction_on, transaction_id,
            null::text as c, customer_id, base, base"""),
        "out_of_scope": (options.out_of_scope, f"""
            {texts}, transaction_on, transaction_id, null::text as c, customer_id, base, true"""),
        "earning_sources": (options.earning_sources, """
            hash(transaction_id) as a, hash(transaction_id, source) as b, source, sku_id,
            transaction_id, base, base as share, base as program_share, null::text as c,
            transaction_currency, base as measured"""),
    }
    for name, (rows, columns) in outputs.items():
        whole, rest = divmod(rows, options.transactions)
        if not rows:
            continue
        parts = [f"select {read} from t cross join range({whole})"] if whole else []
        parts.append(f"select {read} from t limit {rest}")
        union = " union all ".join(f"({part})" for part in parts)
        connection.execute(f"""
            copy (select {columns} from ({union})) to '{options.out}/{name}'
            (format parquet, compression zstd, compression_level 1, per_thread_output true)""")


def with_polars(options, files):
    import polars as pl

    lines = pl.scan_parquet(files).select([name.strip() for name in reading(options).split(",")])
    money = pl.col("base").cast(pl.Decimal(18, 3))
    rate = pl.lit("0.04").cast(pl.Decimal(18, 9))
    none = pl.lit(None, dtype=pl.String)
    texts = ["source", "sku_id", "transaction_currency", "billed_partner_id",
             "reseller_partner_id", "product_id"]

    def text(count):
        return [pl.col(texts[number % 6]).alias(f"text{number}") for number in range(count)]

    outputs = {
        "earnings": (options.earnings, [
            pl.col("transaction_id").hash(0).alias("a"), pl.col("transaction_id").hash(1).alias("b"),
            *text(13), "transaction_on", "transaction_id", none.alias("c"), none.alias("d"),
            "customer_id", "base", rate.alias("r1"), rate.alias("r2"), rate.alias("r3"),
            money.alias("m1"), pl.lit("0").cast(pl.Decimal(18, 3)).alias("m2"), money.alias("m3"),
            money.alias("m4"), none.alias("e"),
        ]),
        "unearned": (options.unearned, [
            *text(12), "transaction_on", "transaction_id", none.alias("c"), "customer_id", "base",
            pl.col("base").alias("forgone"),
        ]),
        "out_of_scope": (options.out_of_scope, [
            *text(6), "transaction_on", "transaction_id", none.alias("c"), "customer_id", "base",
            pl.lit(True).alias("whole"),
        ]),
        "earning_sources": (options.earning_sources, [
            pl.col("transaction_id").hash(0).alias("a"), pl.col("transaction_id").hash(1).alias("b"),
            "source", "sku_id", "transaction_id", "base", pl.col("base").alias("share"),
            pl.col("base").alias("program_share"), none.alias("c"), "transaction_currency",
            pl.col("base").alias("measured"),
        ]),
    }
    for name, (rows, columns) in outputs.items():
        whole, rest = divmod(rows, options.transactions)
        if not rows:
            continue
        copies = pl.concat([*[lines] * whole, lines.head(rest)])
        copies.select(columns).sink_parquet(
            options.out / f"{name}.parquet", compression="zstd", compression_level=1,
            row_group_size=262_144, maintain_order=False, engine="streaming")


def main():
    options = arguments()
    options.out.mkdir(parents=True)
    files = json.loads(options.files.read_text())["transactions"]
    {"duckdb": with_duckdb, "polars": with_polars}[options.engine](options, files)


sys.exit(main())
