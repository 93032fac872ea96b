//! Decimal numbers, straight from the bytes of a field. In: text, the marks and decimals that a
//! format declares. Out: an exact integer at the column's scale. Nothing is ever rounded.

use earnest_core::reason::RejectReason;

/// How a source writes numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks {
    /// Between whole and fraction, one ASCII character.
    pub decimal: u8,
    /// Between groups of three digits; `None`: the source has none.
    pub thousands: Option<char>,
}

/// Powers of ten up to the largest that 128 bits hold.
const POWERS: [i128; 39] = {
    let mut powers = [1; 39];
    let mut exponent = 1;
    while exponent < 39 {
        powers[exponent] = powers[exponent - 1] * 10;
        exponent += 1;
    }
    powers
};

/// Parses a number into an integer at `scale`, with at most `decimals` decimals besides zeros.
/// `digits` is how many digits the column holds in all, 38 or 18.
///
/// # Errors
/// With the reason for which the record is rejected.
pub fn decimal(
    text: &str,
    marks: Marks,
    decimals: u32,
    scale: u32,
    digits: u32,
) -> Result<i128, RejectReason> {
    let (negative, rest) = match text.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        all => (false, all),
    };
    // Eighteen digits fit a u64, and almost every number has fewer.
    let mut small: u64 = 0;
    let mut large: i128 = 0;
    let mut count = 0_u32;
    let mut taken = 0_u32;
    let mut position = 0;
    let mut group: Option<usize> = None;
    let mut bytes = [0; 4];
    let thousands = marks.thousands.map(|mark| &*mark.encode_utf8(&mut bytes)).map(str::as_bytes);
    while position < rest.len() && rest[position] != marks.decimal {
        let byte = rest[position];
        if byte.is_ascii_digit() {
            push(&mut small, &mut large, &mut count, byte)?;
            group = group.map(|length| length + 1);
        } else if let Some(mark) = thousands.filter(|mark| rest[position..].starts_with(mark)) {
            let placed = group.map_or(matches!(position, 1..=3), |length| length == 3);
            if !placed {
                return Err(RejectReason::BadDecimal);
            }
            group = Some(0);
            position += mark.len() - 1;
        } else {
            return Err(RejectReason::BadDecimal);
        }
        position += 1;
    }
    if group.is_some_and(|length| length != 3) {
        return Err(RejectReason::BadDecimal);
    }
    let whole = position;
    if position < rest.len() {
        for &byte in &rest[position + 1..] {
            if !byte.is_ascii_digit() {
                return Err(RejectReason::BadDecimal);
            }
            if taken < decimals {
                push(&mut small, &mut large, &mut count, byte)?;
                taken += 1;
            } else if byte != b'0' {
                return Err(too_many(&rest[position + 1..]));
            }
        }
        if position + 1 == rest.len() {
            return Err(RejectReason::BadDecimal);
        }
    } else if whole == 0 {
        return Err(RejectReason::BadDecimal);
    }
    let value = if count <= 18 { i128::from(small) } else { large };
    let shift = POWERS[(scale - taken) as usize];
    let value = value.checked_mul(shift).ok_or(RejectReason::TooLarge)?;
    if value >= POWERS[digits as usize] {
        return Err(RejectReason::TooLarge);
    }
    Ok(if negative { -value } else { value })
}

fn push(small: &mut u64, large: &mut i128, count: &mut u32, byte: u8) -> Result<(), RejectReason> {
    let digit = byte - b'0';
    if *count == 0 && digit == 0 {
        return Ok(());
    }
    *count += 1;
    if *count <= 18 {
        *small = *small * 10 + u64::from(digit);
        return Ok(());
    }
    if *count == 19 {
        *large = i128::from(*small);
    }
    let longer = large.checked_mul(10).and_then(|large| large.checked_add(i128::from(digit)));
    *large = longer.ok_or(RejectReason::TooLarge)?;
    Ok(())
}

/// Too many decimals, unless what follows isn't a number at all.
fn too_many(fraction: &[u8]) -> RejectReason {
    if fraction.iter().all(u8::is_ascii_digit) {
        RejectReason::TooManyDecimals
    } else {
        RejectReason::BadDecimal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Marks = Marks { decimal: b'.', thousands: None };
    const ENGLISH: Marks = Marks { decimal: b'.', thousands: Some(',') };
    const GERMAN: Marks = Marks { decimal: b',', thousands: Some('.') };
    const FRENCH: Marks = Marks { decimal: b',', thousands: Some('\u{202F}') };

    #[test]
    fn numbers_are_exact() {
        let cases = [
            ("12.34", PLAIN, 12_340),
            ("-0.5", PLAIN, -500),
            ("+7", PLAIN, 7_000),
            (".5", PLAIN, 500),
            ("1.50000000", PLAIN, 1_500),
            ("0000000000000000000000012", PLAIN, 12_000),
            ("1,234.50", ENGLISH, 1_234_500),
            ("1234.50", ENGLISH, 1_234_500),
            ("-12,345,678", ENGLISH, -12_345_678_000),
            ("1.234,50", GERMAN, 1_234_500),
            ("-1\u{202F}234\u{202F}567,5", FRENCH, -1_234_567_500),
            ("999999999999999.999", PLAIN, 999_999_999_999_999_999),
        ];
        for (text, marks, expected) in cases {
            assert_eq!(decimal(text, marks, 3, 3, 18), Ok(expected), "{text}");
        }
        let wide = "12345678901234567890123456.123456789012";
        let expected = 12_345_678_901_234_567_890_123_456_123_456_789_012;
        assert_eq!(decimal(wide, PLAIN, 12, 12, 38), Ok(expected));
    }

    #[test]
    fn anything_else_has_its_reason() {
        let bad = [
            "", "-", ".", "1.", "1e3", "1,000", " 1", "0x1", "--1", "1.2.3", "1.23x", "1.2345x",
            "(1)", "1-", "NaN",
        ];
        for text in bad {
            assert_eq!(decimal(text, PLAIN, 3, 3, 18), Err(RejectReason::BadDecimal), "`{text}`");
        }
        for text in ["12,34", "1,23,456", ",123", "1234,567", "1,2345", "1,", "1,234,", "1,.5"] {
            assert_eq!(decimal(text, ENGLISH, 3, 3, 18), Err(RejectReason::BadDecimal), "`{text}`");
        }
        for text in ["12\u{202F}34", "1\u{A0}234", "1 234", "\u{202F}123"] {
            assert_eq!(decimal(text, FRENCH, 3, 3, 18), Err(RejectReason::BadDecimal), "`{text}`");
        }
        assert_eq!(decimal("1.005", PLAIN, 2, 3, 18), Err(RejectReason::TooManyDecimals));
        assert_eq!(decimal("1.5", PLAIN, 0, 3, 18), Err(RejectReason::TooManyDecimals));
        assert_eq!(decimal("1000000000000000", PLAIN, 3, 3, 18), Err(RejectReason::TooLarge));
        assert_eq!(decimal(&"9".repeat(60), PLAIN, 3, 12, 38), Err(RejectReason::TooLarge));
        assert_eq!(decimal(&"9".repeat(27), PLAIN, 3, 12, 38), Err(RejectReason::TooLarge));
    }

    #[test]
    fn it_agrees_with_the_core_s_parser() {
        for value in (-3_000..3_000).chain([i128::from(i64::MAX), -i128::from(i64::MAX)]) {
            let text = earnest_core::decimal::format(value, 3, 0);
            assert_eq!(decimal(&text, PLAIN, 12, 12, 38), Ok(value * 1_000_000_000));
        }
    }
}
