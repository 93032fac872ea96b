//! Levers over a measure on random terms and random lines, linked refunds in play: what is published
//! equals a second evaluator, row by row in plain integers, written from the rules and sharing no code
//! with the engine; and the run's own check against DuckDB passes. Seeds are printed.

use crate::support::{must_run, options, project, rows};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

const SEED: u64 = 20_261_125;
const LEVERS: usize = 24;
const LINES: usize = 500;
const FIRST_MONTH: i32 = 2020 * 12;
const MONTHS: i32 = 24;
/// Hundredths of a dollar per euro, and a month that has no rate is none of these.
pub const EURO: i128 = 110;

pub struct Random(pub fastrand::Rng);

impl Random {
    pub fn below(&mut self, end: i128) -> i128 {
        self.0.i128(0..end)
    }

    pub fn yes(&mut self, in_ten: i128) -> bool {
        self.below(10) < in_ten
    }

    pub fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        self.0.choice(choices).copied().expect("choices")
    }
}

/// A line, or a refund of an earlier one.
#[derive(Clone)]
pub struct Line {
    pub id: String,
    pub month: i32,
    pub day: i128,
    pub participant: usize,
    pub customer: usize,
    pub euro: bool,
    pub cents: i128,
    pub units: i128,
    pub refunds: Option<usize>,
}

struct Tier {
    up_to: Option<i128>,
    /// Of an amount: ten-thousandths. Of units: cents.
    pays: i128,
    flat: i128,
}

pub struct Table {
    /// Days as (month, day), the last excluded.
    from: Option<(i32, i128)>,
    until: Option<(i32, i128)>,
    whole: bool,
    upper: bool,
    tiers: Vec<Tier>,
}

#[derive(Clone, Copy, PartialEq)]
enum Baseline {
    None,
    LastYear,
    Previous,
    Fixed(i128),
}

pub struct Lever {
    units: bool,
    pub customer: bool,
    pub months: i32,
    at_end: bool,
    minimum: Option<i128>,
    baseline: Baseline,
    pub tables: Vec<Table>,
}

pub fn lines(random: &mut Random) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut left: Vec<i128> = Vec::new();
    for number in 0..LINES {
        let original = (random.yes(2) && number > 20).then(|| random.0.usize(0..number));
        let original = original.filter(|&place| lines[place].refunds.is_none() && left[place] > 1);
        let line = match original {
            Some(place) => {
                let cents = 1 + random.below(left[place]);
                left[place] -= cents;
                let sold = &lines[place];
                let later = random.0.i32(0..6);
                let month = (sold.month + later).min(FIRST_MONTH + MONTHS - 1);
                Line {
                    month,
                    day: 28,
                    cents: -cents,
                    units: 0,
                    refunds: Some(place),
                    ..sold.clone()
                }
            }
            None => Line {
                id: String::new(),
                month: FIRST_MONTH + random.0.i32(0..MONTHS),
                day: 1 + random.below(27),
                participant: random.0.usize(0..3),
                customer: random.0.usize(0..3),
                euro: random.yes(4),
                cents: 1 + random.below(500_000),
                units: random.below(50),
                refunds: None,
            },
        };
        left.push(line.cents);
        lines.push(Line { id: format!("L{number:04}"), ..line });
    }
    lines
}

pub fn lever(random: &mut Random) -> Lever {
    let units = random.yes(3);
    let edge = |random: &mut Random| {
        if units { 1 + random.below(60) } else { 1 + random.below(1_000_000) }
    };
    let two = random.yes(4);
    let change = (FIRST_MONTH + random.0.i32(2..MONTHS - 2), 1 + random.below(27));
    let ranges =
        if two { vec![(None, Some(change)), (Some(change), None)] } else { vec![(None, None)] };
    let tables = ranges
        .into_iter()
        .map(|(from, until)| {
            let mut edges: Vec<i128> = (0..random.below(4)).map(|_| edge(random)).collect();
            edges.sort_unstable();
            edges.dedup();
            let mut tiers: Vec<Tier> = edges
                .into_iter()
                .map(Some)
                .chain([None])
                .map(|up_to| Tier {
                    up_to,
                    pays: random.below(1_000),
                    flat: if random.yes(3) { random.below(10_000) } else { 0 },
                })
                .collect();
            tiers[0].flat = 0;
            Table { from, until, whole: random.yes(5), upper: random.yes(3), tiers }
        })
        .collect();
    let fixed = edge(random);
    let minimum = edge(random);
    Lever {
        units,
        customer: random.yes(3),
        months: random.of(&[1, 3, 6, 12]),
        at_end: random.yes(5),
        minimum: random.yes(2).then_some(minimum),
        baseline: random.of(&[
            Baseline::None,
            Baseline::None,
            Baseline::LastYear,
            Baseline::Previous,
            Baseline::Fixed(fixed),
        ]),
        tables,
    }
}

// The second evaluator.

/// Half away from zero.
pub fn divided(number: i128, by: i128) -> i128 {
    let half = (2 * number.abs() + by) / (2 * by);
    if number < 0 { -half } else { half }
}

impl Lever {
    /// First month of the window; the fiscal year begins in July.
    pub fn window(&self, month: i32) -> i32 {
        month - (month.rem_euclid(12) + 6) % 12 % self.months
    }

    fn covers(&self, line: &Line) -> bool {
        let day = (line.month, line.day);
        self.tables.iter().any(|table| {
            table.from.is_none_or(|from| from <= day) && table.until.is_none_or(|until| day < until)
        })
    }

    fn table(&self, window: i32) -> &Table {
        let holds = |table: &&Table| {
            table.from.is_none_or(|from| from < (window + self.months, 1))
                && table.until.is_none_or(|until| (window, 1) < until)
        };
        let mut tables = self.tables.iter().filter(holds);
        if self.at_end { tables.next_back() } else { tables.next() }.expect("a table")
    }

    /// Cents earned by a measure: cents, or trillionths of a unit.
    fn earned(&self, window: i32, measure: i128, baseline: i128) -> i128 {
        let scale = if self.units { 1_000_000_000_000 } else { 1 };
        if self.minimum.is_some_and(|minimum| measure < minimum * scale) {
            return 0;
        }
        let counted =
            if self.baseline == Baseline::None { measure } else { (measure - baseline).max(0) };
        let (table, size) = (self.table(window), counted.abs());
        // Of an amount, cents × ten-thousandths; of units, trillionths × cents.
        let one = if self.units { 1_000_000_000_000 } else { 10_000 };
        let (mut total, mut lower) = (0, 0);
        for tier in &table.tiers {
            let upper = tier.up_to.map(|edge| edge * scale);
            let above = if table.upper { lower <= size } else { lower < size };
            let within =
                upper.is_none_or(|upper| if table.upper { size < upper } else { size <= upper });
            let slice = if table.whole { size } else { upper.unwrap_or(size).min(size) - lower };
            if size > 0 && above && (within || !table.whole) {
                total += slice * tier.pays + tier.flat * one;
            }
            lower = upper.unwrap_or(lower);
        }
        divided(total, one) * counted.signum()
    }
}

/// What a line adds: ten-thousandths of a dollar, or trillionths of a unit.
fn added(lever: &Lever, lines: &[Line], refunded: &mut [i128], line: &Line) -> i128 {
    let rate = if line.euro { EURO } else { 100 };
    match (lever.units, line.refunds) {
        (false, _) => line.cents * rate,
        (true, None) => line.units * 1_000_000_000_000,
        (true, Some(place)) => {
            let sold = &lines[place];
            let back = |cents| divided(sold.units * 1_000_000_000_000 * cents, sold.cents);
            let before = refunded[place];
            refunded[place] -= line.cents;
            back(before) - back(refunded[place])
        }
    }
}

/// Participant, customer if it is measured per customer, first month of the window.
pub type Subject = (usize, Option<usize>, i32);

/// Cents by subject and month.
pub fn evaluate(lever: &Lever, lines: &[Line]) -> Vec<(Subject, i32, i128)> {
    let mut order: Vec<&Line> = lines.iter().collect();
    order.sort_by_key(|line| (line.month, line.day, line.id.clone()));
    let mut refunded = vec![0; lines.len()];
    let mut measured: BTreeMap<Subject, BTreeMap<i32, i128>> = BTreeMap::new();
    let mut revenue: BTreeMap<Subject, i128> = BTreeMap::new();
    for line in order {
        let sold = line.refunds.map_or(line, |place| &lines[place]);
        let adds = added(lever, lines, &mut refunded, line);
        let customer = lever.customer.then_some(line.customer);
        let subject = (line.participant, customer, lever.window(sold.month));
        *revenue.entry(subject).or_default() += adds;
        if lever.covers(sold) {
            *measured.entry(subject).or_default().entry(line.month).or_default() += adds;
        }
    }
    let rounded = |sum: i128| if lever.units { sum } else { divided(sum, 100) };
    let mut earned = Vec::new();
    for ((participant, customer, window), months) in measured {
        let compared = |back: i32| {
            rounded(
                revenue.get(&(participant, customer, window - back)).copied().unwrap_or_default(),
            )
        };
        let baseline = match lever.baseline {
            Baseline::None => 0,
            Baseline::LastYear => compared(12),
            Baseline::Previous => compared(lever.months),
            Baseline::Fixed(fixed) if lever.units => fixed * 1_000_000_000_000,
            Baseline::Fixed(fixed) => fixed,
        };
        let (mut sum, mut before) = (0, 0);
        for (month, adds) in months {
            sum += adds;
            let now = lever.earned(window, rounded(sum), baseline);
            earned.push(((participant, customer, window), month, now - before));
            before = now;
        }
    }
    earned
}

// The program and the exports.

pub fn money(cents: i128) -> String {
    format!("{}{}.{:02}", if cents < 0 { "-" } else { "" }, cents.abs() / 100, cents.abs() % 100)
}

pub fn date((month, day): (i32, i128)) -> String {
    format!("{:04}-{:02}-{day:02}", month.div_euclid(12), month.rem_euclid(12) + 1)
}

pub fn text_of(lever: &Lever, name: &str) -> String {
    let edge = |edge: i128| if lever.units { edge.to_string() } else { money(edge) };
    let window = ["month", "quarter", "half", "year"][match lever.months {
        1 => 0,
        3 => 1,
        6 => 2,
        _ => 3,
    }];
    let mut text = format!(
        "\n[[lever]]\nlever = \"{name}\"\nname = \"{name}\"\ndraws = \"billing\"\nproduct_groups = [\"*\"]\n\
         [lever.measure]\nof = \"{}\"\nper = \"{}\"\nwindow = \"{window}\"\nat = \"{}\"\n",
        if lever.units { "quantity" } else { "amount" },
        if lever.customer { "customer" } else { "participant" },
        if lever.at_end { "end" } else { "start" },
    );
    let mut add = |line: String| writeln!(text, "{line}").expect("memory");
    if let Some(minimum) = lever.minimum {
        add(format!("minimum = \"{}\"", edge(minimum)));
    }
    match lever.baseline {
        Baseline::None => {}
        Baseline::LastYear => add("baseline = \"last_year\"".to_owned()),
        Baseline::Previous => add("baseline = \"previous\"".to_owned()),
        Baseline::Fixed(fixed) => add(format!("baseline = \"{}\"", edge(fixed))),
    }
    for table in &lever.tables {
        add("[[lever.tiers]]".to_owned());
        add(format!("shape = \"{}\"", if table.whole { "whole" } else { "marginal" }));
        add(format!("edge = \"{}\"", if table.upper { "upper" } else { "lower" }));
        if let Some(from) = table.from {
            add(format!("from = \"{}\"", date(from)));
        }
        if let Some((month, day)) = table.until {
            // Inclusive in the file; days of change lie after the first of a month.
            add(format!("until = \"{}\"", before(month, day)));
        }
        let tiers: Vec<String> = table
            .tiers
            .iter()
            .map(|tier| {
                let up_to = tier.up_to.map(|to| format!("up_to = \"{}\", ", edge(to)));
                let pays = if lever.units {
                    format!("price = \"{}\"", money(tier.pays))
                } else {
                    format!("rate = \"0.{:04}\"", tier.pays)
                };
                let flat = format!(", flat = \"{}\"", money(tier.flat));
                format!("{{ {}{pays}{flat} }}", up_to.unwrap_or_default())
            })
            .collect();
        add(format!("tier = [{}]", tiers.join(", ")));
    }
    text
}

fn before(month: i32, day: i128) -> String {
    let first = chrono::NaiveDate::parse_from_str(&date((month, day)), "%Y-%m-%d").expect("a day");
    first.pred_opt().expect("a day").to_string()
}

/// A job with a program of these rules over these lines.
pub fn write_job(folder: &Path, rules: &str, lines: &[Line]) {
    let template = project().join("tests/golden/tiers-marginal-customer");
    fs::create_dir(folder.join("in")).expect("a folder");
    let write = |name: &str, text: String| fs::write(folder.join(name), text).expect("a file");
    let job = fs::read_to_string(template.join("job.toml")).expect("a job");
    let pipelines = project().join("pipelines");
    write("job.toml", job.replace("../../../pipelines", &pipelines.display().to_string()));
    let mut program =
        "program = \"tiers\"\nname = \"Tiers\"\ncurrency = \"USD\"\npays = [\"direct\"]\n\
                       [[term]]\nterm = \"T1\"\n"
            .to_owned();
    program.push_str(rules);
    program
        .push_str("\n[[split]]\nrebate = \"0.60\"\ncoop = \"0.40\"\n[payment]\nminimum = \"0\"\n");
    write("program.toml", program);
    let each = |row: &dyn Fn(&str) -> String| -> String {
        ["0100001", "0100002", "0100003"].iter().map(|id| row(id)).collect()
    };
    write(
        "in/memberships_2019-01-01.csv",
        "global_id,location_id,location_name,country,status,from,until\n".to_owned()
            + &each(&|id| format!("0{id},{id},P{id},US,Active,2019-01-01,\n")),
    );
    write(
        "in/enrollments_2019-01-01.csv",
        "location_id,program,status,payout_profile,tax_profile,payment_currency,payment_method,hold,from,until\n"
            .to_owned()
            + &each(&|id| format!("{id},tiers,Enrolled,PP,TX,USD,electronic bank transfer,no,2019-01-01,\n")),
    );
    write(
        "in/participant_map_2019-01-01.csv",
        "partner_id,program,participant_id,from,until\n".to_owned()
            + &each(&|id| format!("{id},tiers,{id},2019-01-01,\n")),
    );
    write(
        "in/product_groups_2019-01-01.csv",
        "product_group,product_id,sku_id,from,until\nazure,AZ,,2019-01-01,\n".to_owned(),
    );
    let rates = (0..MONTHS)
        .map(|month| format!("earning,EUR,USD,{},1.10\n", &date((FIRST_MONTH + month, 1))[..7]));
    write(
        "in/exchange_rates_2019-01-01.csv",
        "rate_type,from_currency,to_currency,period,rate\n".to_owned() + &rates.collect::<String>(),
    );
    let mut text =
        "LineId,OriginalLineId,TransactionDate,BilledPartnerId,ResellerPartnerId,CustomerId,\
                    ProductId,Quantity,Amount,Currency\n"
            .to_owned();
    for line in lines {
        let original = line.refunds.map_or("", |place| lines[place].id.as_str());
        writeln!(
            text,
            "{},{original},{},010000{},,C{},AZ,{},{},{}",
            line.id,
            date((line.month, line.day)),
            line.participant + 1,
            line.customer,
            line.units,
            money(line.cents),
            if line.euro { "EUR" } else { "USD" },
        )
        .expect("memory");
    }
    write("in/lines_2022-02-08.csv", text);
}

#[test]
fn random_measured_levers_earn_what_a_second_evaluator_says() {
    for seed in SEED..SEED + 3 {
        let mut random = Random(fastrand::Rng::with_seed(seed));
        let lines = lines(&mut random);
        let levers: Vec<Lever> = (0..LEVERS).map(|_| lever(&mut random)).collect();
        let folder = tempfile::tempdir().expect("a folder");
        let named = levers.iter().enumerate();
        let rules = named.map(|(number, lever)| text_of(lever, &format!("lever-{number:02}")));
        write_job(folder.path(), &rules.collect::<String>(), &lines);
        let warehouse = tempfile::tempdir().expect("a folder");
        let outcome =
            must_run(&options(&folder.path().join("job.toml"), warehouse.path(), "2022-02-08"));
        let found = rows(
            &outcome.store,
            &outcome.snapshot,
            "SELECT lever, participant_id, period, sum(program_amount)::DECIMAL(18, 2)::VARCHAR
            FROM earnings GROUP BY ALL",
        );
        let mut expected: Vec<Vec<String>> = Vec::new();
        let mut fired = 0;
        for (number, lever) in levers.iter().enumerate() {
            let mut earned: BTreeMap<(usize, i32), i128> = BTreeMap::new();
            for ((participant, ..), month, cents) in evaluate(lever, &lines) {
                *earned.entry((participant, month)).or_default() += cents;
            }
            fired += usize::from(earned.values().any(|&cents| cents != 0));
            expected.extend(earned.into_iter().map(|((participant, month), cents)| {
                let id = format!("010000{}", participant + 1);
                vec![
                    format!("lever-{number:02}"),
                    id,
                    date((month, 1))[..7].to_owned(),
                    money(cents),
                ]
            }));
        }
        expected.sort();
        let differ = expected.iter().zip(&found).find(|(expected, found)| expected != found);
        assert!(found == expected, "seed {seed}: first difference {differ:?}");
        assert!(fired > LEVERS * 3 / 4, "seed {seed}: only {fired} levers earned anything");
    }
}
