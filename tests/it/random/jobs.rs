//! Jobs of many random programs over the same lines, run and compared.

use super::{
    FIRST_MONTH, Line, MONTHS, Random, Terms, date, exchange, money, month, participant,
    payment_exchange,
};
use crate::support::{closing, options, project, rows, side_by_side};
use earnest::close::Act;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Months before it are closed, by a day on which they are due.
const BEFORE: &str = "2020-07-01";
/// The day on which some refunds became known; all else of the lines is known on the day of the run.
pub const EARLY: &str = "2021-06-08";
const CLOSED_ON: &str = "2020-08-17";
const CLOSED: [&str; 6] = ["2020-03", "2020-04", "2020-05", "2020-06", "2020-07", "2020-08"];

/// A random program file and what it must publish.
pub struct Program {
    pub terms: Terms,
    /// Its engagements, levers and caps.
    pub rules: String,
    /// Lever, participant, earning type or reason, month; cents, or rows.
    pub expected: Vec<[String; 5]>,
}

/// What a run is made of.
pub struct Job<T> {
    pub programs: Vec<Program>,
    /// The roles that programs pay.
    pub pays: &'static str,
    pub partners: Vec<String>,
    /// Rows of the membership export.
    pub memberships: String,
    /// The export of lines.
    pub lines: String,
    /// An export of lines that was delivered before, part of them and otherwise, and of which months are
    /// closed; without any, all is known at once.
    pub before: String,
    /// Refunds that were delivered on [`EARLY`], apart from the lines.
    pub early: String,
    /// Rows of the claims export; without any there is none.
    pub claims: String,
    /// What the second evaluator saw, by which a test tells whether what it is about occurred.
    pub seen: T,
}

/// Whether a line is a refund that was delivered on [`EARLY`].
pub fn is_early(line: &Line) -> bool {
    line.refunds.is_some()
        && month(line.month).as_str() < &EARLY[..7]
        && line.id.ends_with(['0', '2', '4', '6', '8'])
}

impl<T> Job<T> {
    /// A job over lines of the three participants, the first two of one company if `company`.
    pub fn of_lines(lines: &[Line], company: bool, programs: Vec<Program>, seen: T) -> Job<T> {
        let partners: Vec<String> = (0..3).map(participant).collect();
        let member = |(number, id): (usize, &String)| {
            let global = if company && number < 2 { "G1".to_owned() } else { format!("0{id}") };
            format!("{global},{id},P{id},US,Active,2019-01-01,\n")
        };
        let memberships = partners.iter().enumerate().map(member).collect();
        let mut text =
            "LineId,OriginalLineId,TransactionDate,BilledPartnerId,ResellerPartnerId,CustomerId,\
             ProductId,Quantity,Amount,Currency\n"
                .to_owned();
        for line in lines {
            let original = line.refunds.map_or("", |place| lines[place].id.as_str());
            writeln!(
                text,
                "{},{original},{},{},,C{},AZ,{},{},{}",
                line.id,
                date((line.month, line.day)),
                partners[line.participant],
                line.customer,
                line.units,
                money(line.cents),
                if line.euro { "EUR" } else { "USD" },
            )
            .expect("memory");
        }
        let (before, early, claims) = (String::new(), String::new(), String::new());
        Job {
            programs,
            pays: "\"direct\"",
            partners,
            memberships,
            lines: text,
            before,
            early,
            claims,
            seen,
        }
    }

    /// Delivers some refunds on [`EARLY`].
    pub fn with_early_refunds(mut self, lines: &[Line]) -> Job<T> {
        let rows = std::mem::take(&mut self.lines);
        for (number, row) in rows.lines().enumerate() {
            let early = number > 0 && is_early(&lines[number - 1]);
            let files = match number {
                0 => [Some(&mut self.lines), Some(&mut self.early)],
                _ if early => [None, Some(&mut self.early)],
                _ => [Some(&mut self.lines), None],
            };
            for text in files.into_iter().flatten() {
                writeln!(text, "{row}").expect("memory");
            }
        }
        self
    }

    /// Closes the first months with a third of their lines unknown, and others at another amount.
    pub fn across_closes(mut self) -> Job<T> {
        let early = |row: &&str| row.split(',').nth(2).is_some_and(|day| day < BEFORE);
        let mut rows = self.lines.lines();
        self.before = format!("{}\n", rows.next().unwrap_or_default());
        for (number, row) in rows.filter(early).enumerate().filter(|(number, _)| number % 3 != 0) {
            let mut fields: Vec<&str> = row.split(',').collect();
            if number % 5 == 0 && !fields[8].starts_with('-') {
                fields[8] = "99.99";
            }
            writeln!(self.before, "{}", fields.join(",")).expect("memory");
        }
        self
    }

    fn write(&self, folder: &Path) {
        let template = project().join("tests/golden/tiers-marginal-customer");
        for name in ["in", "programs", "reports"] {
            fs::create_dir(folder.join(name)).expect("a folder");
        }
        let write = |name: &str, text: String| fs::write(folder.join(name), text).expect("a file");
        let job = fs::read_to_string(template.join("job.toml")).expect("a job");
        let pipelines = project().join("pipelines").display().to_string();
        let claims = "\n[sources.claims]\nformat = \"claims\"\npath = \"in/claims_*.csv\"\nrequired = true\n";
        let job = job + if self.claims.is_empty() { "" } else { claims };
        let job = job
            .replace("program.toml", "programs/*.toml")
            // Nobody reads reports here.
            .replace("../../../pipelines/reports", "reports")
            .replace("../../../pipelines", &pipelines);
        write("job.toml", job);
        for (number, program) in self.programs.iter().enumerate() {
            let name = name(number);
            write(&format!("programs/{name}.toml"), program.text(&name, self.pays));
        }
        let each = |row: &dyn Fn(&str, &str) -> String| -> String {
            let names = (0..self.programs.len()).map(name);
            names.flat_map(|name| self.partners.iter().map(move |id| row(id, &name))).collect()
        };
        let export = |name: &str, header: &str, rows: &str| {
            write(&format!("in/{name}_2019-01-01.csv"), format!("{header}\n{rows}"));
        };
        export(
            "memberships",
            "global_id,location_id,location_name,country,status,from,until",
            &self.memberships,
        );
        export(
            "enrollments",
            "location_id,program,status,payout_profile,tax_profile,payment_currency,payment_method,\
             hold,from,until",
            &each(&|id, name| format!("{id},{name},Enrolled,PP,TX,USD,transfer,no,2019-01-01,\n")),
        );
        export(
            "participant_map",
            "partner_id,program,participant_id,from,until",
            &each(&|id, name| format!("{id},{name},{id},2019-01-01,\n")),
        );
        export(
            "product_groups",
            "product_group,product_id,sku_id,from,until",
            "azure,AZ,,2019-01-01,\n",
        );
        let rates = (FIRST_MONTH..FIRST_MONTH + MONTHS).flat_map(|at| {
            [(true, "EUR,USD"), (false, "USD,EUR")].map(|(euro, pair)| {
                let [earning, payment] = [exchange, payment_exchange].map(|of| money(of(euro, at)));
                let at = month(at);
                format!("earning,{pair},{at},{earning}\npayment,{pair},{at},{payment}\n")
            })
        });
        export(
            "exchange_rates",
            "rate_type,from_currency,to_currency,period,rate",
            &rates.collect::<String>(),
        );
        write("in/lines_2022-02-08.csv", self.lines.clone());
        if !self.before.is_empty() {
            write("in/lines_2020-08-08.csv", self.before.clone());
        }
        if !self.early.is_empty() {
            write(&format!("in/lines_{EARLY}.csv"), self.early.clone());
        }
        if !self.claims.is_empty() {
            export(
                "claims",
                "claim_id,program,location_id,fund_half,activity,activity_month,submitted_on,status,\
                 status_on,asked_amount,currency,decided_amount",
                &self.claims,
            );
        }
    }
}

impl Program {
    fn text(&self, name: &str, pays: &str) -> String {
        let currency = if self.terms.euro { "EUR" } else { "USD" };
        format!(
            "program = \"{name}\"\nname = \"{name}\"\ncurrency = \"{currency}\"\nrounding = \"{}\"\n\
             pays = [{pays}]\n[[term]]\nterm = \"T1\"\n{}\n{}[payment]\nminimum = \"0\"\n",
            self.terms.rounds.name(),
            self.rules,
            self.terms.text()
        )
    }
}

/// The name of a program.
pub fn name(number: usize) -> String {
    format!("p{number:03}")
}

const EARNED: &str = "SELECT program, lever, participant_id, earning_type, period,
        sum(program_amount)::DECIMAL(18, 2)::VARCHAR
    FROM earnings GROUP BY ALL";
const REFUSED: &str = "SELECT program, lever, participant_id, reason, period, count(*)::VARCHAR
    FROM unearned GROUP BY ALL";

/// Makes so many runs, some side by side, and compares what they earn; gives what was seen.
pub fn agree<T: Send>(seed: u64, runs: u64, job: impl Fn(&mut Random) -> Job<T> + Sync) -> Vec<T> {
    agree_on(seed, runs, EARNED, job)
}

/// So, but compares what isn't earned too.
pub fn agree_with_refusals<T: Send>(
    seed: u64,
    runs: u64,
    job: impl Fn(&mut Random) -> Job<T> + Sync,
) -> Vec<T> {
    agree_on(seed, runs, &format!("{EARNED} UNION ALL {REFUSED}"), job)
}

/// So, but compares what a query gives: program, and five columns.
pub fn agree_on<T: Send>(
    seed: u64,
    runs: u64,
    sql: &str,
    job: impl Fn(&mut Random) -> Job<T> + Sync,
) -> Vec<T> {
    let seeds: Vec<u64> = (seed..seed + runs * times()).collect();
    side_by_side(&seeds, |&seed| {
        let job = job(&mut Random(fastrand::Rng::with_seed(seed)));
        let folder = tempfile::tempdir().expect("a folder");
        job.write(folder.path());
        let (pipeline, warehouse) =
            (folder.path().join("job.toml"), folder.path().join("warehouse"));
        let run = |as_of: &str| {
            earnest::run::run(&options(&pipeline, &warehouse, as_of))
                .unwrap_or_else(|error| panic!("seed {seed}: {error}"))
        };
        if !job.before.is_empty() {
            run(CLOSED_ON);
            let mut any = false;
            for cycle in CLOSED {
                match closing(&pipeline, &warehouse, cycle, Act::Close, CLOSED_ON) {
                    Ok(_) => any = true,
                    // Nothing is due in the first ones.
                    Err(error) if !any && error.to_string().contains("the oldest open cycle") => {}
                    Err(error) => panic!("seed {seed}: {error}"),
                }
            }
            assert!(any, "seed {seed}: no cycle was closed");
        }
        let outcome = run("2022-02-08");
        let mut found: BTreeMap<String, Vec<Vec<String>>> = BTreeMap::new();
        for mut row in rows(&outcome.store, &outcome.snapshot, sql) {
            found.entry(row.remove(0)).or_default().push(row);
        }
        for (number, program) in job.programs.iter().enumerate() {
            let name = name(number);
            program.compare(&found.remove(&name).unwrap_or_default(), seed, &name, job.pays);
        }
        assert!(found.is_empty(), "seed {seed}: more than expected, {found:?}");
        job.seen
    })
}

/// How many times as many runs as by default.
fn times() -> u64 {
    std::env::var("EARNEST_RANDOM_TIMES").ok().and_then(|times| times.parse().ok()).unwrap_or(1)
}

impl Program {
    fn compare(&self, found: &[Vec<String>], seed: u64, name: &str, pays: &str) {
        let mut expected: Vec<Vec<String>> = self.expected.iter().map(|row| row.to_vec()).collect();
        expected.sort();
        let missing = expected.iter().find(|row| !found.contains(row));
        let extra = found.iter().find(|row| !expected.contains(row));
        assert!(
            expected == found,
            "seed {seed}: expected {missing:?}, found {extra:?}\n{}",
            self.text(name, pays)
        );
    }
}
