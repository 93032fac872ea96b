"""DuckDB's CSV reader with the same typing: invoice files in, typed and renamed columns out.

It gets the types and names, refuses an amount with more decimals than its column holds (a plain cast
would round it), and writes Parquet with the same codec. Digests of the files, ids, supersession,
rejects and durable writes are left out, to its advantage.
"""

import argparse
import pathlib

import duckdb

# Column of the file → type, and column of the staged table if it is kept.
KEPT = {
    "MpnId": ("varchar", "billed_partner_id"),
    "ResellerMpnId": ("varchar", "reseller_partner_id"),
    "CustomerId": ("varchar", "customer_id"),
    "CustomerName": ("varchar", "customer_name"),
    "CustomerCountry": ("varchar", "customer_country"),
    "ProductId": ("varchar", "product_id"),
    "SkuId": ("varchar", "sku_id"),
    "ProductName": ("varchar", "product_name"),
    "InvoiceNumber": ("varchar", "invoice_number"),
    "OrderId": ("varchar", "order_id"),
    "SubscriptionId": ("varchar", "subscription_id"),
    "ChargeType": ("varchar", "charge_type"),
    "ChargeStartDate": ("timestamp", "charge_start_on"),
    "ChargeEndDate": ("timestamp", "charge_end_on"),
    "TermAndBillingCycle": ("varchar", "term_and_billing_cycle"),
    "PublisherName": ("varchar", "publisher_name"),
    "Quantity": ("decimal(38,12)", "quantity"),
    "UnitPrice": ("decimal(38,12)", "unit_price"),
    "Subtotal": ("decimal(38,12)", "base"),
    "Currency": ("varchar", "transaction_currency"),
    "ReferenceID": ("varchar", "reference_id"),
}


def typed(name, kind, column):
    """A column as it is staged: days without their time, decimals exact."""
    if kind == "timestamp":
        return f"{name}::date as {column}"
    if kind.startswith("decimal"):
        return (f"case when length(split_part({name}, '.', 2)) <= 12 then {name}::{kind} "
                f"else error('{name}: too many decimals') end as {column}")
    return f"{name} as {column}"


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--exports", required=True, type=pathlib.Path)
    arguments.add_argument("--out", required=True, type=pathlib.Path)
    options = arguments.parse_args()
    options.out.mkdir(parents=True)
    files = sorted(str(path) for path in options.exports.glob("nce_*.csv"))
    header = pathlib.Path(files[0]).open().readline().strip().split(",")
    read = {name: "timestamp" for name, (kind, _) in KEPT.items() if kind == "timestamp"}
    types = ", ".join(f"'{name}': '{read.get(name, 'varchar')}'" for name in header)
    selected = ", ".join(typed(name, kind, column) for name, (kind, column) in KEPT.items())
    connection = duckdb.connect()
    connection.execute("set preserve_insertion_order = false")
    connection.execute(f"""
        copy (select {selected}, ChargeStartDate::date as transaction_on,
                     strftime(ChargeStartDate, '%Y-%m') as period
              from read_csv({files}, header = true, auto_detect = false, delim = ',', quote = '"',
                            columns = {{{types}}}))
        to '{options.out}/transactions'
        (format parquet, compression zstd, compression_level 1, per_thread_output true)""")


main()
