//! The same rows in every file type and encoding; long files; record numbers.

use super::feed::{Feed, INVOICE, LINES, file, invoice_line, line};
use arrow::array::{ArrayRef, Date32Array, Decimal128Array, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use std::io::Write;
use std::sync::Arc;

fn digest_of(name: &str, bytes: &[u8], source: fn() -> Feed) -> (String, Vec<String>) {
    let mut feed = source();
    feed.put(name, bytes);
    feed.must();
    let rows = feed.query("select transaction_id, customer_id, base from transactions");
    (feed.digest("transactions"), rows)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writer.write_all(bytes).expect("written");
    writer.finish().expect("a gzip")
}

#[test]
fn file_types_and_encodings_give_the_same_rows() {
    let rows = ["Ä", "€", "\"a, \"\"b\"\"\"", " trimmed "]
        .map(|customer| invoice_line("I1", "1.50").replace("C1", customer));
    let text = file(INVOICE, &rows);
    let utf16 = |order: fn(u16) -> [u8; 2]| -> Vec<u8> {
        format!("\u{FEFF}{text}").encode_utf16().flat_map(order).collect()
    };
    let latin = |format: &str| -> Vec<u8> {
        assert_eq!(format, "windows-1252");
        text.replace('Ä', "\u{1}")
            .replace('€', "\u{2}")
            .into_bytes()
            .into_iter()
            .map(|byte| match byte {
                1 => 0xC4,
                2 => 0x80,
                byte => byte,
            })
            .collect()
    };
    let (expected, found) = digest_of("invoice_2021-02-08.csv", text.as_bytes(), Feed::invoices);
    let customers: Vec<&str> = found.iter().map(|row| &row[29..]).collect();
    assert_eq!(customers.len(), 4);
    assert!(found.iter().any(|row| row.contains("|a, \"b\"|")), "{found:?}");
    assert!(found.iter().any(|row| row.contains("|trimmed|")), "{found:?}");
    let cases: [(&str, Vec<u8>); 7] = [
        ("invoice_2021-02-08.csv", format!("\u{FEFF}{text}").into_bytes()),
        ("invoice_2021-02-08.csv", text.replace('\n', "\r\n").into_bytes()),
        ("invoice_2021-02-08.csv", utf16(u16::to_le_bytes)),
        ("invoice_2021-02-08.csv", utf16(u16::to_be_bytes)),
        ("invoice_2021-02-08.csv.gz", gzip(text.as_bytes())),
        ("invoice_2021-02-08.csv.zst", zstd::encode_all(text.as_bytes(), 1).expect("a zst")),
        ("invoice_2021-02-08.csv", text.trim_end().as_bytes().to_vec()),
    ];
    for (name, bytes) in cases {
        assert_eq!(
            digest_of(name, &bytes, Feed::invoices),
            (expected.clone(), found.clone()),
            "{name}"
        );
    }
    let tabs = file(
        &INVOICE.replace(',', "\t"),
        &[invoice_line("I1", "1.50").replace(',', "\t").replace("C1", "a,b")],
    );
    let (_, rows) = digest_of("invoice_2021-02-08.tsv", tabs.as_bytes(), Feed::invoices);
    assert!(rows[0].contains("|a,b|"), "{rows:?}");
    let mut feed = Feed::invoices();
    let formats = tempfile::tempdir().expect("a folder");
    let shipped =
        crate::support::project().join("pipelines/sources/nce-invoice-reconciliation.toml");
    let shipped = std::fs::read_to_string(shipped).expect("the format");
    let changed = shipped.replace("encoding = \"utf-8\"", "encoding = \"windows-1252\"");
    std::fs::write(formats.path().join("nce.toml"), changed).expect("written");
    feed.put("invoice_2021-02-08.csv", latin("windows-1252"));
    let job = feed.job_with(formats.path(), "").expect("a job");
    feed.run_job(&job, "2021-12-31").expect("a run");
    assert_eq!(feed.digest("transactions"), expected);
}

#[test]
fn parquet_gives_the_same_rows_as_text() {
    let days = |days: Vec<Option<i32>>| -> ArrayRef { Arc::new(Date32Array::from(days)) };
    let decimals = |values: Vec<i128>| -> ArrayRef {
        let array = Decimal128Array::from(values).with_precision_and_scale(18, 4);
        Arc::new(array.expect("decimals"))
    };
    let texts = |values: [&str; 2]| -> ArrayRef { Arc::new(StringArray::from(values.to_vec())) };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("LineId", texts(["A", "B"])),
        ("OriginalLineId", Arc::new(StringArray::from(vec![None::<&str>, None]))),
        ("TransactionDate", days(vec![Some(18_639), Some(18_640)])),
        ("BilledPartnerId", texts(["0100001", "0100001"])),
        ("ResellerPartnerId", texts(["", "0"])),
        ("CustomerId", texts(["C1", "C1"])),
        ("ProductId", texts(["AZ", "AZ"])),
        ("Quantity", Arc::new(Int64Array::from(vec![1, 2]))),
        ("Amount", decimals(vec![123_400, -5_000])),
        ("Currency", texts(["USD", "USD"])),
    ];
    let batch = RecordBatch::try_from_iter(columns).expect("a batch");
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("written");
    writer.close().expect("closed");
    let text = "LineId,OriginalLineId,TransactionDate,BilledPartnerId,ResellerPartnerId,CustomerId,\
ProductId,Quantity,Amount,Currency\n\
A,,2021-01-12,0100001,,C1,AZ,1,12.3400,USD\nB,,2021-01-13,0100001,0,C1,AZ,2,-0.5,USD\n";
    assert_eq!(
        digest_of("lines_2021-02-08.parquet", &bytes, Feed::lines),
        digest_of("lines_2021-02-08.csv", text.as_bytes(), Feed::lines)
    );
}

/// A file of several blocks, with quoted line ends, blank lines and open quotes on the way: every line
/// is a row or a reject of its number, whatever the number of threads.
#[test]
fn record_numbers_are_exact_in_long_files() {
    let mut random = fastrand::Rng::with_seed(11);
    let mut text = format!("{LINES}\n");
    let mut expected = Vec::new();
    for record in 1..80_000 {
        let id = format!("L{record}");
        match random.u32(0..40) {
            0 => {
                text += &line(&id, "1.234");
                expected.push(format!("{record}|TOO_MANY_DECIMALS"));
            }
            1 => {
                text += &line(&id, "1").replace("C1", "\"open");
                expected.push(format!("{record}|OPEN_QUOTE"));
            }
            2 => text += &line(&id, "1").replace("C1", "\"two\nlines, one \"\"record\"\"\""),
            3 => text += &line(&id, "1").replace("C1", &"x".repeat(500)),
            4 => {
                text += "\n\r\n";
                text += &line(&id, "1");
            }
            5 => {
                text += "short,record";
                expected.push(format!("{record}|SHORT_RECORD"));
            }
            _ => text += &line(&id, "1").replace("C1", &format!("\"{id}\"")),
        }
        text += "\n";
    }
    assert!(text.len() > 3 << 20, "several blocks");
    expected.sort();
    let mut staged = Vec::new();
    for threads in [1, 3] {
        let mut feed = Feed::lines();
        feed.put("lines_2021-02-08.csv", &text);
        let limits = format!("[limits]\nthreads = {threads}\n");
        let sources = crate::support::project().join("pipelines/sources");
        let job = feed.job_with(&sources, &limits).expect("a job");
        let ingested = feed.run_job(&job, "2021-12-31").expect("a run");
        assert_eq!(ingested.read, 79_999);
        let mut found = feed.query("select record, reason from rejects");
        found.sort();
        let differs = found.iter().zip(&expected).find(|(found, expected)| found != expected);
        assert_eq!(differs, None);
        assert_eq!(found.len(), expected.len());
        let numbered =
            feed.query("select count(*) from transactions where transaction_id = 'L' || record");
        assert_eq!(numbered, [(79_999 - expected.len()).to_string()]);
        staged.push(feed.snapshot.expect("a run").files("transactions").to_vec());
    }
    assert_eq!(staged[0], staged[1], "the same bytes with any number of threads");
}

#[test]
fn random_records_are_read_as_the_csv_crate_reads_them() {
    let mut random = fastrand::Rng::with_seed(5);
    for round in 0..50 {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(LINES.split(',')).expect("written");
        for row in 0..random.usize(0..40) {
            let customer: String = (0..random.usize(0..9))
                .map(|_| random.choice(b"ab\",\n;\r".iter()))
                .map(|byte| char::from(*byte.expect("a byte")))
                .collect();
            let id = format!("L{row}");
            let record = line(&id, "1");
            let mut fields: Vec<&str> = record.split(',').collect();
            fields[5] = &customer;
            writer.write_record(&fields).expect("written");
        }
        let bytes = writer.into_inner().expect("bytes");
        let expected: Vec<String> = csv::Reader::from_reader(bytes.as_slice())
            .records()
            .map(|record| record.expect("a record")[5].trim().to_owned())
            .collect();
        let mut feed = Feed::lines();
        feed.put("lines_2021-02-08.csv", &bytes);
        feed.must();
        let mut found = feed.query("select record, customer_id from transactions");
        found.sort_by_key(|row| {
            row.split_once('|').and_then(|(record, _)| record.parse::<u64>().ok())
        });
        let found: Vec<&str> =
            found.iter().filter_map(|row| row.split_once('|')).map(|row| row.1).collect();
        assert_eq!(found, expected, "round {round}");
    }
}
