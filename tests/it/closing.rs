//! Closing cycles: what is refused, in which words; what stays; what a crash leaves.

use crate::support::{
    closing, copy_of_golden, digests, earnest, golden_programs, must_run, options, orders_digest,
    project, rows,
};
use earnest::close::Act;
use earnest::job::Job;
use earnest::warehouse::{Snapshot, Store};
use std::fs;
use std::path::{Path, PathBuf};

fn job() -> PathBuf {
    project().join("tests/golden/close-late/job.toml")
}

fn void(reason: &str) -> Act {
    Act::Void { reason: reason.to_owned() }
}

fn approval(text: String) -> Act {
    Act::Approve { file: "approved.txt".into(), text, owner: "other".to_owned() }
}

fn newest(warehouse: &Path) -> (Store, Snapshot) {
    let store = Store::open(&warehouse.display().to_string(), None).expect("a warehouse");
    let snapshot = Snapshot::newest(&store).expect("readable").expect("published");
    (store, snapshot)
}

/// Exit code and message of what is refused; the warehouse stays as it is.
fn refused(warehouse: &Path, cycle: &str, act: Act, on: &str) -> (u8, String) {
    let before = newest(warehouse).1;
    let Err(error) = closing(&job(), warehouse, cycle, act, on) else {
        panic!("expected a refusal of {cycle}")
    };
    assert_eq!(newest(warehouse).1, before, "{error}");
    (error.kind.exit_code(), error.to_string())
}

fn closed(warehouse: &Path, cycle: &str, on: &str) -> Snapshot {
    let done = closing(&job(), warehouse, cycle, Act::Close, on);
    done.unwrap_or_else(|error| panic!("{cycle}: {error}")).snapshot
}

#[test]
fn cycles_close_in_order_when_they_are_due_and_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let warehouse = folder.path();
    let refuse = |cycle: &str, act: Act, on: &str, message: &str| {
        assert_eq!(refused(warehouse, cycle, act, on), (2, message.to_owned()));
    };
    must_run(&options(&job(), warehouse, "2021-06-10"));
    refuse(
        "2021-06",
        Act::Close,
        "2021-06-14",
        "cycle 2021-06: expected 2021-06-15 or later, its due day, found 2021-06-14\n\
         hint: it closes when its due day has come",
    );
    refuse(
        "2021-06",
        Act::Close,
        "2021-06-15",
        "cycle 2021-06: expected a run as of 2021-06-15 or later, its due day, found snapshot 1 as of \
         2021-06-10\nhint: `earnest run --as-of 2021-06-15` first",
    );
    must_run(&options(&job(), warehouse, "2021-07-20"));
    for cycle in ["2021-05", "2021-07"] {
        refuse(
            cycle,
            Act::Close,
            "2021-07-20",
            &format!(
                "cycle {cycle}: expected 2021-06, the oldest open cycle, found {cycle}\n\
                 hint: cycles close in order: `earnest close 2021-06` comes first"
            ),
        );
    }
    refuse(
        "2021-06",
        void("why"),
        "2021-07-20",
        "cycle 2021-06: expected a closed cycle, found none closed\nhint: there is nothing to void",
    );
    refuse(
        "2021-06",
        approval(String::new()),
        "2021-07-20",
        "cycle 2021-06: expected a closed cycle, found an open one\n\
         hint: `earnest close 2021-06` comes first",
    );
    closed(warehouse, "2021-06", "2021-07-20");
    refuse(
        "2021-06",
        Act::Close,
        "2021-07-20",
        "cycle 2021-06: expected an open cycle, found it closed as of 2021-06-15 in snapshot 3\n\
         hint: until it is approved, the newest closed cycle opens again by `earnest close --void`",
    );
    refuse(
        "2021-06",
        approval(orders_digest(warehouse, "2021-06")),
        "2021-07-20",
        "cycle 2021-06: expected orders that wait for approval, found a close without\n\
         hint: `approval = \"required\"` in the job makes the orders of later closes wait",
    );
    refuse(
        "2021-06",
        void("  "),
        "2021-07-20",
        "cycle 2021-06: expected a reason, found a blank one\nhint: say why by `--reason TEXT`",
    );
    closed(warehouse, "2021-07", "2021-07-20");
    refuse(
        "2021-06",
        void("why"),
        "2021-07-20",
        "cycle 2021-06: expected 2021-07, the newest closed cycle, found 2021-06\n\
         hint: closes are voided in reverse order",
    );
}

#[test]
fn nothing_new_changes_nothing_and_closed_files_stay() {
    let folder = tempfile::tempdir().expect("a folder");
    let warehouse = folder.path();
    must_run(&options(&job(), warehouse, "2021-06-20"));
    let close = closed(warehouse, "2021-06", "2021-06-20");
    let again = must_run(&options(&job(), warehouse, "2021-06-20")).snapshot;
    assert_eq!(digests(&again), digests(&close));
    let closed_files = |snapshot: &Snapshot| -> Vec<(String, Vec<u8>)> {
        let files = snapshot.tables.values().flat_map(|table| &table.files);
        let closed = files.filter(|file| file.unit.starts_with("closed-2021-06"));
        let bytes = |path: &str| fs::read(warehouse.join(path)).expect("its bytes");
        closed.map(|file| (file.path.clone(), bytes(&file.path))).collect()
    };
    let kept = closed_files(&close);
    assert_eq!(kept.len(), 4, "payments, items, balances, journal");
    let later = must_run(&options(&job(), warehouse, "2021-08-20")).snapshot;
    assert_eq!(closed_files(&later), kept);
    let earnings = |snapshot: &Snapshot| {
        let files = snapshot.files("settled_earnings").iter();
        files.map(|file| file.path.clone()).collect::<Vec<_>>()
    };
    assert_eq!(earnings(&later), earnings(&close));
    assert!(!earnings(&later).is_empty());
}

/// A void gives what a run without the close would have given.
#[test]
fn a_void_is_as_if_it_never_was_closed() {
    let (folder, other) = (tempfile::tempdir().expect("one"), tempfile::tempdir().expect("two"));
    must_run(&options(&job(), folder.path(), "2021-06-20"));
    closed(folder.path(), "2021-06", "2021-06-20");
    must_run(&options(&job(), folder.path(), "2021-07-20"));
    let voided = closing(&job(), folder.path(), "2021-06", void("a test"), "2021-07-20");
    let mut voided = digests(&voided.unwrap_or_else(|error| panic!("{error}")).snapshot);
    must_run(&options(&job(), other.path(), "2021-06-20"));
    let mut never = digests(&must_run(&options(&job(), other.path(), "2021-07-20")).snapshot);
    assert!(voided.remove("closes").is_some());
    voided.retain(|_, digest| !digest.starts_with("0-"));
    never.retain(|_, digest| !digest.starts_with("0-"));
    assert_eq!(voided, never);
}

#[test]
fn orders_wait_for_an_approval_that_names_their_digest() {
    let folder = tempfile::tempdir().expect("a folder");
    let warehouse = folder.path().join("warehouse");
    let golden = project().join("tests/golden/close-late");
    let text = fs::read_to_string(golden.join("job.toml")).expect("the job");
    let text = text
        .replace("\"in/", &format!("\"{}/in/", golden.display()))
        .replace("\"program.toml\"", &format!("\"{}/program.toml\"", golden.display()))
        .replace("../../../pipelines", &project().join("pipelines").display().to_string());
    let pipeline = folder.path().join("job.toml");
    for (written, expected) in [
        (
            "approval_by = \"file\"",
            "expected `approval = \"required\"` beside `approval_by`, found none",
        ),
        (
            "approval = \"required\"\napproval_by = \"me\"",
            "expected `approval_by` `owner` or `file`, found `me`",
        ),
    ] {
        fs::write(&pipeline, format!("{written}\n{text}")).expect("written");
        let said = Job::load(&pipeline).err().expect("a refusal").to_string();
        assert!(said.contains(expected), "{said}");
    }
    fs::write(&pipeline, format!("approval = \"required\"\n{text}")).expect("written");
    must_run(&options(&pipeline, &warehouse, "2021-06-20"));
    let ask = |arguments: &[&str]| {
        let output = earnest(&pipeline, &warehouse, arguments);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let status = || {
        let (store, snapshot) = newest(&warehouse);
        rows(&store, &snapshot, "select status from payments where cycle = '2021-06'")
    };
    let (code, said, _) = ask(&["close", "2021-06", "--as-of", "2021-06-20"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("cycle 2021-06: closed, 1 orders, snapshot 2\ndigest "), "{said}");
    assert_eq!(status(), [["waiting"]]);
    let orders = folder.path().join("orders.csv");
    let export = ["export", "--payment-orders", "2021-06", "--out", &orders.display().to_string()];
    let (code, _, said) = ask(&export);
    assert_eq!(code, Some(2));
    assert!(said.contains("expected approved orders, found them waiting"), "{said}");
    let file = folder.path().join("approved.txt");
    fs::write(&file, "yes, all of it").expect("written");
    let approve = ["approve", "2021-06", "--file", &file.display().to_string()];
    let (code, _, said) = ask(&approve);
    let digest = orders_digest(&warehouse, "2021-06");
    assert_eq!(code, Some(2), "{said}");
    let expected = format!("expected the digest {digest} of cycle 2021-06, found none such");
    assert!(said.contains(&expected), "{said}");
    fs::write(&file, format!("approved: {digest}\n")).expect("written");
    let (code, _, said) = ask(&approve);
    assert_eq!(code, Some(2), "who closes doesn't approve: {said}");
    let (store, snapshot) = newest(&warehouse);
    let closers = rows(&store, &snapshot, "select os_user from closes");
    let user = &closers[0][0];
    let expected = format!(
        "{}: expected a file of somebody else than `{user}`, who closed cycle 2021-06, found one of theirs\n",
        file.display()
    );
    assert!(said.contains(&expected), "{said}");
    assert_eq!(status(), [["waiting"]]);
    // The tests run as one user, as CI does.
    let elsewhere = format!("approval = \"required\"\napproval_by = \"file\"\n{text}");
    fs::write(&pipeline, elsewhere).expect("written");
    let (code, said, talk) = ask(&approve);
    assert_eq!(code, Some(0), "{said} {talk}");
    assert_eq!(status(), [["approved"]]);
    let (code, _, said) = ask(&approve);
    assert_eq!(code, Some(2));
    assert!(
        said.contains("expected orders that wait, found them approved in snapshot 3"),
        "{said}"
    );
    let (code, _, said) = ask(&["close", "2021-06", "--void", "--reason", "why"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("expected a close without approval, found it approved"), "{said}");
    let left = || fs::read_dir(folder.path()).expect("a folder").count();
    let before = left();
    // An export that has no place to go isn't one.
    for nowhere in [folder.path().join("nowhere/orders.csv"), folder.path().to_owned()] {
        let place = nowhere.display().to_string();
        let (code, _, said) = ask(&["export", "--payment-orders", "2021-06", "--out", &place]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(&format!("{place}: expected a file that can be written")), "{said}");
    }
    assert_eq!(left(), before);
    for (code, duplicate) in [(0, "no"), (1, "yes")] {
        let (found, said, talk) = ask(&export);
        assert_eq!(found, Some(code), "{said} {talk}");
        let csv = fs::read_to_string(&orders).expect("the orders");
        let lines: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
        assert_eq!(lines.len(), 3, "{csv}");
        let place = |name| lines[0].iter().position(|column| *column == name).expect("a column");
        for line in &lines[1..] {
            assert_eq!(line[place("batch_id")].len(), 17);
            assert_eq!(line[place("duplicate")], duplicate);
            assert_eq!(line[place("payment_currency")], "USD");
            assert_eq!(line[place("total_payment")], "400.00");
            assert_eq!(line[place("orders")], "1");
        }
        let kinds: Vec<&str> = lines[1..].iter().map(|line| line[place("record")]).collect();
        assert_eq!(kinds, ["order", "total"]);
        assert!(said.contains(lines[1][place("batch_id")]), "{said}");
    }
    let (store, snapshot) = newest(&warehouse);
    let who =
        "select count(distinct os_user)::varchar from closes where os_user <> '' and host <> ''";
    assert_eq!(rows(&store, &snapshot, who), [["1"]]);
}

/// Later versions of program files don't reach into closed cycles: they stop the run.
/// What closed cycles paid in a currency can't be paid in another one, nor otherwise.
#[test]
fn what_was_paid_as_it_was_earned_stays_in_its_currency() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipeline = copy_of_golden("paid-as-earned-closed", folder.path(), |text| text);
    let path = folder.path().join("program.toml");
    let program = fs::read_to_string(&path).expect("the program");
    let exports = folder.path().join("in");
    let warehouse = folder.path().join("warehouse");
    must_run(&options(&pipeline, &warehouse, "2021-03-16"));
    let close = closing(&pipeline, &warehouse, "2021-03", Act::Close, "2021-03-16");
    close.map(|_| ()).expect("closed");
    let refused = |as_of: &str, expected: &str| {
        let error = earnest::run::run(&options(&pipeline, &warehouse, as_of));
        let error = error.map(|_| ()).expect_err(expected);
        assert_eq!(error.kind.exit_code(), 3, "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    };
    fs::write(&path, program.replace("transaction_currency", "through_program")).expect("written");
    refused(
        "2021-03-16",
        "closed cycle 2021-03, plain/0100001/rebate: expected orders of EUR 200.00 as it was closed, \
         found nothing earned\nhint: a closed cycle stays; see whether `fx`",
    );
    fs::write(&path, &program).expect("written");
    let lines = fs::read_to_string(exports.join("lines_2021-03-08.csv")).expect("lines");
    fs::write(exports.join("lines_2021-04-09.csv"), lines.replace("EUR", "GBP")).expect("written");
    refused(
        "2021-04-16",
        "transaction L1: expected EUR, in which a closed cycle settled it, found GBP",
    );
}

/// Rebates are due on the 15th, fees on the 28th; the 28th of March 2021 is a Sunday.
#[test]
fn a_cycle_closes_on_the_last_due_day_of_its_earning_types() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipeline = copy_of_golden("calendar-by-type-closed", folder.path(), |text| text);
    let warehouse = folder.path().join("warehouse");
    let close = |cycle: &str, on: &str| {
        let done = closing(&pipeline, &warehouse, cycle, Act::Close, on);
        done.map(|done| done.event.closed_on.to_string()).map_err(|error| error.to_string())
    };
    must_run(&options(&pipeline, &warehouse, "2021-03-28"));
    let early = close("2021-02", "2021-02-27");
    let expected = "cycle 2021-02: expected 2021-02-28 or later, its due day, found 2021-02-27\n\
                    hint: it closes when its due day has come";
    assert_eq!(early, Err(expected.to_owned()));
    assert_eq!(close("2021-02", "2021-03-28"), Ok("2021-02-28".to_owned()));
    assert_eq!(close("2021-03", "2021-03-28"), Ok("2021-03-28".to_owned()));
    let before = must_run(&options(&pipeline, &warehouse, "2021-03-28"));
    // What fees are due on later moves neither their closed cycles nor those of rebates.
    let path = folder.path().join("program.toml");
    let program = fs::read_to_string(&path).expect("the program");
    fs::write(&path, program + "business_day = \"next\"\n").expect("written");
    let after = must_run(&options(&pipeline, &warehouse, "2021-03-28"));
    assert_eq!(digests(&after.snapshot), digests(&before.snapshot));
}

/// A holiday that is declared later moves no day on which a closed cycle was due: a half was settled then, and
/// claims of the day after stay in time.
#[test]
fn a_later_holiday_moves_no_closed_cycle() {
    let folder = tempfile::tempdir().expect("a folder");
    let known = |text: String| text.replace("2021-04-10", "2021-02-16");
    let pipeline = copy_of_golden("claim-returned-closed", folder.path(), known);
    let path = folder.path().join("program.toml");
    let program = fs::read_to_string(&path).expect("the program");
    let threshold = "[[coop.threshold]]\namount = \"500\"\nfrom = \"2020-07-01\"\n[[tax]]";
    let program = program.replacen("[[tax]]", threshold, 1) + "business_day = \"next\"\n";
    fs::write(&path, &program).expect("written");
    let warehouse = folder.path().join("warehouse");
    must_run(&options(&pipeline, &warehouse, "2021-05-20"));
    for cycle in ["2020-12", "2021-01", "2021-02", "2021-03", "2021-04", "2021-05"] {
        let close = closing(&pipeline, &warehouse, cycle, Act::Close, "2021-05-20");
        close.map(|_| ()).unwrap_or_else(|error| panic!("{cycle}: {error}"));
    }
    let before = must_run(&options(&pipeline, &warehouse, "2021-05-20"));
    let claims = rows(&before.store, &before.snapshot, "select decision from claim_items");
    assert_eq!(claims, [["paid"]]);
    let holidays = "holidays = [\"2021-02-15\", \"2021-02-16\"]\n";
    fs::write(&path, program + holidays).expect("written");
    let after = must_run(&options(&pipeline, &warehouse, "2021-05-20"));
    assert_eq!(digests(&after.snapshot), digests(&before.snapshot));
}

#[test]
fn another_calendar_is_refused_once_cycles_are_closed() {
    let folder = tempfile::tempdir().expect("a folder");
    let golden = project().join("tests/golden/close-late");
    let text = fs::read_to_string(golden.join("job.toml")).expect("the job");
    let text = text
        .replace("\"in/", &format!("\"{}/in/", golden.display()))
        .replace("../../../pipelines", &project().join("pipelines").display().to_string());
    let pipeline = folder.path().join("job.toml");
    fs::write(&pipeline, text).expect("written");
    let program = fs::read_to_string(golden.join("program.toml")).expect("the program");
    let path = folder.path().join("program.toml");
    fs::write(&path, &program).expect("written");
    let warehouse = folder.path().join("warehouse");
    must_run(&options(&pipeline, &warehouse, "2021-06-20"));
    closing(&pipeline, &warehouse, "2021-06", Act::Close, "2021-06-20")
        .map(|_| ())
        .expect("closed");
    fs::write(&path, program.replace("[payment]", "[payment]\nmonths_after = 1")).expect("written");
    let error = earnest::run::run(&options(&pipeline, &warehouse, "2021-06-20"))
        .map(|_| ())
        .expect_err("another calendar");
    assert_eq!(error.kind.exit_code(), 3);
    assert_eq!(
        error.to_string(),
        "closed cycle 2021-06, plain/0100001/rebate: expected earned 400.00 as it was closed, found earned \
         0.00\nhint: a closed cycle stays; see whether `[payment]` or `[[coop.threshold]]` of the program \
         was changed"
    );
}

#[test]
fn a_damaged_file_of_a_closed_cycle_stops_the_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let warehouse = folder.path();
    must_run(&options(&job(), warehouse, "2021-06-20"));
    let close = closed(warehouse, "2021-06", "2021-06-20");
    let file = close.files("payments")[0].clone();
    let path = warehouse.join(&file.path);
    let mut bytes = fs::read(&path).expect("its bytes");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).expect("written");
    let error = earnest::run::run(&options(&job(), warehouse, "2021-07-20"))
        .map(|_| ())
        .expect_err("a damaged file");
    assert_eq!(error.kind.exit_code(), 3);
    assert!(error.to_string().contains("expected SHA-256"), "{error}");
    assert_eq!(newest(warehouse).1, close);
}

/// A close that dies at any store operation leaves the state before it, or after it, whole.
#[test]
fn a_close_may_die_at_any_store_operation() {
    let before = tempfile::tempdir().expect("a folder");
    let open = must_run(&options(&job(), before.path(), "2021-06-20")).snapshot;
    let undisturbed = tempfile::tempdir().expect("a folder");
    crate::faults::copy(before.path(), undisturbed.path());
    let done = closing(&job(), undisturbed.path(), "2021-06", Act::Close, "2021-06-20");
    let done = done.unwrap_or_else(|error| panic!("{error}"));
    let operations = usize::try_from(done.store.operations()).expect("few");
    assert!(operations > 30, "expected many operations, found {operations}");
    let step = if std::env::var_os("EARNEST_FAULT_EVERY_KIND").is_some() { 1 } else { 11 };
    let faults: Vec<String> =
        (1..=operations).step_by(step).map(|number| format!("kill-after@{number}")).collect();
    crate::support::side_by_side(&faults, |fault| {
        let warehouse = tempfile::tempdir().expect("a folder");
        crate::faults::copy(before.path(), warehouse.path());
        let arguments = ["close", "2021-06", "--as-of", "2021-06-20", "--fault", fault];
        let output = earnest(&job(), warehouse.path(), &arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(137), "{fault}: {stderr}");
        let left = crate::faults::whole(warehouse.path());
        if left.snapshot == open.snapshot {
            assert_eq!(left, open, "{fault}: a state in between");
            let next = closing(&job(), warehouse.path(), "2021-06", Act::Close, "2021-06-20");
            let next = next.unwrap_or_else(|error| panic!("{fault}: {error}"));
            assert_eq!(digests(&next.snapshot), digests(&done.snapshot), "{fault}");
        } else {
            assert_eq!(digests(&left), digests(&done.snapshot), "{fault}");
        }
    });
}

/// Makes of the delivery of a day one that lacks every tenth line, and delivers it again later, where it
/// lacks every thirteenth.
fn deliver_again(exports: &Path, day: &str, later: &str) {
    let folder = exports.join("nce");
    let names = fs::read_dir(&folder).expect("a folder");
    let names = names.map(|entry| entry.expect("an entry").file_name().into_string());
    let name = names.map(|name| name.expect("a name")).find(|name| name.contains(day));
    let name = name.unwrap_or_else(|| panic!("no delivery of {day}"));
    let text = fs::read_to_string(folder.join(&name)).expect("its lines");
    let without = |every: usize| -> String {
        let lines = text.lines().enumerate().filter(|(at, _)| at % every != every - 1);
        lines.map(|(_, line)| format!("{line}\n")).collect()
    };
    fs::write(folder.join(&name), without(10)).expect("written");
    fs::write(folder.join(name.replace(day, later)), without(13)).expect("written");
}

/// Generated exports that become known little by little, with closes between: every check holds, and
/// each account gets in the end what it gets without closes, where nothing is decided for good.
#[test]
fn closes_move_nothing_but_cycles() {
    let exports = crate::properties::exports(3_000);
    deliver_again(exports.path(), "2025-02-08", "2025-04-09");
    deliver_again(exports.path(), "2025-03-08", "2025-06-09");
    let pipeline = exports.path().join("daily.toml");
    golden_programs(&pipeline);
    let (with, without) = (tempfile::tempdir().expect("one"), tempfile::tempdir().expect("two"));
    let close = |cycle: &str, on: &str| {
        let done = closing(&pipeline, with.path(), cycle, Act::Close, on);
        done.unwrap_or_else(|error| panic!("{cycle}: {error}"));
    };
    must_run(&options(&pipeline, with.path(), "2025-03-20"));
    close("2025-03", "2025-03-20");
    must_run(&options(&pipeline, with.path(), "2025-05-20"));
    close("2025-04", "2025-05-20");
    close("2025-05", "2025-05-20");
    let closed = must_run(&options(&pipeline, with.path(), "2025-12-31"));
    let open = must_run(&options(&pipeline, without.path(), "2025-12-31"));
    let late = "select (count(*) > 100)::varchar from settlement_changes";
    assert_eq!(rows(&closed.store, &closed.snapshot, late), [["true"]]);
    let sums = "select program, participant_id, earning_type, sum(earned + adjusted)::varchar
        from balances group by all having sum(earned + adjusted) <> 0";
    let of = |outcome: &earnest::run::Outcome| rows(&outcome.store, &outcome.snapshot, sums);
    assert_eq!(of(&closed), of(&open));
    let deep = earnest(&pipeline, with.path(), &["check", "--deep"]);
    let said = String::from_utf8_lossy(&deep.stdout).into_owned();
    assert_eq!(deep.status.code(), Some(0), "{said}");
}
