//! One broken record per reason code, and what is said of it.

use super::feed::{Feed, INVOICE, LINES, invoice_line, line};
use earnest_core::reason::RejectReason;
use std::collections::BTreeSet;

const NCE: &str = "nce-invoice-reconciliation";

/// Format, header, bad record, reason, column, found.
const CASES: &[(&str, &str, &str, RejectReason, &str, &str)] = {
    use RejectReason::{
        BadDate, BadDecimal, BadEncoding, BadInteger, BadPeriod, DatesReversed, LongRecord,
        Missing, NotAllowed, NotPositive, OpenQuote, ShortRecord, TooLarge, TooManyDecimals,
        UnknownCurrency,
    };
    const RATES: &str = "rate_type,from_currency,to_currency,period,rate";
    const ENROLLMENTS: &str = "location_id,program,status,payout_profile,tax_profile,\
payment_currency,payment_method,hold,from,until";
    &[
        ("transactions", LINES, "A,,2021-01-12,P,,C,AZ,1,,,10", ShortRecord, "", "11 fields"),
        ("transactions", LINES, "A,,2021-01-12,P,,C,AZ,1,,,10,USD,", LongRecord, "", "13 fields"),
        ("transactions", LINES, "A,,2021-01-12,\"P,,C,AZ,1,,,10,USD", OpenQuote, "", ""),
        (
            "transactions",
            LINES,
            "A,,2021-01-12,P,,\u{1},AZ,1,,,10,USD",
            BadEncoding,
            "CustomerId",
            "\u{FFFD}",
        ),
        ("transactions", LINES, ",,2021-01-12,P,,C,AZ,1,,,10,USD", Missing, "LineId", ""),
        ("transactions", LINES, "A,,2021-01-12,P,,C,AZ,1,,, ,USD", Missing, "Amount", ""),
        (
            "transactions",
            LINES,
            "A,,2021-02-30,P,,C,AZ,1,,,10,USD",
            BadDate,
            "TransactionDate",
            "2021-02-30",
        ),
        ("transactions", LINES, "A,,2021-01-12,P,,C,AZ,1,,,1e3,USD", BadDecimal, "Amount", "1e3"),
        (
            "transactions",
            LINES,
            "A,,2021-01-12,P,,C,AZ,1,,,12.345,USD",
            TooManyDecimals,
            "Amount",
            "12.345",
        ),
        (
            "transactions",
            LINES,
            "A,,2021-01-12,P,,C,AZ,1,,,1.5,JPY",
            TooManyDecimals,
            "Amount",
            "1.5",
        ),
        (
            "transactions",
            LINES,
            "A,,2021-01-12,P,,C,AZ,1,,,999999999999999999999999999,USD",
            TooLarge,
            "Amount",
            "999999999999999999999999999",
        ),
        (
            "transactions",
            LINES,
            "A,,2021-01-12,P,,C,AZ,1,,,10,usd",
            UnknownCurrency,
            "Currency",
            "usd",
        ),
        (
            "transactions",
            LINES,
            "A,,2021-01-12,P,,C,AZ,1,2021-01-31,2021-01-01,10,USD",
            DatesReversed,
            "ChargeEndDate",
            "2021-01-01",
        ),
        (
            NCE,
            INVOICE,
            "I,C,P,,O,S,AZ,1,2021-01-05T00:00:00Z,,1.5,10,USD",
            BadInteger,
            "Quantity",
            "1.5",
        ),
        ("exchange-rates", RATES, "earning,EUR,USD,2021-13,1.1", BadPeriod, "period", "2021-13"),
        (
            "exchange-rates",
            RATES,
            "monthly,EUR,USD,2021-01,1.1",
            NotAllowed,
            "rate_type",
            "monthly",
        ),
        ("exchange-rates", RATES, "earning,EUR,USD,2021-01,0.000", NotPositive, "rate", "0.000"),
        ("enrollments", ENROLLMENTS, "L,p,Enrolled,,,USD,,maybe,,", NotAllowed, "hold", "maybe"),
        (
            "enrollments",
            ENROLLMENTS,
            "L,p,Enrolled,,,,,no,2021-02-01,2021-01-31",
            DatesReversed,
            "until",
            "2021-01-31",
        ),
    ]
};

#[test]
fn every_reason_is_found_and_explained() {
    let mut reached = BTreeSet::new();
    for (format, header, record, reason, column, found) in CASES {
        let mut feed = Feed::new().source("x", format, "in/x_*.csv", "reject_fail = \"1\"\n");
        let mut bytes = format!("{header}\n{record}\n").into_bytes();
        // The control character stands for a byte that UTF-8 never has.
        bytes.iter_mut().filter(|byte| **byte == 1).for_each(|byte| *byte = 0xFF);
        feed.put("x_2021-02-08.csv", &bytes);
        let ingested = feed.must();
        let code = reason.code();
        assert_eq!((ingested.rejected, ingested.staged), (1, 0), "{code}: {record}");
        assert_eq!(
            feed.query("select source_file, record, reason, column_name, found from rejects"),
            [format!("x_2021-02-08.csv|1|{code}|{column}|{found}")],
            "{record}"
        );
        let raw = feed.query("select raw from rejects");
        assert_eq!(raw, [record.replace('\u{1}', "\u{FFFD}")]);
        let said = feed.query("select expected <> '' and hint <> '' from rejects");
        assert_eq!(said, ["true"], "{code}");
        assert_eq!(ingested.attention.len(), 1, "{:?}", ingested.attention);
        reached.insert(*reason);
    }
    let all: BTreeSet<RejectReason> = RejectReason::ALL.iter().copied().collect();
    assert_eq!(reached, all, "a case for every reason");
}

#[test]
fn a_bad_record_costs_only_itself() {
    let mut feed = Feed::new().source("x", "transactions", "in/x_*.csv", "");
    let good = |id: &str| line(id, "1");
    let text = [
        LINES.to_owned(),
        good("A"),
        "B,,2021-01-12,\"P,,C,AZ,1,,,10,USD".to_owned(),
        good("C"),
        String::new(),
        "D,,2021-01-12,\"P\"\"\n1\",,C,AZ,1,,,3,USD".to_owned(),
        "E,,x,P,,C,AZ,1,,,10,USD".to_owned(),
        good("F").replace("0100001", "\"0100001\""),
    ];
    feed.put("x_2021-02-08.csv", text.join("\r\n"));
    let ingested = feed.must();
    assert_eq!((ingested.read, ingested.staged, ingested.rejected), (6, 4, 2));
    assert_eq!(
        feed.query("select transaction_id, record, billed_partner_id from transactions"),
        ["A|1|0100001", "C|3|0100001", "D|4|P\"\n1", "F|6|0100001"]
    );
    assert_eq!(feed.query("select record, reason from rejects"), ["2|OPEN_QUOTE", "5|BAD_DATE"]);
    assert_eq!(
        ingested.attention,
        [format!(
            "x: 2 of 6 records rejected; the first: {}: record 2: expected a closing quote before the end of the record, found none (OPEN_QUOTE)",
            feed.path("x_2021-02-08.csv").display()
        )]
    );
}

/// Records are typed together; one that fails must not touch those before or after it.
#[test]
fn a_bad_record_among_many_costs_only_itself() {
    let mut feed = Feed::new().source("x", "transactions", "in/x_*.csv", "");
    let record = |number: usize| match number {
        30 => "30,,2021-01-12,P,,C,AZ,1,2021-01-31,2021-01-01,30,USD".to_owned(),
        31 => "31,,2021-01-12,P,,C,AZ,1,2021-01-01,2021-01-31,31,USD".to_owned(),
        70 => line("70", "x"),
        number => line(&number.to_string(), &number.to_string()),
    };
    let lines: Vec<String> = (1..=150).map(record).collect();
    feed.put("x_2021-02-08.csv", super::feed::file(LINES, &lines));
    let ingested = feed.must();
    assert_eq!((ingested.read, ingested.staged, ingested.rejected), (150, 148, 2));
    assert_eq!(
        feed.query("select record, reason from rejects"),
        ["30|DATES_REVERSED", "70|BAD_DECIMAL"]
    );
    assert_eq!(
        feed.query(
            "select count(*) from transactions where transaction_id = record::varchar and base = record"
        ),
        ["148"]
    );
}

#[test]
fn limits_decide_what_rejects_mean() {
    let file = |bad: usize| {
        let lines: Vec<String> = (0..100)
            .map(|row| if row < bad { invoice_line("I", "x") } else { invoice_line("I", "1") })
            .collect();
        super::feed::file(INVOICE, &lines)
    };
    let limits = "reject_warn = \"0.02\"\nreject_fail = \"0.05\"\n";
    let feed = |bad: usize| {
        let feed = Feed::new().source("x", NCE, "in/x_*.csv", limits);
        feed.put("x_2021-02-08.csv", file(bad));
        feed
    };
    assert!(feed(2).must().attention.is_empty());
    assert_eq!(feed(3).must().attention.len(), 1);
    assert_eq!(feed(5).must().rejected, 5);
    let (kind, message) = feed(6).fails();
    assert_eq!(kind, earnest::ErrorKind::Check);
    assert_eq!(
        message,
        "source `x`: expected at most 0.05 of its records to be rejected, found 6 of 100; the first: …/in/x_2021-02-08.csv: record 1: column `Subtotal`: expected a decimal number such as `1234.50`, found `x` (BAD_DECIMAL)\n\
         hint: correct the export or the format, or raise `reject_fail` for the source"
    );
}
