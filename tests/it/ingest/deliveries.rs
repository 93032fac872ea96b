//! What newer deliveries replace, what comes again, what is not known yet.

use super::feed::{Feed, INVOICE, LINES, file, invoice_line, line};

fn invoice(lines: &[(&str, &str)]) -> String {
    let lines: Vec<String> =
        lines.iter().map(|(invoice, amount)| invoice_line(invoice, amount)).collect();
    file(INVOICE, &lines)
}

fn lines(lines: &[(&str, &str)]) -> String {
    let lines: Vec<String> = lines.iter().map(|(id, amount)| line(id, amount)).collect();
    file(LINES, &lines)
}

/// Every order of a few things.
fn orders(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    orders(count - 1)
        .into_iter()
        .flat_map(|order| {
            (0..count).map(move |place| {
                let mut order = order.clone();
                order.insert(place, count - 1);
                order
            })
        })
        .collect()
}

const DAYS: [&str; 4] = ["2021-02-08", "2021-03-08", "2021-04-08", "2021-12-31"];

#[test]
fn a_newer_delivery_of_a_slice_replaces_it_whole_in_whatever_order_they_arrive() {
    let files = [
        ("invoice_2021-02-08.csv", invoice(&[("I1", "10"), ("I1", "11"), ("I2", "20")])),
        ("invoice_2021-03-08.csv", invoice(&[("I1", "12"), ("I3", "30")])),
        ("invoice_2021-04-08.csv", invoice(&[("I1", "13"), ("I2", "21")])),
    ];
    let mut outcomes = Vec::new();
    for order in orders(3) {
        let mut feed = Feed::invoices();
        for place in order {
            feed.put(files[place].0, &files[place].1);
            feed.must();
        }
        outcomes.push(DAYS.map(|day| feed.in_force(day)));
    }
    assert_eq!(
        outcomes[0],
        [
            vec!["10", "11", "20"],
            vec!["12", "20", "30"],
            vec!["13", "21", "30"],
            vec!["13", "21", "30"]
        ]
    );
    assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]), "{outcomes:?}");
    let mut at_once = Feed::invoices();
    for (name, text) in &files {
        at_once.put(name, text);
    }
    at_once.must();
    assert_eq!(DAYS.map(|day| at_once.in_force(day)), outcomes[0]);
    assert_eq!(
        at_once.query("select slice_key, kind, known_on, rows from supersessions"),
        ["I1|superseded|2021-03-08|2", "I1|superseded|2021-04-08|1", "I2|superseded|2021-04-08|1"]
    );
}

#[test]
fn what_a_complete_delivery_lacks_is_withdrawn_even_if_it_comes_late() {
    let manifest = |entry: &str| {
        format!(
            "delivery = \"a\"\nknown_on = \"2021-03-08\"\nfiles = [\"invoice-b.csv\"]\ncomplete_for = [{entry}]\n"
        )
    };
    for entry in ["\"I1\", \"I2\"", "\"*\""] {
        for late in [false, true] {
            let mut feed = Feed::invoices();
            let first = || invoice(&[("I1", "10"), ("I2", "20")]);
            if !late {
                feed.put("invoice_2021-02-08.csv", first());
                feed.must();
            }
            feed.put("invoice-b.csv", invoice(&[("I2", "21")]));
            feed.put("a.manifest.toml", manifest(entry));
            feed.must();
            feed.put("invoice_2021-02-08.csv", first());
            feed.must();
            assert_eq!(feed.in_force("2021-02-08"), ["10", "20"], "{entry} late: {late}");
            assert_eq!(feed.in_force("2021-03-08"), ["21"], "{entry} late: {late}");
            feed.put("invoice_2021-04-08.csv", invoice(&[("I1", "11")]));
            feed.must();
            assert_eq!(feed.in_force("2021-04-08"), ["11", "21"], "{entry} late: {late}");
            assert_eq!(
                feed.query("select slice_key, kind, rows from supersessions where rows > 0"),
                ["I1|withdrawn|1", "I2|superseded|1"]
            );
        }
    }
}

#[test]
fn an_export_without_slices_replaces_the_one_before_even_if_it_is_empty() {
    let header = "location_id,agreement_type,status,from,until";
    let mut feed = Feed::new().source("agreements", "agreements", "in/agreements_*.csv", "");
    feed.put("agreements_2021-01-01.csv", format!("{header}\nL1,MPN,,2020-01-01,\n"));
    feed.put("agreements_2021-02-01.csv", format!("{header}\n"));
    feed.must();
    feed.put("agreements_2021-03-01.csv", format!("{header}\nL1,MPN,,2020-01-01,2021-03-31\n"));
    feed.must();
    let count = |day: &str| {
        let snapshot = feed.snapshot.as_ref().expect("a run");
        let table = &earnest::schema::AGREEMENTS;
        let day = crate::support::day(day);
        earnest::ingest::read_table(&feed.store, snapshot, table, day).expect("a table").num_rows()
    };
    let days = ["2020-12-31", "2021-01-31", "2021-02-28", "2021-03-31"];
    assert_eq!(days.map(count), [0, 1, 0, 1]);
    assert_eq!(feed.query("select max(until_on) from agreements"), ["2021-04-01"]);
}

#[test]
fn a_newer_row_supersedes_the_older_one_in_whatever_order_they_arrive() {
    let files = [
        ("lines_2021-02-08.csv", lines(&[("A", "10"), ("B", "20")])),
        ("lines_2021-03-08.csv", lines(&[("A", "11"), ("C", "30")])),
        ("lines_2021-04-08.csv", lines(&[("A", "12"), ("B", "21")])),
    ];
    for order in orders(3) {
        let mut feed = Feed::lines();
        for place in &order {
            feed.put(files[*place].0, &files[*place].1);
            feed.must();
        }
        assert_eq!(
            DAYS.map(|day| feed.in_force(day)),
            [
                vec!["10", "20"],
                vec!["11", "20", "30"],
                vec!["12", "21", "30"],
                vec!["12", "21", "30"]
            ],
            "{order:?}"
        );
    }
}

#[test]
fn rows_of_one_key_and_rank_that_differ_are_both_out_of_force() {
    let mut feed = Feed::lines();
    feed.put("a-lines_2021-02-08.csv", lines(&[("A", "10"), ("B", "20"), ("C", "30")]));
    assert!(feed.must().attention.is_empty());
    feed.put("b-lines_2021-02-08.csv", lines(&[("A", "11"), ("B", "20"), ("D", "40")]));
    feed.put(
        "c-lines_2021-02-09.csv",
        lines(&[("E", "50"), ("E", "51"), ("F", "60"), ("F", "60")]),
    );
    let ingested = feed.must();
    assert_eq!(ingested.duplicate, 1, "an equal row of one delivery is a duplicate");
    assert_eq!(
        ingested.attention,
        [
            "lines: 2 keys with versions that contradict each other: none counts until a newer one comes; the first: `A`"
        ]
    );
    assert_eq!(feed.in_force("2021-02-08"), ["20", "30", "40"]);
    assert_eq!(feed.in_force("2021-02-09"), ["20", "30", "40", "60"]);
    assert_eq!(
        feed.query("select row_key, kind, rows from supersessions"),
        [
            "A|conflicting_versions|1",
            "A|conflicting_versions|1",
            "B|superseded|1",
            "E|conflicting_versions|2"
        ]
    );
    feed.put("lines_2021-03-08.csv", lines(&[("A", "12"), ("E", "52")]));
    assert!(feed.must().attention.is_empty());
    assert_eq!(feed.in_force("2021-03-08"), ["12", "20", "30", "40", "52", "60"]);
}

#[test]
fn slices_of_equal_rank_may_repeat_but_not_contradict_each_other() {
    let mut feed = Feed::invoices();
    feed.put("a-invoice_2021-02-08.csv", invoice(&[("I1", "10"), ("I1", "11"), ("I2", "20")]));
    feed.put("b-invoice_2021-02-08.csv", invoice(&[("I1", "11"), ("I1", "10"), ("I3", "30")]));
    feed.must();
    assert_eq!(feed.in_force("2021-02-08"), ["10", "11", "20", "30"]);
    feed.put("c-invoice_2021-02-08.csv", invoice(&[("I3", "31")]));
    let (kind, message) = feed.fails();
    assert_eq!(kind, earnest::ErrorKind::Check);
    assert_eq!(
        message,
        "source `nce`: slice `I3`: expected one delivery known on 2021-02-08 with sequence 1, found `b-invoice_2021-02-08.csv` and `c-invoice_2021-02-08.csv` with different content\n\
         hint: give the newer one a higher sequence in its name or manifest; parts of one delivery are named by one delivery, and those that came before lie there unchanged"
    );
    feed.remove("c-invoice_2021-02-08.csv");
    feed.put("c-invoice_2021-02-08_2.csv", invoice(&[("I3", "31")]));
    feed.must();
    assert_eq!(feed.in_force("2021-02-08"), ["10", "11", "20", "31"]);
}

#[test]
fn the_same_bytes_again_are_a_duplicate_once() {
    let mut feed = Feed::invoices();
    let text = invoice(&[("I1", "10"), ("I1", "10")]);
    feed.put("invoice_2021-02-08.csv", &text);
    feed.put("copy-invoice_2021-02-08.csv", &text);
    let ingested = feed.must();
    assert_eq!((ingested.read, ingested.staged, ingested.duplicate), (4, 2, 2));
    feed.put("copy-invoice_2021-02-19.csv", &text);
    let ingested = feed.must();
    assert_eq!((ingested.read, ingested.staged, ingested.duplicate), (2, 0, 2));
    let ingested = feed.must();
    assert_eq!((ingested.read, ingested.staged, ingested.duplicate), (0, 0, 0));
    assert_eq!(feed.in_force("2021-12-31"), ["10", "10"]);
    assert_eq!(
        feed.query("select source_file, state, rows_read, rows_duplicate from run_inputs"),
        [
            "copy-invoice_2021-02-08.csv|staged|2|0",
            "copy-invoice_2021-02-19.csv|duplicate|2|2",
            "invoice_2021-02-08.csv|duplicate|2|2"
        ]
    );
}

#[test]
fn a_delivery_that_takes_a_correction_back_is_no_duplicate() {
    let right = invoice(&[("I1", "10")]);
    let wrong = invoice(&[("I1", "99")]);
    let files = [
        ("invoice_2021-02-08.csv", &right),
        ("invoice_2021-03-08.csv", &wrong),
        ("invoice_2021-04-08.csv", &right),
    ];
    for order in orders(3) {
        let mut feed = Feed::invoices();
        for place in &order {
            feed.put(files[*place].0, files[*place].1);
            feed.must();
        }
        assert_eq!(
            DAYS.map(|day| feed.in_force(day)),
            [["10"], ["99"], ["10"], ["10"]],
            "{order:?}"
        );
        assert_eq!(feed.must().read, 0);
    }
}

#[test]
fn a_part_that_is_the_same_again_still_belongs_to_its_delivery() {
    let mut feed = Feed::invoices();
    feed.put("invoice_2021-02-08_part1.csv", invoice(&[("I1", "10")]));
    feed.put("invoice_2021-02-08_part2.csv", invoice(&[("I1", "11")]));
    feed.must();
    feed.put("invoice_2021-03-08_part1.csv", invoice(&[("I1", "10")]));
    feed.put("invoice_2021-03-08_part2.csv", invoice(&[("I1", "12")]));
    feed.must();
    assert_eq!(feed.in_force("2021-02-08"), ["10", "11"]);
    assert_eq!(feed.in_force("2021-03-08"), ["10", "12"]);
}

#[test]
fn parts_of_a_delivery_add_up_in_whatever_runs_they_come() {
    let parts = [
        [("I1", "10"), ("I1", "10"), ("I2", "20")],
        [("I1", "10"), ("I1", "11"), ("I3", "30")],
        [("I1", "10"), ("I2", "20"), ("I2", "21")],
    ];
    let put = |feed: &Feed, part: usize| {
        feed.put(&format!("invoice_2021-02-08_part{part}.csv"), invoice(&parts[part]));
    };
    let mut whole = Feed::invoices();
    (0..3).for_each(|part| put(&whole, part));
    whole.must();
    let expected = ["10", "10", "10", "10", "11", "20", "20", "21", "30"];
    for order in orders(3) {
        let mut feed = Feed::invoices();
        for (came, part) in order.iter().enumerate() {
            put(&feed, *part);
            assert_eq!(feed.must().staged, 3);
            if came == 0 {
                // A newer delivery has one of the slices by then.
                feed.put("invoice_2021-03-08.csv", invoice(&[("I3", "31")]));
                feed.must();
            }
        }
        assert_eq!(feed.in_force("2021-02-08"), expected, "{order:?}");
        let ids =
            "select transaction_id from transactions where known_on = date '2021-02-08' order by 1";
        assert_eq!(feed.query(ids), whole.query(ids), "{order:?}");
        assert_eq!(feed.in_force("2021-03-08").len(), 9, "{order:?}");
        assert_eq!(feed.must().read, 0);
        // What repeats it from somewhere else is told from it as a whole.
        let again: Vec<_> = parts.concat();
        feed.put("copy-invoice_2021-02-08.csv", invoice(&again));
        feed.must();
        assert_eq!(feed.in_force("2021-02-08"), expected, "{order:?}");
        feed.put("other-invoice_2021-02-08.csv", invoice(&parts[0][..2]));
        assert!(feed.fails().1.contains("with different content"), "{order:?}");
    }
}

#[test]
fn a_file_that_comes_again_changed_under_its_name_is_named_once() {
    let mut feed = Feed::invoices();
    feed.put("invoice_2021-02-08.csv", invoice(&[("I1", "10")]));
    feed.must();
    feed.put("invoice_2021-02-08.csv", invoice(&[("I1", "12")]));
    let said = feed.fails().1;
    let found = "found `invoice_2021-02-08.csv` twice, with different content";
    assert!(said.contains(found), "{said}");
}

#[test]
fn a_part_that_comes_again_changed_contradicts_what_it_was() {
    let mut feed = Feed::invoices();
    feed.put("invoice_2021-02-08_part1.csv", invoice(&[("I1", "10")]));
    feed.put("invoice_2021-02-08_part2.csv", invoice(&[("I1", "11")]));
    feed.must();
    // Its name is that of a part which is no longer there: it doesn't add up.
    feed.put("invoice_2021-02-08_part2.csv", invoice(&[("I1", "12")]));
    assert!(feed.fails().1.contains("with different content"));
    feed.remove("invoice_2021-02-08_part2.csv");
    feed.put("invoice_2021-02-08_part3.csv", invoice(&[("I1", "12")]));
    assert!(feed.fails().1.contains("with different content"));
    feed.put("invoice_2021-02-08_part2.csv", invoice(&[("I1", "11")]));
    feed.must();
    assert_eq!(feed.in_force("2021-02-08"), ["10", "11", "12"]);
}

#[test]
fn deliveries_known_later_wait() {
    let mut feed = Feed::invoices();
    feed.put("invoice_2021-02-08.csv", invoice(&[("I1", "10")]));
    feed.put("invoice_2021-03-08.csv", invoice(&[("I1", "11")]));
    let ingested = feed.run("2021-02-28").expect("a run");
    assert_eq!(ingested.staged, 1);
    assert_eq!(
        feed.query("select source_file, state from run_inputs"),
        ["invoice_2021-02-08.csv|staged", "invoice_2021-03-08.csv|not yet known"]
    );
    let ingested = feed.run("2021-03-08").expect("a run");
    assert_eq!(ingested.staged, 1);
    assert_eq!(feed.in_force("2021-03-07"), ["10"]);
    assert_eq!(feed.in_force("2021-03-08"), ["11"]);
}

#[test]
fn shuffling_rows_or_splitting_files_changes_no_digest() {
    let rows: Vec<String> = (0..400)
        .map(|row| invoice_line(&format!("I{}", row % 7), &format!("{}.{:02}", row % 50, row % 10)))
        .collect();
    let whole = |rows: &[String]| {
        let mut feed = Feed::invoices();
        feed.put("invoice_2021-02-08.csv", file(INVOICE, rows));
        feed.must();
        feed.digest("transactions")
    };
    let expected = whole(&rows);
    let mut shuffled = rows.clone();
    fastrand::Rng::with_seed(7).shuffle(&mut shuffled);
    assert_eq!(whole(&shuffled), expected);
    for parts in [2, 5, 40] {
        let mut feed = Feed::invoices();
        for (part, rows) in shuffled.chunks(400 / parts).enumerate() {
            feed.put(&format!("invoice_2021-02-08_part{part}.csv"), file(INVOICE, rows));
        }
        feed.must();
        assert_eq!(feed.digest("transactions"), expected, "{parts} parts");
        let ids = feed.query("select count(distinct transaction_id), count(*) from transactions");
        assert_eq!(ids, ["400|400"]);
    }
}

/// `./just prove` asks for 10,000.
#[test]
fn many_small_deliveries_are_staged() {
    let asked = std::env::var("EARNEST_SMALL_FILES").ok();
    let files = asked.map_or(300, |files| files.parse().expect("a number"));
    let mut feed = Feed::lines();
    for number in 0..files {
        let id = format!("L{number}");
        feed.put(&format!("{number:05}-lines_2021-02-08.csv"), lines(&[(&id, "1"), ("same", "2")]));
    }
    let ingested = feed.must();
    assert_eq!(ingested.staged, 2 * files);
    assert_eq!(feed.in_force("2021-12-31").len() as u64, files + 1);
}
