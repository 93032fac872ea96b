//! How `determinations` name windows: a lever or requirement, sometimes months, then the days that were measured
//! or that it holds for, `NAME FIRST..LAST`.

use chrono::NaiveDate;

/// What stands before the last word of a window's name.
#[must_use]
pub fn before(window: &str) -> Option<&str> {
    window.rsplit_once(' ').map(|(before, _)| before)
}

/// The first and the last day, both inclusive.
#[must_use]
pub fn days(window: &str) -> Option<(NaiveDate, NaiveDate)> {
    let (_, days) = window.rsplit_once(' ')?;
    let (first, last) = days.split_once("..")?;
    Some((first.parse().ok()?, last.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_read_from_its_end() {
        let day = |text: &str| text.parse::<NaiveDate>().expect("a day");
        let april = (day("2020-04-01"), day("2020-04-30"));
        let window = "growth 2021-04..2021-04 2020-04-01..2020-04-30";
        assert_eq!((before(window), days(window)), (Some("growth 2021-04..2021-04"), Some(april)));
        assert_eq!(before("growth 2021-04..2021-04"), Some("growth"));
        for bad in ["growth", "growth 2021-04..2021-04", "growth 2020-04-01"] {
            assert_eq!(days(bad), None, "{bad}");
        }
    }
}
