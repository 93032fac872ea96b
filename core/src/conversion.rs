//! Conversion of co-op. In: a half's co-op by the cycle that its postings enter, and the threshold.
//! Out: whether the half qualifies, and what converts to rebate in which cycle.

use crate::calendar::Period;

/// What was decided of a half's co-op, in program currency at money scale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversion {
    /// Co-op that decided: all that entered by the cycle in which the half's last month is due.
    pub measured: i128,
    /// It stays co-op.
    pub qualified: bool,
    /// Cycle and amount, which may be negative; nothing where the half qualifies.
    pub converted: Vec<(Period, i128)>,
}

/// Whether a half's co-op stays co-op: equal to the threshold qualifies.
#[must_use]
pub fn qualifies(measured: i128, threshold: i128) -> bool {
    measured >= threshold
}

/// Decides a half. `entered` are cycles and amounts in any order, `cycle` the one in which the half's
/// last month is due. Below the threshold everything converts, in that cycle; what enters later
/// converts in its own. Equal to the threshold qualifies.
#[must_use]
pub fn convert(
    entered: impl IntoIterator<Item = (Period, i128)>,
    cycle: Period,
    threshold: i128,
) -> Conversion {
    let mut by_cycle = std::collections::BTreeMap::from([(cycle, 0)]);
    for (entry, amount) in entered {
        *by_cycle.entry(entry.max(cycle)).or_default() += amount;
    }
    let measured = by_cycle[&cycle];
    let qualified = qualifies(measured, threshold);
    let converts = |(_, amount): &(Period, i128)| !qualified && *amount != 0;
    Conversion { measured, qualified, converted: by_cycle.into_iter().filter(converts).collect() }
}

/// The same for a half that was decided before, in `cycle`: whatever is known later, it stays so.
#[must_use]
pub fn carry_on(
    entered: impl IntoIterator<Item = (Period, i128)>,
    cycle: Period,
    qualified: bool,
) -> Conversion {
    let decided = convert(entered, cycle, i128::MAX);
    let converted = if qualified { Vec::new() } else { decided.converted };
    Conversion { qualified, converted, ..decided }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(entered: &[(&str, i128)]) -> (bool, Vec<(String, i128)>) {
        let month = |text: &str| text.parse::<Period>().expect("a month");
        let entered = entered.iter().map(|(cycle, amount)| (month(cycle), *amount));
        let decided = convert(entered, month("2021-08"), 1_000);
        let converted = decided.converted.iter();
        (decided.qualified, converted.map(|(cycle, amount)| (cycle.to_string(), *amount)).collect())
    }

    #[test]
    fn below_the_threshold_everything_converts() {
        let converted = |amount| vec![("2021-08".to_owned(), amount)];
        assert_eq!(decide(&[("2021-03", 600), ("2021-08", 399)]), (false, converted(999)));
        assert_eq!(decide(&[("2021-03", 600), ("2021-08", 400)]), (true, vec![]));
        assert_eq!(decide(&[("2021-03", 600), ("2021-07", -700)]), (false, converted(-100)));
        assert_eq!(decide(&[("2021-03", 600), ("2021-07", -600)]), (false, vec![]));
        assert_eq!(decide(&[]), (false, vec![]));
    }

    #[test]
    fn what_comes_later_follows_the_decision() {
        let late = ("2021-11", -300);
        let both = vec![("2021-08".to_owned(), 999), ("2021-11".to_owned(), -300)];
        assert_eq!(decide(&[("2021-08", 999), late]), (false, both));
        assert_eq!(decide(&[("2021-08", 1_000), late]), (true, vec![]), "it joins the fund");
    }
}
