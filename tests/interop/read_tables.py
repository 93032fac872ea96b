"""Published tables read by others: Python's DuckDB, Polars and pyarrow find the same rows and sums.

In: the earnest binary, and the day as of which the sample data is run. The tables are read through
`current.json` and through `warehouse.duckdb`, from another working directory, and again after the
warehouse was moved and catalogued anew.
"""

import decimal
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import duckdb
import polars
import pyarrow
import pyarrow.compute
import pyarrow.parquet

ROOT = pathlib.Path(__file__).resolve().parents[2]


def main():
    binary, as_of = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2]
    with tempfile.TemporaryDirectory(prefix="earnest-interop-") as folder:
        folder = pathlib.Path(folder)
        warehouse = folder / "first place"
        earnest(binary, "run", "--as-of", as_of, "--warehouse", warehouse)
        earnest(binary, "catalog", "--warehouse", warehouse)
        elsewhere = folder / "elsewhere"
        elsewhere.mkdir()
        os.chdir(elsewhere)
        first = agree(warehouse)
        moved = folder / "moved" / "second place"
        moved.parent.mkdir()
        warehouse.rename(moved)
        earnest(binary, "catalog", "--warehouse", moved)
        second = agree(moved)
        expect("after the move", first, second)
        asked = earnest(binary, "query", "--warehouse", moved, "-o", "csv",
                        "select count(*), sum(program_amount) from earnings")
        rows, amount = asked.strip().splitlines()[-1].split(",")
        found = first["earnings"]
        expect("earnest query", (int(rows), decimal.Decimal(amount)),
               (found["rows"], found["sums"]["program_amount"]))
    print(f"interop: {len(first)} tables, {sum(table['rows'] for table in first.values())} rows, "
          "equal in DuckDB, Polars and pyarrow")


def earnest(binary, command, *arguments):
    """Runs a command of earnest in the project's folder and gives back its data."""
    done = subprocess.run([binary, command, "--pipeline", "pipelines/daily.toml", *arguments],
                          cwd=ROOT, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        sys.exit(f"earnest {command}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def expect(place, expected, found):
    if expected != found:
        sys.exit(f"interop: {place}: expected {expected}, found {found}")


def agree(warehouse):
    """Rows and decimal sums of every table, the same from every reader."""
    snapshot = json.loads((warehouse / "current.json").read_text())
    catalog = duckdb.connect(str(warehouse / "warehouse.duckdb"), read_only=True)
    tables = {}
    for name, table in snapshot["tables"].items():
        files = [str(warehouse / file["path"]) for file in table["files"]]
        viewed = with_catalog(catalog, name)
        expect(f"{name}: rows of the snapshot", table["rows"], viewed["rows"])
        if files:
            for reader in (with_duckdb, with_polars, with_pyarrow):
                expect(f"{name}: {reader.__name__}", viewed, reader(files))
        tables[name] = viewed
    catalog.close()
    if not tables.get("earnings", {}).get("rows"):
        sys.exit("interop: expected earnings in the sample, found none")
    return tables


def with_catalog(connection, name):
    return summed_by_duckdb(connection, f'"{name}"')


def with_duckdb(files):
    quoted = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
    return summed_by_duckdb(duckdb.connect(), f"read_parquet([{quoted}], hive_partitioning=false)")


def summed_by_duckdb(connection, relation):
    columns = connection.execute(f"describe select * from {relation}").fetchall()
    decimals = [name for name, kind, *_ in columns if kind.startswith("DECIMAL")]
    sums = ", ".join(["count(*)"] + [f'sum("{name}")' for name in decimals])
    rows, *found = connection.execute(f"select {sums} from {relation}").fetchone()
    return {"columns": sorted(column[0] for column in columns), "rows": rows,
            "sums": {name: value or decimal.Decimal(0) for name, value in zip(decimals, found)}}


def with_polars(files):
    frame = polars.scan_parquet(files, glob=False, hive_partitioning=False)
    schema = frame.collect_schema()
    decimals = [name for name, kind in schema.items() if isinstance(kind, polars.Decimal)]
    found = frame.select(polars.len().alias("rows"), *(polars.col(name).sum() for name in decimals))
    found = found.collect().row(0, named=True)
    return {"columns": sorted(schema.names()), "rows": found["rows"],
            "sums": {name: found[name] or decimal.Decimal(0) for name in decimals}}


def with_pyarrow(files):
    tables = [pyarrow.parquet.ParquetFile(file).read() for file in files]
    table = pyarrow.concat_tables(tables)
    decimals = [field.name for field in table.schema if pyarrow.types.is_decimal(field.type)]
    sums = {}
    for name in decimals:
        value = pyarrow.compute.sum(table.column(name)).as_py()
        sums[name] = value or decimal.Decimal(0)
    return {"columns": sorted(table.column_names), "rows": table.num_rows, "sums": sums}


main()
