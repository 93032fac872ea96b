//! What is guaranteed: top-ups, one guarantee for several months, draws.

use super::super::{AMOUNT, PERIOD, Results, Trial};
use super::{Made, lever, month, program, sold};
use crate::examples::compare::{exact, exacts};
use crate::examples::engine::exports::Sold;
use crate::examples::fields::{Failure, Fields};

/// A year that is due at least an amount, as `terms` say, of all that is sold. Who sells nothing is due it too.
fn guaranteed(amount: &str, terms: &str) -> String {
    let text = format!(
        "[lever.measure]\nwindow = \"year\"\nat_least = \"{amount}\"\nzero = \"flat\"\n{terms}\n\
         [[lever.tiers]]\nshape = \"marginal\"\ntier = [{{ rate = \"1\" }}]\n"
    );
    program("KWD", &lever("core", "X", &text), "minimum = \"0\"")
        .replace("pays = ", "fiscal_year_start = 1\npays = ")
}

/// What a month earned, and by what all months up to it are topped up.
fn of_month(results: &Results, place: usize) -> Result<(i128, i128), Failure> {
    let of = |row: &[String]| row[PERIOD] == month(place);
    if !results.earnings.iter().any(|row| of(row)) {
        return Err(Failure(format!("expected an earning of {}", month(place))));
    }
    let detail = results.detail(of)?;
    let topped_up = Results::exact(detail["topped_up"].as_str().unwrap_or("0"))?;
    Ok((results.sum(AMOUNT, of)?, topped_up))
}

/// One guarantee of each month, or one for all of them.
pub fn guarantee(rule: &Fields, input: &Fields) -> Made {
    let timing = rule.optional_text("timing")?;
    let terms = match timing {
        Some(timing) => format!("guarantee = \"{timing}\""),
        None if rule.flag("cumulative")? => "guarantee = \"cumulative\"".to_owned(),
        None => "guarantee = \"draw\"".to_owned(),
    };
    let royalties = input.texts("royalties")?;
    let count = royalties.len();
    // What is due at the end is due in the window's last month.
    let first = if timing == Some("end") { 12_usize.saturating_sub(count) } else { 0 };
    let lines = royalties.iter().enumerate().map(|(place, amount)| sold(first + place, amount));
    let program = guaranteed(rule.text("amount")?, &terms);
    let (at_start, timed) = (timing == Some("start"), timing.is_some());
    let read = move |results: &Results| {
        let (mut top_ups, mut guarantees, mut royalties) = (Vec::new(), Vec::new(), Vec::new());
        let mut before = 0;
        for place in first..first + count {
            let (amount, topped_up) = of_month(results, place)?;
            // From the start on, all is guarantee as long as something is missing to it.
            let guarantee = match (at_start, topped_up) {
                (true, 0) => 0,
                (true, _) => amount,
                (false, _) => topped_up - before,
            };
            top_ups.push(topped_up - before);
            guarantees.push(guarantee);
            royalties.push(amount - guarantee);
            before = topped_up;
        }
        Ok(if timed {
            vec![("guarantee_paid", exacts(guarantees)), ("royalty_paid", exacts(royalties))]
        } else {
            vec![("top_ups", exacts(top_ups))]
        })
    };
    Ok(Some(Trial::new(program, lines.collect(), read)))
}

/// What is advanced and paid back is how the balance of advances moves.
pub fn recoverable_draw(rule: &Fields, input: &Fields) -> Made {
    let mut terms = "guarantee = \"draw\"".to_owned();
    if let Some(from) = rule.optional_count("recovery_from_period")? {
        let share = rule.optional_text("recovery_share")?.unwrap_or("1");
        terms.push_str(&format!("\nrecover = {{ from = {from}, share = \"{share}\" }}"));
    }
    let program = guaranteed(rule.text("draw")?, &terms);
    let earnings = input.texts("earnings")?;
    let lines = earnings.iter().enumerate().map(|(place, amount)| sold(place, amount)).collect();
    let count = earnings.len();
    let read = move |results: &Results| {
        let months = (0..count).map(|place| of_month(results, place));
        let months = months.collect::<Result<Vec<_>, Failure>>()?;
        let balances = months.iter().map(|month| month.1);
        let befores = std::iter::once(0).chain(balances.clone());
        let moved: Vec<i128> = balances.clone().zip(befores).map(|(now, old)| now - old).collect();
        Ok(vec![
            ("draws", exacts(moved.iter().map(|moved| *moved.max(&0)))),
            ("recovered", exacts(moved.iter().map(|moved| (-moved).max(0)))),
            ("paid", exacts(months.iter().map(|month| month.0))),
            ("balance", exacts(balances)),
        ])
    };
    Ok(Some(Trial::new(program, lines, read)))
}

/// Within a window whose least is due in its last month: a month costs what it adds. What was billed before is
/// what the months before earned.
pub fn before_the_end(text: &str, lines: Vec<Sold>, billed: Option<i128>) -> Trial {
    let quarter = "window = \"quarter\"\nguarantee = \"end\"\n";
    let text = text.replace("window = \"month\"\n", quarter);
    let program = program("KWD", &lever("tiers", "X", &text), "minimum = \"0\"");
    let read = move |results: &Results| {
        // A month without an earning adds nothing.
        let of = |place| match of_month(results, place) {
            Ok((amount, topped_up)) => Ok((amount, Some(topped_up))),
            Err(_) if results.sum(AMOUNT, |row| row[PERIOD] == month(place))? == 0 => Ok((0, None)),
            Err(failure) => Err(failure),
        };
        let ((before, first), (total, second), (end, _)) = (of(0)?, of(1)?, of(2)?);
        if billed.is_some_and(|billed| billed != before) || end == 0 {
            return Err(Failure(format!("expected {billed:?} before and a top-up at the end")));
        }
        let first = first.unwrap_or_default();
        let top_up = second.unwrap_or(first) - first;
        Ok(vec![
            ("charge", exact(total - top_up)),
            ("top_up", exact(top_up)),
            ("total", exact(total)),
        ])
    };
    Trial::new(program, lines, read)
}
