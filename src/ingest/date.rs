//! Dates. In: a text and the patterns that a format declares. Out: a day, or nothing. Times are
//! checked and dropped: a format's times are UTC.

/// Patterns in the order in which they are tried.
#[derive(Clone, Debug, Default)]
pub struct DatePatterns(Vec<Vec<Token>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Year,
    Month,
    MonthName,
    Day,
    Hour,
    HalfDayHour,
    Minute,
    Second,
    /// A point and digits, or nothing.
    Fraction,
    AmPm,
    Literal(u8),
}

const MONTHS: [&[u8; 3]; 12] = [
    b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec",
];

impl DatePatterns {
    /// Adds a pattern in strftime's letters: `%Y %m %b %d %H %I %M %S %.f %p %T %F` and plain text.
    ///
    /// # Errors
    /// If it has another letter, or doesn't state year, month and day.
    pub fn add(&mut self, pattern: &str) -> Result<(), String> {
        let mut tokens = Vec::new();
        let mut rest = pattern.as_bytes();
        while let Some((&byte, after)) = rest.split_first() {
            rest = after;
            if byte != b'%' {
                tokens.push(Token::Literal(byte));
                continue;
            }
            let (used, added): (usize, &[Token]) = match rest {
                [b'Y', ..] => (1, &[Token::Year]),
                [b'm', ..] => (1, &[Token::Month]),
                [b'b', ..] => (1, &[Token::MonthName]),
                [b'd', ..] => (1, &[Token::Day]),
                [b'H', ..] => (1, &[Token::Hour]),
                [b'I', ..] => (1, &[Token::HalfDayHour]),
                [b'M', ..] => (1, &[Token::Minute]),
                [b'S', ..] => (1, &[Token::Second]),
                [b'p', ..] => (1, &[Token::AmPm]),
                [b'%', ..] => (1, &[Token::Literal(b'%')]),
                [b'.', b'f', ..] => (2, &[Token::Fraction]),
                [b'F', ..] => (1, ISO_DAY),
                [b'T', ..] => (1, ISO_TIME),
                _ => {
                    return Err(format!(
                        "expected a pattern of `%Y %m %b %d %H %I %M %S %.f %p %F %T`, found `{pattern}`"
                    ));
                }
            };
            tokens.extend_from_slice(added);
            rest = &rest[used..];
        }
        let has = |token| tokens.contains(&token);
        let month = has(Token::Month) || has(Token::MonthName);
        if !(has(Token::Year) && month && has(Token::Day)) {
            return Err(format!("expected a pattern with year, month and day, found `{pattern}`"));
        }
        self.0.push(tokens);
        Ok(())
    }

    /// Days since 1970-01-01, by the first pattern that fits the whole text.
    #[must_use]
    pub fn parse(&self, text: &str) -> Option<i32> {
        self.0.iter().find_map(|tokens| matches(tokens, text.as_bytes()))
    }
}

const ISO_DAY: &[Token] =
    &[Token::Year, Token::Literal(b'-'), Token::Month, Token::Literal(b'-'), Token::Day];
const ISO_TIME: &[Token] =
    &[Token::Hour, Token::Literal(b':'), Token::Minute, Token::Literal(b':'), Token::Second];

fn matches(tokens: &[Token], mut text: &[u8]) -> Option<i32> {
    let (mut year, mut month, mut day) = (0, 0, 0);
    for token in tokens {
        let (value, most) = match token {
            Token::Literal(byte) => {
                text = text.strip_prefix(std::slice::from_ref(byte))?;
                continue;
            }
            Token::Year => {
                year = digits(&mut text, 4, 4)?;
                continue;
            }
            Token::Month => {
                month = digits(&mut text, 1, 2)?;
                (month, 12)
            }
            Token::MonthName => {
                month = month_name(&mut text)?;
                (month, 12)
            }
            Token::Day => {
                day = digits(&mut text, 1, 2)?;
                (day, 31)
            }
            Token::Hour => (digits(&mut text, 1, 2)?, 23),
            Token::HalfDayHour => (digits(&mut text, 1, 2)?, 12),
            Token::Minute | Token::Second => (digits(&mut text, 2, 2)?, 59),
            Token::Fraction => {
                fraction(&mut text)?;
                continue;
            }
            Token::AmPm => {
                let mark = text.split_at_checked(2)?;
                let known =
                    mark.0.eq_ignore_ascii_case(b"am") || mark.0.eq_ignore_ascii_case(b"pm");
                text = mark.1;
                (0, if known { 0 } else { return None })
            }
        };
        if value > most {
            return None;
        }
    }
    if text.is_empty() { day_number(year, month, day) } else { None }
}

/// From `least` to `most` digits, as many as there are.
fn digits(text: &mut &[u8], least: usize, most: usize) -> Option<u32> {
    let count = text.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
    if count < least {
        return None;
    }
    let (number, rest) = text.split_at(count);
    *text = rest;
    Some(number.iter().fold(0, |value, byte| value * 10 + u32::from(byte - b'0')))
}

fn month_name(text: &mut &[u8]) -> Option<u32> {
    let (name, rest) = text.split_at_checked(3)?;
    let place = MONTHS.iter().position(|month| name.eq_ignore_ascii_case(month.as_slice()))?;
    *text = rest;
    u32::try_from(place + 1).ok()
}

fn fraction(text: &mut &[u8]) -> Option<()> {
    if let Some((b'.', rest)) = text.split_first() {
        *text = rest;
        digits(text, 1, 9)?;
    }
    Some(())
}

/// Days since 1970-01-01 in the Gregorian calendar; `None` for a day that doesn't exist.
/// Source: Howard Hinnant, "chrono-compatible low-level date algorithms", `days_from_civil`.
fn day_number(year: u32, month: u32, day: u32) -> Option<i32> {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let last = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 31,
    };
    if year == 0 || !(1..=12).contains(&month) || !(1..=last).contains(&day) {
        return None;
    }
    let shifted = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (shifted / 400, shifted % 400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    Some(days.cast_signed() - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{Datelike, NaiveDate};

    fn parse(pattern: &str, text: &str) -> Option<String> {
        let mut patterns = DatePatterns::default();
        patterns.add(pattern).expect("a pattern");
        let days = patterns.parse(text)?;
        Some(NaiveDate::from_num_days_from_ce_opt(days + 719_163)?.to_string())
    }

    #[test]
    fn published_patterns_are_read() {
        let cases = [
            ("%Y-%m-%dT%H:%M:%SZ", "2021-02-08T00:00:00Z", "2021-02-08"),
            ("%Y-%m-%dT%T%.fZ", "2021-02-08T23:59:59.9999999Z", "2021-02-08"),
            ("%Y-%m-%dT%T%.fZ", "2021-02-08T23:59:59Z", "2021-02-08"),
            ("%m/%d/%Y %H:%M", "2/1/2019 0:00", "2019-02-01"),
            ("%m/%d/%Y %H:%M", "02/28/2019 23:59", "2019-02-28"),
            ("%m/%d/%Y %I:%M:%S %p", "2/1/2019 12:00:00 AM", "2019-02-01"),
            ("%d.%m.%Y", "29.02.2020", "2020-02-29"),
            ("%d-%b-%Y", "3-Mar-2020", "2020-03-03"),
            ("%F", "2020-02-29", "2020-02-29"),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(parse(pattern, text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "2021-02-30", "2021-13-01", "2021-00-10", "21-02-08", "2021-02-08 ", "x"] {
            assert_eq!(parse("%Y-%m-%d", text), None, "`{text}`");
        }
        assert_eq!(parse("%m/%d/%Y %H:%M", "2/1/2019 24:00"), None);
        assert_eq!(parse("%m/%d/%Y %H:%M", "2/1/2019 0:60"), None);
        assert_eq!(parse("%m/%d/%Y %I:%M %p", "2/1/2019 1:00 XM"), None);
        let mut patterns = DatePatterns::default();
        assert!(patterns.add("%Y-%m").is_err());
        assert!(patterns.add("%Q").is_err());
    }

    #[test]
    fn every_day_of_four_centuries_is_the_calendar_s() {
        let mut patterns = DatePatterns::default();
        patterns.add("%Y-%m-%d").expect("a pattern");
        let mut day = NaiveDate::from_ymd_opt(1899, 12, 31).expect("a day");
        while day.year() < 2301 {
            let days = day.num_days_from_ce() - 719_163;
            assert_eq!(patterns.parse(&day.to_string()), Some(days));
            day = day.succ_opt().expect("a day");
        }
    }
}
