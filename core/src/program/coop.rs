//! The rules of the co-op fund: when a half's fund is used and claimed, for what, and where what is
//! left of it goes. The file as written, and the typed image with its checks.

use super::load::Place;
use super::pay::money;
use super::raw::{self, Text};
use super::{Days, Program, Redecide};
use crate::Error;
use crate::calendar::{FiscalHalf, Period};
use crate::decimal::{AMOUNT_SCALE, MONEY_SCALE, power_of_ten};
use crate::fund::{FundWindows, SubLimit};
use chrono::{Days as Span, NaiveDate};
use serde::Deserialize;

/// `[[coop.window]]` as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawWindow {
    #[serde(default = "six")]
    use_months: u16,
    #[serde(default)]
    claim_opens_after: u16,
    claim_days: u16,
    from: Option<Text>,
    until: Option<Text>,
}

fn six() -> u16 {
    6
}

/// `[[coop.activity]]` as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawActivity {
    activity: Text,
    name: String,
    share: Option<Text>,
    amount: Option<Text>,
    from: Option<Text>,
    until: Option<Text>,
}

/// `[[coop.rollover]]` as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawRollover {
    from_half: Text,
    to_half: Text,
    on: Option<Text>,
    #[serde(default)]
    participants: Vec<String>,
}

/// Rules of the fund besides its thresholds. Without windows and rollovers nothing leaves it but by
/// conversion and claims.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CoopRules {
    pub windows: Vec<CoopWindow>,
    /// Empty: everything may be claimed, without limits.
    pub activities: Vec<CoopActivity>,
    pub rollovers: Vec<CoopRollover>,
    /// Until when a half's threshold may be decided otherwise; never `Always`.
    pub redecide: Redecide,
}

/// When funds of halves whose last day lies in `days` are used and claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoopWindow {
    pub days: Days,
    /// Months of use, from the end of the half.
    pub use_months: u16,
    /// Days from the first day of use to the first day of claims.
    pub claim_opens_after: u16,
    /// Days from the last day of use to the last day of claims.
    pub claim_days: u16,
}

/// What may be claimed in activity months whose first day lies in `days`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoopActivity {
    pub activity: String,
    pub name: String,
    pub days: Days,
    /// Per fund; `None`: no more than the fund has.
    pub limit: Option<SubLimit>,
}

/// What is left of a half, without what is reserved, moves to a later half.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoopRollover {
    pub from: FiscalHalf,
    pub to: FiscalHalf,
    /// `None`: on the day on which it would expire.
    pub on: Option<NaiveDate>,
    /// Empty: everybody's.
    pub participants: Vec<String>,
}

impl CoopWindow {
    /// The windows of a half; `None` if they end after the last day that there is.
    #[must_use]
    pub fn of(&self, half: FiscalHalf) -> Option<FundWindows> {
        let (first, last) = (half.end(), half.end().plus(i32::from(self.use_months) - 1));
        let after = |day: NaiveDate, days: u16| day.checked_add_days(Span::new(days.into()));
        Some(FundWindows {
            half,
            use_from: first.first_day(),
            use_to: last.last_day(),
            claim_from: after(first.first_day(), self.claim_opens_after)?,
            claim_to: after(last.last_day(), self.claim_days)?,
        })
    }
}

impl Program {
    /// When the fund of a half is used and claimed, by the window in force on its last day. `None`: there
    /// is no end to it.
    #[must_use]
    pub fn fund_windows(&self, half: FiscalHalf) -> Option<FundWindows> {
        let last = half.last().last_day();
        self.coop.windows.iter().find(|window| window.days.contain(last))?.of(half)
    }

    /// The day on which what is left of a half's fund ends, and the half that it moves to; `None` there:
    /// it expires.
    #[must_use]
    pub fn fund_end(
        &self,
        half: FiscalHalf,
        participant: &str,
    ) -> Option<(NaiveDate, Option<FiscalHalf>)> {
        let expires_on = self.fund_windows(half).and_then(|windows| windows.claim_to.succ_opt());
        let concerns = |rollover: &&CoopRollover| {
            let whom = &rollover.participants;
            rollover.from == half
                && (whom.is_empty() || whom.iter().any(|listed| listed == participant))
        };
        match self.coop.rollovers.iter().find(concerns) {
            Some(rollover) => Some((rollover.on.or(expires_on)?, Some(rollover.to))),
            None => Some((expires_on?, None)),
        }
    }

    /// The activity of that key in a month.
    #[must_use]
    pub fn coop_activity(&self, activity: &str, month: Period) -> Option<&CoopActivity> {
        let of_key = |known: &&CoopActivity| known.activity == activity;
        let found = self.coop.activities.iter().filter(of_key);
        found.into_iter().find(|known| known.days.contain(month.first_day()))
    }
}

pub(super) fn coop_rules(place: &Place, raw: &raw::Program) -> Result<CoopRules, Error> {
    let windows = windows(place, raw)?;
    Ok(CoopRules {
        activities: activities(place, raw)?,
        rollovers: rollovers(place, raw, &windows)?,
        windows,
        redecide: redecide(place, raw)?,
    })
}

/// What converted was paid, so that a close settles it in any case.
fn redecide(place: &Place, raw: &raw::Program) -> Result<Redecide, Error> {
    let Some(written) = &raw.coop.redecide else { return Ok(Redecide::UntilClose) };
    match written.get_ref().as_str() {
        "until_close" => Ok(Redecide::UntilClose),
        "never" => Ok(Redecide::Never),
        found => {
            let message = format!("expected `redecide` `until_close` or `never`, found `{found}`");
            Err(place.error(written, &message))
        }
    }
}

fn windows(place: &Place, raw: &raw::Program) -> Result<Vec<CoopWindow>, Error> {
    let mut windows: Vec<CoopWindow> = Vec::with_capacity(raw.coop.window.len());
    for written in &raw.coop.window {
        let days = place.days(written.from.as_ref(), written.until.as_ref())?;
        let at = written.from.as_ref().or(written.until.as_ref()).unwrap_or(&raw.program);
        if !(1..=24).contains(&written.use_months) {
            let message =
                format!("expected `use_months` from 1 to 24, found `{}`", written.use_months);
            return Err(place.error(at, &message));
        }
        if windows.iter().any(|window| window.days.overlap(&days)) {
            return Err(place.error(at, "expected [[coop.window]] that don't overlap"));
        }
        windows.push(CoopWindow {
            days,
            use_months: written.use_months,
            claim_opens_after: written.claim_opens_after,
            claim_days: written.claim_days,
        });
    }
    Ok(windows)
}

fn activities(place: &Place, raw: &raw::Program) -> Result<Vec<CoopActivity>, Error> {
    let mut activities: Vec<CoopActivity> = Vec::with_capacity(raw.coop.activity.len());
    for written in &raw.coop.activity {
        let (key, at) = (written.activity.get_ref(), &written.activity);
        let days = place.days(written.from.as_ref(), written.until.as_ref())?;
        if activities.iter().any(|known| known.activity == *key && known.days.overlap(&days)) {
            let message = format!("expected activity `{key}` once a day, found dates that overlap");
            return Err(place.error(at, &message));
        }
        let share = written.share.as_ref().map(|share| place.share(share)).transpose()?;
        let amount = written.amount.as_ref().map(|amount| money(place, raw, amount)).transpose()?;
        if let (Some(text), Some(..0)) = (&written.amount, amount) {
            return Err(place.error(text, "expected a limit of 0 or more"));
        }
        let widened = |amount: i128| amount * power_of_ten(AMOUNT_SCALE - MONEY_SCALE);
        let limit = (share.is_some() || amount.is_some())
            .then(|| SubLimit { share: share.unwrap_or(0), floor: amount.map(widened) });
        activities.push(CoopActivity {
            activity: key.clone(),
            name: written.name.clone(),
            days,
            limit,
        });
    }
    Ok(activities)
}

fn rollovers(
    place: &Place,
    raw: &raw::Program,
    windows: &[CoopWindow],
) -> Result<Vec<CoopRollover>, Error> {
    let mut rollovers: Vec<CoopRollover> = Vec::with_capacity(raw.coop.rollover.len());
    for written in &raw.coop.rollover {
        let half = |at: &Text| {
            let found = FiscalHalf::named(at.get_ref(), raw.fiscal_year_start);
            found.map_err(|error| place.error(at, &error.0))
        };
        let (from, to) = (half(&written.from_half)?, half(&written.to_half)?);
        if to <= from {
            let message = format!("expected a half after {from}, found `{to}`");
            return Err(place.error(&written.to_half, &message));
        }
        let on = written.on.as_ref().map(|on| place.day(on)).transpose()?;
        let end = windows.iter().find(|window| window.days.contain(from.last().last_day()));
        if let (None, None) = (on, end) {
            let message =
                "expected `on`, the day on which it moves: no [[coop.window]] ends the half";
            return Err(place.error(&written.from_half, message));
        }
        if let (Some(day), Some(text)) = (on, &written.on)
            && day < from.end().first_day()
        {
            let message = format!("expected a day after {from} is over, found `{day}`");
            return Err(place.error(text, &message));
        }
        let twice = rollovers.iter().any(|other| {
            let everybody = other.participants.is_empty() || written.participants.is_empty();
            let shared = || other.participants.iter().any(|one| written.participants.contains(one));
            other.from == from && (everybody || shared())
        });
        if twice {
            let message = format!("expected one [[coop.rollover]] of {from} per participant");
            return Err(place.error(&written.from_half, &message));
        }
        let participants = written.participants.clone();
        rollovers.push(CoopRollover { from, to, on, participants });
    }
    Ok(rollovers)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROGRAM: &str = r#"
program = "p"
name = "P"
currency = "USD"
pays = ["direct"]
[[term]]
term = "all"
[[lever]]
lever = "core"
name = "Core"
draws = "billing"
product_groups = ["*"]
[[lever.rate]]
rate = "0.04"
[payment]
minimum = "200"
[[coop.window]]
claim_opens_after = 46
claim_days = 46
from = "2020-01-01"
[[coop.activity]]
activity = "spiff"
name = "Customer offers and SPIFFs"
share = "0.25"
[[coop.activity]]
activity = "seeding"
name = "Product seeding"
share = "0.10"
amount = "3000"
until = "2021-06-30"
[[coop.rollover]]
from_half = "FY21H1"
to_half = "FY21H2"
participants = ["0100001"]
"#;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a day")
    }

    fn month(text: &str) -> Period {
        text.parse().expect("a month")
    }

    #[test]
    fn windows_are_those_that_partner_center_publishes() {
        let program = Program::parse("p.toml", PROGRAM).expect("it is good");
        for (of, claim_from, claim_to) in [
            ("2020-10", "2021-02-16", "2021-08-15"),
            ("2021-03", "2021-08-16", "2022-02-15"),
            ("2024-03", "2024-08-16", "2025-02-15"),
        ] {
            let half = program.fund_half(month(of));
            let windows = program.fund_windows(half).expect("windows");
            assert_eq!((windows.claim_from, windows.claim_to), (day(claim_from), day(claim_to)));
            assert!(windows.use_open(half.end().first_day()) && !windows.use_open(day(claim_to)));
        }
        assert_eq!(program.fund_windows(program.fund_half(month("2019-12"))), None);
    }

    #[test]
    fn what_is_left_expires_or_moves() {
        let program = Program::parse("p.toml", PROGRAM).expect("it is good");
        let half = program.fund_half(month("2020-10"));
        assert_eq!(program.fund_end(half, "0100002"), Some((day("2021-08-16"), None)));
        let to = Some(half.next());
        assert_eq!(program.fund_end(half, "0100001"), Some((day("2021-08-16"), to)));
        assert_eq!(program.fund_end(half.previous().previous(), "0100001"), None);
    }

    #[test]
    fn limits_are_a_share_an_amount_or_the_larger_of_both() {
        let program = Program::parse("p.toml", PROGRAM).expect("it is good");
        let limit = |activity| program.coop_activity(activity, month("2021-06"))?.limit;
        assert_eq!(limit("spiff"), Some(SubLimit { share: 250_000_000, floor: None }));
        let floor = Some(3_000 * power_of_ten(AMOUNT_SCALE));
        assert_eq!(limit("seeding"), Some(SubLimit { share: 100_000_000, floor }));
        assert_eq!(program.coop_activity("seeding", month("2021-07")), None);
        assert_eq!(program.coop_activity("charm", month("2021-06")), None);
    }

    #[test]
    fn faults_name_file_line_and_remedy() {
        let cases = [
            (
                "to_half = \"FY21H2\"",
                "to_half = \"FY21H1\"",
                "p.toml:33: expected a half after FY21H1",
            ),
            ("FY21H1", "2021H1", "p.toml:32: expected a fiscal half `FY21H1`, found `2021H1`"),
            ("FY21H1", "FY19H1", "expected `on`, the day on which it moves"),
            ("to_half", "on = \"2020-12-31\"\nto_half", "expected a day after FY21H1 is over"),
            ("0.10", "1.10", "p.toml:28: expected a rate from 0 to 1"),
            ("\"seeding\"", "\"spiff\"", "expected activity `spiff` once a day"),
            ("\"3000\"", "\"-1\"", "expected a limit of 0 or more"),
            ("claim_days = 46", "claim_days = 46\nuse_months = 0", "expected `use_months`"),
            (
                "[[coop.activity]]\nactivity = \"spiff\"",
                "[[coop.window]]\nclaim_days = 1\n[[coop.activity]]\nactivity = \"spiff\"",
                "that don't overlap",
            ),
        ];
        for (find, replace, expected) in cases {
            let text = PROGRAM.replacen(find, replace, 1);
            let error = Program::parse("p.toml", &text).expect_err(replace);
            assert!(error.0.contains(expected), "`{replace}`: {error}");
        }
    }
}
