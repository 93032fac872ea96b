//! Caps in random programs, over random lines, with linked refunds and caps that levers share; see
//! `random.rs`.

use crate::measured::window_name;
use crate::random::{
    Cents, FIRST_MONTH, Job, Line, Random, Sums, Terms, agree, by_date, lines, money, program,
    sold, window,
};
use std::collections::BTreeMap;
use std::fmt::Write as _;

const SEED: u64 = 20_261_126;
const RUNS: u64 = 5;
const PROGRAMS: usize = 420;
const LINES: usize = 40;

/// A lever with a rate in ten-thousandths, and its cap.
struct Capped {
    rate: i128,
    cap: usize,
}

#[derive(Clone)]
pub struct Cap {
    /// Cents.
    pub limit: i128,
    pub base: bool,
    pub participant: bool,
    /// Of a participant's cap: it is its company's.
    pub company: bool,
    pub customer: bool,
    pub months: i32,
}

pub fn cap(random: &mut Random) -> Cap {
    Cap {
        limit: random.below(400_000),
        base: random.yes(4),
        participant: random.yes(5),
        company: random.yes(5),
        customer: random.yes(5),
        months: random.of(&[1, 3, 6, 12]),
    }
}

fn text_of(levers: &[Capped], caps: &[Cap]) -> String {
    let mut text = String::new();
    for (number, lever) in levers.iter().enumerate() {
        write!(
            text,
            "[[lever]]\nlever = \"lever-{number:02}\"\nname = \"L\"\ndraws = \"billing\"\n\
             product_groups = [\"*\"]\n[[lever.rate]]\nrate = \"0.{:04}\"\n",
            lever.rate
        )
        .expect("memory");
    }
    for (number, cap) in caps.iter().enumerate() {
        let sharing = levers.iter().enumerate().filter(|(_, lever)| lever.cap == number);
        text.push_str(&cap_text(cap, number, sharing.map(|(lever, _)| lever)));
    }
    text
}

/// A cap of the levers that share it, if any do.
pub fn cap_text(cap: &Cap, number: usize, sharing: impl Iterator<Item = usize>) -> String {
    let sharing: Vec<String> = sharing.map(|lever| format!("\"lever-{lever:02}\"")).collect();
    if sharing.is_empty() {
        return String::new();
    }
    let per = match (cap.participant, cap.customer) {
        (true, true) => "participant_customer",
        (true, false) => "participant",
        (false, true) => "customer",
        (false, false) => "program",
    };
    let window = window_name(cap.months);
    format!(
        "[[cap]]\ncap = \"cap-{number:02}\"\nlimit = \"{}\"\non = \"{}\"\nper = \"{per}\"\n\
         {}window = \"{window}\"\nlevers = [{}]\n",
        money(cap.limit),
        if cap.base { "base" } else { "payout" },
        if cap.of_company() { "follow = \"company\"\n" } else { "" },
        sharing.join(", ")
    )
}

/// Rows of the membership export by which caps follow companies: the second participant leaves that of the
/// first, has none in December 2020, and is in another with the third, which had none before.
pub const MEMBERSHIPS: &str = "G1,0100001,P1,US,Active,2019-01-01,
G1,0100002,P2,US,Active,2019-01-01,2020-11-30
G2,0100002,P2,US,Active,2021-01-15,
G2,0100003,P3,US,Active,2021-03-10,
";

/// The company of a participant in a month, by the same.
fn company(participant: usize, month: i32) -> Option<usize> {
    match (participant, month - FIRST_MONTH) {
        (0, _) | (1, ..=10) => Some(1),
        (1, 12..) | (2, 14..) => Some(2),
        _ => None,
    }
}

/// Who has a room.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whose {
    Participant(usize),
    Company(usize),
}

/// A scope of a cap in one window: cap, who has it, customer, first month.
pub type Room = (usize, Option<Whose>, Option<usize>, i32);

/// Running gross of every scope.
pub type Rooms = BTreeMap<Room, i128>;

/// What is earned, or what refunds take back of a sale so far, and how much of it is credited.
#[derive(Clone, Copy, Default)]
pub struct Taken {
    adds: i128,
    credited: i128,
    earns: Cents,
}

/// Of each lever's sales, by place, what refunds take back so far.
pub type TakenBack = BTreeMap<(usize, usize), Taken>;

impl Cap {
    /// The room of what counts in a month.
    pub fn room(
        &self,
        number: usize,
        participant: usize,
        customer: Option<usize>,
        counts: i32,
    ) -> Room {
        let company = company(participant, counts).filter(|_| self.company);
        let whose = company.map_or(Whose::Participant(participant), Whose::Company);
        let customer = customer.filter(|_| self.customer);
        (number, self.participant.then_some(whose), customer, window(counts, self.months))
    }

    pub fn of_company(&self) -> bool {
        self.participant && self.company
    }

    /// What it credits of an earning in its place, base in ten-thousandths of program currency; of a
    /// refund after what others took back of the same sale.
    pub fn credit(
        &self,
        gross: &mut i128,
        terms: &Terms,
        (base, earns): (i128, Cents),
        taken: &mut Taken,
    ) -> Cents {
        let (adds, limit) =
            if self.base { (base, self.limit * 100) } else { (earns.earned, self.limit) };
        let held = (*gross).clamp(0, limit);
        *gross += adds;
        let before = self.part(terms, taken);
        taken.adds += adds;
        taken.credited += (*gross).clamp(0, limit) - held;
        taken.earns += earns;
        self.part(terms, taken) - before
    }

    fn part(&self, terms: &Terms, Taken { adds, credited, earns }: &Taken) -> Cents {
        match (self.base, credited == adds) {
            (_, true) => *earns,
            (false, _) => terms.split(*credited),
            (true, _) => terms.split(terms.divided(earns.earned * credited.abs(), adds.abs())),
        }
    }
}

/// What lines earn one by one at a rate: in the order in which they count, with the base in ten-thousandths
/// of program currency.
pub fn line_earnings<'a>(
    terms: &Terms,
    rate: i128,
    lines: &'a [Line],
) -> Vec<(&'a Line, i128, Cents)> {
    let mut refunded = vec![0; lines.len()];
    let one = |line: &'a Line| {
        let of = sold(lines, line);
        let exchange = terms.rate(of.euro, of.month);
        let whole = terms.exchanged(terms.divided(of.cents * rate, 10_000), exchange);
        let earns = line.refunds.map_or(whole, |place| {
            let before = refunded[place];
            refunded[place] -= line.cents;
            whole.taken(terms, (before, refunded[place]), of.cents)
        });
        (line, line.cents * exchange, earns)
    };
    by_date(lines).into_iter().map(one).collect()
}

/// What is earned, and how many credits a cap changed: of sales, of refunds, of either by a company's cap.
fn evaluate(terms: &Terms, levers: &[Capped], caps: &[Cap], lines: &[Line]) -> (Sums, [usize; 3]) {
    let (mut rooms, mut sums, mut changed) = (Rooms::new(), Sums::default(), [0; 3]);
    let mut taken_back = TakenBack::new();
    let earnings: Vec<_> =
        levers.iter().map(|lever| line_earnings(terms, lever.rate, lines)).collect();
    for place in 0..lines.len() {
        for (number, (lever, earnings)) in levers.iter().zip(&earnings).enumerate() {
            let (line, base, earns) = earnings[place];
            let cap = &caps[lever.cap];
            let counts = sold(lines, line).month;
            let room = cap.room(lever.cap, line.participant, Some(line.customer), counts);
            let mut sale = Taken::default();
            let taken = match line.refunds {
                Some(of) => taken_back.entry((number, of)).or_default(),
                None => &mut sale,
            };
            let gross = rooms.entry(room).or_default();
            let credited = cap.credit(gross, terms, (base, earns), taken);
            changed[usize::from(line.refunds.is_some())] += usize::from(credited != earns);
            changed[2] += usize::from(credited != earns && cap.of_company());
            sums.add((number, line.participant, line.month), terms, credited);
        }
    }
    (sums, changed)
}

#[derive(Default)]
struct Seen {
    /// Credits that a cap changed, of sales and of refunds.
    changed: [usize; 2],
    /// Programs in which it changed any: all, those that split, those whose levers share a cap, those in which
    /// it is a company's.
    programs: [usize; 4],
}

#[test]
fn random_caps_credit_what_a_second_evaluator_says() {
    let seen = agree(SEED, RUNS, |random| {
        let lines = lines(random, LINES);
        let mut seen = Seen::default();
        let programs = (0..PROGRAMS).map(|_| {
            let terms = Terms::random(random);
            let count = random.0.usize(1..4);
            let shares = random.yes(5);
            let caps: Vec<Cap> = (0..count).map(|_| cap(random)).collect();
            let levers: Vec<Capped> = (0..count)
                .map(|number| Capped {
                    rate: random.below(2_000),
                    cap: if shares { number / 2 } else { number },
                })
                .collect();
            let (sums, changed) = evaluate(&terms, &levers, &caps, &lines);
            seen.changed[0] += changed[0];
            seen.changed[1] += changed[1];
            let any = changed[0] > 0;
            seen.programs[0] += usize::from(any);
            seen.programs[1] += usize::from(any && terms.rebate % 100 != 0);
            seen.programs[2] += usize::from(any && shares && count > 1);
            seen.programs[3] += usize::from(changed[2] > 0);
            program(terms, text_of(&levers, &caps), &sums)
        });
        let programs = programs.collect();
        Job { memberships: MEMBERSHIPS.to_owned(), ..Job::of_lines(&lines, false, programs, seen) }
    });
    for Seen { changed, programs } in seen {
        assert!(changed[0] > PROGRAMS * 3 && changed[1] > PROGRAMS, "{changed:?} credits changed");
        assert!(programs.iter().all(|&often| often > PROGRAMS / 8), "in {programs:?} programs");
    }
}
