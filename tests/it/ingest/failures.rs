//! Sources that are not as agreed: the run stops, with a message that says where and what to do.

use super::feed::{Feed, INVOICE, file, invoice_line};
use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use earnest::ErrorKind;
use parquet::arrow::ArrowWriter;
use std::sync::Arc;

const NAME: &str = "invoice_2021-02-08.csv";

fn good() -> String {
    file(INVOICE, &[invoice_line("I1", "10.00"), invoice_line("I1", "5.50")])
}

/// The message of a source with one file.
fn message(name: &str, bytes: impl AsRef<[u8]>) -> String {
    message_of(Feed::invoices(), name, bytes)
}

fn message_of(mut feed: Feed, name: &str, bytes: impl AsRef<[u8]>) -> String {
    feed.put(name, bytes);
    let (kind, message) = feed.fails();
    assert_eq!(kind, ErrorKind::Check, "{message}");
    assert!(message.contains("\nhint: "), "{message}");
    message.split_once('\n').map(|(message, _)| message.to_owned()).unwrap_or_default()
}

#[test]
fn headers_that_differ_stop_the_run() {
    assert_eq!(
        message(NAME, good().replace("Subtotal", "Net")),
        format!(
            "…/in/{NAME}: header: expected the columns `Subtotal`, found `{}`, … (13 columns)",
            INVOICE.split(',').take(8).collect::<Vec<_>>().join("`, `")
        )
    );
    assert_eq!(
        message(NAME, good().replace("OrderId", "ProductId")),
        format!("…/in/{NAME}: header: expected `ProductId` once, found it again")
    );
    assert_eq!(message(NAME, ""), format!("…/in/{NAME}: expected a header, found an empty file"));
    assert_eq!(
        message(NAME, "\"Invoice"),
        format!("…/in/{NAME}: expected a header in the first line, found none")
    );
    assert_eq!(
        message(
            NAME,
            good()
                .replace("Subtotal", "Subtotal\u{1}")
                .replace('\u{1}', "é")
                .into_bytes()
                .into_iter()
                .filter(|byte| *byte != 0xA9)
                .collect::<Vec<_>>()
        ),
        format!("…/in/{NAME}: expected a header in UTF-8, found other bytes")
    );
    let fail =
        Feed::new().source("nce", "nce-invoice-reconciliation", "in/*.csv", "drift = \"fail\"");
    assert_eq!(
        message_of(
            fail,
            NAME,
            good().replace("SkuId", "SkuId,Color").replace("0001,2021", "0001,red,2021")
        ),
        format!(
            "…/in/{NAME}: expected the columns of format `nce-invoice-reconciliation`, found `Color` too"
        )
    );
    let mut warn = Feed::invoices();
    warn.put(NAME, good().replace("SkuId", "SkuId,Color").replace("0001,2021", "0001,red,2021"));
    assert_eq!(
        warn.must().attention,
        [format!(
            "nce: {NAME} has columns that format `nce-invoice-reconciliation` doesn't declare: `Color`"
        )]
    );
}

#[test]
fn files_that_are_not_what_their_name_says_stop_the_run() {
    let zst = zstd::encode_all(good().repeat(500).as_bytes(), 1).expect("a zst");
    assert_eq!(
        message("invoice_2021-02-08.csv.zst", &zst[..zst.len() - 7]),
        "…/in/invoice_2021-02-08.csv.zst: expected a whole compressed file, found it truncated"
    );
    assert_eq!(message(NAME, &zst), format!("…/in/{NAME}: expected text, found zstandard"));
    let damaged = message("invoice_2021-02-08.csv.gz", b"\x1F\x8B\x08\x00garbage garbage garbage");
    let begin = "…/in/invoice_2021-02-08.csv.gz: expected a compressed file, found damage (";
    assert!(damaged.starts_with(begin), "{damaged}");
    let damaged = message("invoice_2021-02-08.parquet", b"PAR1 no parquet PAR1");
    let begin = "…/in/invoice_2021-02-08.parquet: expected a Parquet file, found damage (";
    assert!(damaged.starts_with(begin), "{damaged}");
    let texts = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text])) };
    let columns = INVOICE.split(',').map(|name| match name {
        "Subtotal" => (name, Arc::new(Float64Array::from(vec![10.1])) as ArrayRef),
        name => (name, texts("x")),
    });
    let batch = RecordBatch::try_from_iter(columns).expect("a batch");
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("written");
    writer.close().expect("closed");
    assert_eq!(
        message("invoice_2021-02-08.parquet", bytes),
        "…/in/invoice_2021-02-08.parquet: column `Subtotal`: expected decimals or text, found Float64"
    );
    assert_eq!(
        message("invoice_2021-02-08.xlsx", "x"),
        "…/in/invoice_2021-02-08.xlsx: expected a file ending with .csv, .tsv, .csv.gz, .tsv.gz, .csv.zst, .tsv.zst, .parquet, found another"
    );
}

#[test]
fn deliveries_without_a_day_stop_the_run() {
    for (name, found) in [
        ("invoice.csv", "`invoice.csv`"),
        ("invoice_2021-02-30.csv", "`invoice_2021-02-30.csv` with the day `2021-02-30`"),
        (
            "invoice_2021-02-08_99999999999.csv",
            "`invoice_2021-02-08_99999999999.csv` with the sequence `99999999999`",
        ),
    ] {
        let message = message(name, good());
        assert!(message.starts_with(&format!("…/in/{name}: expected a name like `^")), "{message}");
        assert!(message.ends_with(&format!(", found {found}")), "{message}");
    }
    let mut feed = Feed::invoices();
    let (_, message) = feed.fails();
    assert_eq!(
        message,
        "source `nce`: expected files at `…/in/*invoice*`, found none\n\
         hint: deliver the export, or set `required = false` for the source"
    );
}

#[test]
fn control_totals_are_tied() {
    let feed = |control: &str| {
        let feed = Feed::invoices();
        feed.put("invoice_2021-02-08.csv.control.csv", format!("rows,currency,sum\n{control}\n"));
        feed
    };
    let mut tied = feed("2,USD,15.5");
    tied.put(NAME, good());
    assert!(tied.must().attention.is_empty());
    assert_eq!(tied.query("select control_rows, control_sums from run_inputs"), ["2|USD=15.50"]);
    assert_eq!(
        message_of(feed("3,USD,15.50"), NAME, good()),
        format!("…/in/{NAME}: control total: expected 3 records, found 2")
    );
    assert_eq!(
        message_of(feed("2,USD,15.49"), NAME, good()),
        format!("…/in/{NAME}: control total: expected USD 15.49, found USD 15.50")
    );
    assert_eq!(
        message_of(feed("1,USD,15.50\n1,EUR,1"), NAME, good()),
        format!("…/in/{NAME}: control total: expected EUR 1.00, found EUR 0.00")
    );
    assert_eq!(
        message_of(feed("two,USD,15.50"), NAME, good()),
        format!("…/in/{NAME}.control.csv: record 1: expected a number of rows, found `two`")
    );
    let mut rejected = feed("2,USD,15.50");
    rejected.put(NAME, good().replace("5.50", "5.505"));
    assert_eq!(
        rejected.must().attention[0],
        format!("nce: {NAME}: control sums not tied, because 1 of its records were rejected")
    );
    let control =
        format!("[sources.nce.control]\n\"{NAME}\" = {{ rows = 2, sums = {{ USD = \"16\" }} }}");
    let job = Feed::new().source("nce", "nce-invoice-reconciliation", "in/*.csv", &control);
    assert_eq!(
        message_of(job, NAME, good()),
        format!("…/in/{NAME}: control total: expected USD 16.00, found USD 15.50")
    );
    let other = control.replace("2021-02-08", "2021-03-08");
    let job = Feed::new().source("nce", "nce-invoice-reconciliation", "in/*.csv", &other);
    assert_eq!(
        message_of(job, NAME, good()),
        "[sources.nce.control]: expected a file of the source, below …/in, found `invoice_2021-03-08.csv`, \
         which isn't there"
    );
}

#[test]
fn manifests_are_checked() {
    let case = |manifest: &str| {
        let feed = Feed::invoices();
        feed.put("a.manifest.toml", manifest);
        feed
    };
    let listed =
        |files: &str| format!("delivery = \"a\"\nknown_on = \"2021-02-08\"\nfiles = [{files}]\n");
    assert_eq!(
        message_of(case(&listed(&format!("\"{NAME}\", \"b.csv\""))), NAME, good()),
        "…/in/a.manifest.toml:3: expected the file `b.csv`, found none"
    );
    let outside = case(&listed(&format!("\"{NAME}\", \"b.csv\"")));
    outside.put("b.csv", good());
    assert_eq!(
        message_of(outside, NAME, good()),
        "…/in/a.manifest.toml: expected its files among those of source `nce`, found `…/in/b.csv` outside"
    );
    let twice = case(&listed(&format!("\"{NAME}\"")));
    twice.put("b.manifest.toml", listed(&format!("\"{NAME}\"")));
    assert_eq!(
        message_of(twice, NAME, good()),
        "…/in/b.manifest.toml: expected files of no other manifest, found some"
    );
    let bad_day = case(&listed(&format!("\"{NAME}\"")).replace("02-08\"\n", "02-30\"\n"));
    let mut feed = bad_day;
    feed.put(NAME, good());
    assert_eq!(
        feed.fails().1,
        "…/in/a.manifest.toml:2: expected a day YYYY-MM-DD, found `2021-02-30`"
    );
}

#[test]
fn an_unreadable_file_is_named() {
    let mut feed = Feed::invoices();
    std::os::unix::fs::symlink("/proc/self/mem", feed.path(NAME)).expect("a link");
    let (kind, message) = feed.fails();
    assert!(matches!(kind, ErrorKind::Check | ErrorKind::Broken), "{message}");
    assert!(message.contains(NAME), "{message}");
}

#[test]
fn a_warehouse_that_an_earlier_build_wrote_is_refused() {
    let mut feed = Feed::invoices();
    feed.put(NAME, good());
    feed.must();
    let snapshot = feed.snapshot.as_ref().expect("a run");
    let path = snapshot.paths(&feed.store, "run_inputs").remove(0);
    let older = path.with_extension("older");
    let sql = format!(
        "COPY (SELECT * RENAME (file_digest AS file_sha256) FROM '{}') TO '{}' (FORMAT parquet)",
        path.display(),
        older.display()
    );
    let connection = duckdb::Connection::open_in_memory().expect("DuckDB");
    connection.execute_batch(&sql).expect("written");
    std::fs::rename(older, &path).expect("replaced");
    let (_, message) = feed.fails();
    let expected = "expected BLAKE3 digests of the files that were read, found none";
    assert!(message.contains(expected), "{message}");
}
