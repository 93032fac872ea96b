//! What closes froze of trailing revenue, customer-adds and baselines, in random programs over random lines of which
//! later deliveries repeat, correct and add some, while partners earn for others. Every run is computed
//! again by DuckDB, which the runs check themselves; here only what mustn't happen, and what must occur.

use crate::support::{closing, options, project, rows, side_by_side};
use earnest::close::Act;
use fastrand::Rng;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

const SEED: u64 = 20_261_202;
const RUNS: u64 = 2;
const PROGRAMS: usize = 16;
const PARTNERS: [&str; 4] = ["0100001", "0100002", "0100003", "0100009"];
const PARTICIPANTS: [&str; 3] = ["0100001", "0100002", "0100003"];
const CLOSED: [&str; 5] = ["2020-03", "2020-04", "2020-05", "2020-06", "2020-07"];

struct Line {
    id: usize,
    day: String,
    partner: &'static str,
    customer: u8,
    product: &'static str,
    amount: i32,
    euro: bool,
    /// What it refunds, if it takes away.
    original: Option<usize>,
}

fn line(random: &mut Rng, id: usize) -> Line {
    Line {
        id,
        day: format!("2020-0{}-{:02}", random.u8(1..6), random.u8(1..28)),
        partner: PARTNERS[random.usize(0..4)],
        customer: random.u8(0..6),
        product: if random.u8(0..4) == 0 { "MW" } else { "AZ" },
        amount: random.i32(-2..12) * 25,
        euro: random.u8(0..4) == 0,
        original: (id > 0 && random.bool()).then(|| random.usize(0..id)),
    }
}

/// Corrects a line in one respect.
fn correct(random: &mut Rng, line: &mut Line) {
    match random.u8(0..6) {
        0 => line.day = format!("2020-0{}-{:02}", random.u8(1..6), random.u8(1..28)),
        1 => line.partner = PARTNERS[random.usize(0..4)],
        2 => line.customer = random.u8(0..6),
        3 => line.product = "BA",
        _ => line.amount = line.amount / 2 - 10,
    }
}

fn export(lines: &[&Line]) -> String {
    let mut text =
        "LineId,OriginalLineId,TransactionDate,BilledPartnerId,ResellerPartnerId,CustomerId,ProductId,Amount,Currency\n".to_owned();
    for line in lines {
        let currency = if line.euro { "EUR" } else { "USD" };
        let Line { id, day, partner, customer, product, amount, original, .. } = line;
        let original = original.filter(|_| *amount < 0).map(|id| format!("L{id}"));
        let original = original.unwrap_or_default();
        writeln!(
            text,
            "L{id},{original},{day},{partner},,C{customer},{product},{amount}.50,{currency}"
        )
        .expect("memory");
    }
    text
}

/// Three deliveries: of the first, the others repeat, correct (if they may) and add some.
fn deliveries(random: &mut Rng, corrected: bool) -> [String; 3] {
    let mut lines: Vec<Line> = (0..60).map(|id| line(random, id)).collect();
    let first = export(&lines.iter().collect::<Vec<_>>());
    let next = |lines: &mut Vec<Line>, random: &mut Rng| {
        let from = lines.len();
        lines.extend((from..from + 10).map(|id| line(random, id)));
        let mut sent: Vec<usize> = (0..from).filter(|_| random.bool()).collect();
        for &place in sent.iter().filter(|_| corrected) {
            if random.bool() {
                correct(random, &mut lines[place]);
            }
        }
        sent.extend(from..lines.len());
        export(&sent.into_iter().map(|place| &lines[place]).collect::<Vec<_>>())
    };
    [first, next(&mut lines, random), next(&mut lines, random)]
}

fn program(random: &mut Rng, name: &str) -> String {
    let amount = random.u16(2..12) * 50;
    let days = [30, 60, 365][random.usize(0..3)];
    let company = ["", "follow = \"company\"\n"][random.usize(0..2)];
    let groups = ["", "product_groups = [\"azure\"]\n"][random.usize(0..2)];
    let (months, minimum) = (random.u8(1..7), random.u16(0..8) * 50);
    let first = ["any", "products"][random.usize(0..2)];
    let redecide = |random: &mut Rng| match random.u8(0..8) {
        0 => "never",
        1 => "always",
        _ => "until_close",
    };
    let (added, set) = (redecide(random), redecide(random));
    let baseline = ["previous", "previous", "high_water"][random.usize(0..3)];
    let window = ["month", "month", "quarter"][random.usize(0..3)];
    let per = ["participant", "customer", "company"][random.usize(0..3)];
    format!(
        "program = \"{name}\"\nname = \"{name}\"\ncurrency = \"USD\"\npays = [\"direct\"]\n\
         [[term]]\nterm = \"T1\"\n\
         [[requirement]]\nrequirement = \"trailing_revenue\"\namount = \"{amount}\"\ndays = {days}\n\
         {company}{groups}\
         [[lever]]\nlever = \"add\"\nname = \"Add\"\ndraws = \"billing\"\nproduct_groups = [\"azure\"]\n\
         [lever.customer_add]\nmonths = {months}\nminimum = \"{minimum}\"\nfirst = \"{first}\"\n\
         redecide = \"{added}\"\n\
         [[lever.rate]]\nrate = \"0.1\"\n\
         [[lever]]\nlever = \"growth\"\nname = \"Growth\"\ndraws = \"billing\"\nproduct_groups = [\"azure\"]\n\
         [lever.measure]\nper = \"{per}\"\nwindow = \"{window}\"\nbaseline = \"{baseline}\"\n\
         redecide = \"{set}\"\n\
         [[lever.tiers]]\nshape = \"marginal\"\ntier = [{{ rate = \"0.05\" }}]\n\
         [payment]\nminimum = \"0\"\n"
    )
}

fn name(number: usize) -> String {
    format!("p{number:02}")
}

fn write(folder: &Path, random: &mut Rng, corrected: bool) {
    for folder in ["in", "programs", "reports"].map(|name| folder.join(name)) {
        fs::create_dir(folder).expect("a folder");
    }
    let write = |name: &str, text: String| fs::write(folder.join(name), text).expect("a file");
    let job = fs::read_to_string(project().join("tests/golden/tiers-marginal-customer/job.toml"));
    let pipelines = project().join("pipelines").display().to_string();
    let job = job.expect("a job").replace("program.toml", "programs/*.toml");
    let job = job.replace("../../../pipelines/reports", "reports");
    write("job.toml", job.replace("../../../pipelines", &pipelines));
    let mut enrollments = "location_id,program,status,payout_profile,tax_profile,payment_currency,\
         payment_method,hold,from,until\n"
        .to_owned();
    let header = "partner_id,program,participant_id,from,until\n";
    let mut maps = [header.to_owned(), header.to_owned()];
    for program_name in (0..PROGRAMS).map(name) {
        write(&format!("programs/{program_name}.toml"), program(random, &program_name));
        for id in PARTICIPANTS {
            writeln!(enrollments, "{id},{program_name},Enrolled,PP,TX,USD,transfer,no,2019-01-01,")
                .expect("memory");
        }
        for partner in PARTNERS {
            let mut whom = PARTICIPANTS[random.usize(0..3)];
            for map in &mut maps {
                writeln!(map, "{partner},{program_name},{whom},2019-01-01,").expect("memory");
                if random.u8(0..4) == 0 {
                    whom = PARTICIPANTS[random.usize(0..3)];
                }
            }
        }
    }
    let [first, second] = maps;
    write("in/enrollments_2019-01-01.csv", enrollments);
    write("in/participant_map_2019-01-01.csv", first);
    write("in/participant_map_2020-09-01.csv", second);
    let members = "global_id,location_id,location_name,country,status,from,until\n\
         G1,0100001,P,US,Active,2019-01-01,\nG1,0100002,P,US,Active,2019-01-01,2020-03-15\n\
         G2,0100003,P,US,Active,2019-01-01,\n";
    write("in/memberships_2019-01-01.csv", members.to_owned());
    let groups = "product_group,product_id,sku_id,from,until\nazure,AZ,,2019-01-01,\n";
    write("in/product_groups_2019-01-01.csv", groups.to_owned());
    let rates = (1..6).map(|month| format!("earning,EUR,USD,2020-0{month},1.1{month}\n"));
    let header = "rate_type,from_currency,to_currency,period,rate\n";
    write("in/exchange_rates_2019-01-01.csv", header.to_owned() + &rates.collect::<String>());
    for (day, lines) in ["08-08", "09-08", "10-08"].iter().zip(deliveries(random, corrected)) {
        write(&format!("in/lines_2020-{day}.csv"), lines);
    }
}

const SEEN: &str = "SELECT kind, outcome, count(*)::VARCHAR FROM determinations GROUP BY ALL
    UNION ALL
    SELECT 'moved', '', count(*)::VARCHAR FROM (
        SELECT 1 FROM determinations WHERE kind = 'customer_add' AND outcome = 'added'
        GROUP BY program, subject, \"window\", transaction_id
        HAVING count(DISTINCT awarded_to) > 1)
    UNION ALL
    SELECT 'set anew', '', count(*)::VARCHAR FROM (
        SELECT 1 FROM determinations WHERE kind = 'baseline' GROUP BY program, subject, \"window\"
        HAVING count(DISTINCT baseline) > 1)";

/// How often each kind of determination had each outcome in the end.
fn seen(seed: u64) -> Vec<Vec<String>> {
    let mut random = Rng::with_seed(seed);
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), &mut random, seed.is_multiple_of(2));
    let (pipeline, warehouse) = (folder.path().join("job.toml"), folder.path().join("warehouse"));
    let run = |as_of: &str| {
        earnest::run::run(&options(&pipeline, &warehouse, as_of))
            .unwrap_or_else(|error| panic!("seed {seed}: {error}"))
    };
    let close = |cycle: &str, on: &str| closing(&pipeline, &warehouse, cycle, Act::Close, on);
    run("2020-08-17");
    let mut any = false;
    for cycle in CLOSED {
        match close(cycle, "2020-08-17") {
            Ok(_) => any = true,
            // Nothing is due in the first ones.
            Err(error) if !any && error.to_string().contains("the oldest open cycle") => {}
            Err(error) => panic!("seed {seed}: {error}"),
        }
    }
    run("2020-09-17");
    for cycle in ["2020-08", "2020-09"] {
        close(cycle, "2020-09-17").unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
    let outcome = run("2020-10-17");
    rows(&outcome.store, &outcome.snapshot, SEEN)
}

#[test]
fn only_corrections_undo_what_closes_froze() {
    let seeds: Vec<u64> = (SEED..SEED + RUNS).collect();
    let all = side_by_side(&seeds, |&seed| seen(seed));
    let count = |corrected: bool, kind: &str, outcome: &str| -> usize {
        let seeds = seeds.iter().zip(&all).filter(|(seed, _)| seed.is_multiple_of(2) == corrected);
        let rows = seeds.flat_map(|(_, rows)| rows);
        let rows = rows.filter(|row| row[0] == kind && row[1] == outcome);
        rows.map(|row| row[2].parse::<usize>().expect("a number")).sum()
    };
    for kind in ["trailing_revenue", "customer_add"] {
        assert_eq!(count(false, kind, "undone"), 0, "{kind}: late lines and maps undo nothing");
        assert!(
            count(true, kind, "undone") >= 5,
            "{kind}: expected corrections that undo, {all:?}"
        );
    }
    assert_eq!(count(false, "set anew", ""), 0, "late lines and maps set no baseline anew");
    assert!(count(true, "set anew", "") >= 5, "expected corrections of baselines, {all:?}");
    assert!(count(false, "moved", "") >= 5, "expected awards that move, {all:?}");
}
