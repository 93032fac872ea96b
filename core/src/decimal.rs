//! Exact decimals as scaled integers. The scale is fixed by what the number is: see the constants.
//! One function rounds, one function allocates; every product is exact or an error.

mod exact;

use crate::Error;
pub use exact::{divide, exact, rescale, round_factors, round_ratio_by, subtract, sum, widened};

/// Decimals of base amounts, quantities and prices, `DECIMAL(38,12)`.
pub const AMOUNT_SCALE: u32 = 12;
/// Decimals of rates, shares and exchange rates, `DECIMAL(18,9)`.
pub const RATE_SCALE: u32 = 9;
/// Decimals of posted money, `DECIMAL(18,3)`.
pub const MONEY_SCALE: u32 = 3;
/// Decimals of exact amounts that no rule has rounded yet: an amount times a rate, up to 10 to the
/// power of 17 before the mark.
pub const EXACT_SCALE: u32 = AMOUNT_SCALE + RATE_SCALE;

/// 10 to the power of `exponent`, which is at most 38.
#[must_use]
pub const fn power_of_ten(exponent: u32) -> i128 {
    POWERS[exponent as usize]
}

/// 10 to the power of 0 to 38: a look-up, since every row needs several.
const POWERS: [i128; 39] = {
    let mut powers = [1; 39];
    let mut exponent = 1;
    while exponent < powers.len() {
        powers[exponent] = powers[exponent - 1] * 10;
        exponent += 1;
    }
    powers
};

/// Parses a plain decimal (`-1234.50`) into an integer at `scale`. No exponent, no thousands mark,
/// no rounding: more decimals than `scale` is an error, unless they are zeros.
///
/// # Errors
/// If the text is anything else, or too large for 128 bits.
pub fn parse(text: &str, scale: u32) -> Result<i128, Error> {
    let bad = || Error(format!("expected a decimal number, found `{text}`"));
    let (negative, digits) = match text.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        all => (false, all),
    };
    let point = digits.iter().position(|&byte| byte == b'.').unwrap_or(digits.len());
    let whole = &digits[..point];
    let fraction = digits.get(point + 1..).unwrap_or_default();
    if whole.is_empty() && fraction.is_empty() || point + 1 == digits.len() {
        return Err(bad());
    }
    let mut value: i128 = 0;
    let mut decimals = 0;
    for (position, &byte) in whole.iter().chain(fraction).enumerate() {
        if !byte.is_ascii_digit() {
            return Err(bad());
        }
        if position >= whole.len() {
            if decimals == scale {
                if byte == b'0' {
                    continue;
                }
                return Err(Error(format!("expected at most {scale} decimals, found `{text}`")));
            }
            decimals += 1;
        }
        value = value
            .checked_mul(10)
            .and_then(|value| value.checked_add(i128::from(byte - b'0')))
            .ok_or_else(|| Error(format!("expected a number that fits, found `{text}`")))?;
    }
    let value = value
        .checked_mul(power_of_ten(scale - decimals))
        .ok_or_else(|| Error(format!("expected a number that fits, found `{text}`")))?;
    Ok(if negative { -value } else { value })
}

/// The plain text of an integer at `scale`, with at least `decimals` decimals and no needless zeros.
#[must_use]
pub fn format(value: i128, scale: u32, decimals: u32) -> String {
    let (scale, decimals) = (scale as usize, decimals as usize);
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(value.unsigned_abs());
    let (whole, fraction) = digits.split_at(digits.len().saturating_sub(scale));
    let zeros = scale - fraction.len();
    let fraction_kept = fraction.trim_end_matches('0').len();
    let needed = if fraction_kept == 0 { 0 } else { zeros + fraction_kept };
    let kept = needed.max(decimals.min(scale));
    let mut text = String::with_capacity(digits.len() + zeros + 3);
    text.push_str(if value < 0 { "-" } else { "" });
    text.push_str(if whole.is_empty() { "0" } else { whole });
    if kept > 0 {
        text.push('.');
        text.extend(std::iter::repeat_n('0', zeros.min(kept)));
        text.push_str(&fraction[..kept.saturating_sub(zeros)]);
    }
    text
}

/// Divides and rounds half away from zero: the one function that rounds. `divisor` is positive.
///
/// # Errors
/// If `divisor` is not positive.
fn round_div(value: i128, divisor: i128) -> Result<i128, Error> {
    if divisor <= 0 {
        return Err(Error(format!("expected a positive divisor, found {divisor}")));
    }
    let quotient = value / divisor;
    let rest = (value - quotient * divisor).unsigned_abs();
    let up = rest >= divisor.unsigned_abs() - rest;
    Ok(if rest != 0 && up { quotient + value.signum() } else { quotient })
}

/// How a rule rounds what lies between two units.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize,
)]
pub enum Rounding {
    /// To the nearest unit, a half away from zero: the default, since a refund then is the exact
    /// negative of its sale.
    #[default]
    HalfAwayFromZero,
    /// To the nearest unit, a half to the even one.
    HalfEven,
    /// Down in magnitude.
    TowardZero,
    /// To the unit that is not less.
    Ceiling,
    /// To the unit that is not more.
    Floor,
}

/// Divides and rounds as `rounding` says. `divisor` is positive.
///
/// # Errors
/// If `divisor` is not positive.
pub fn round_div_by(value: i128, divisor: i128, rounding: Rounding) -> Result<i128, Error> {
    let nearest = round_div(value, divisor)?;
    if rounding == Rounding::HalfAwayFromZero {
        return Ok(nearest);
    }
    let (quotient, rest) = (value / divisor, value % divisor);
    let half = rest.unsigned_abs() == divisor.unsigned_abs() - rest.unsigned_abs();
    Ok(match rounding {
        Rounding::HalfEven if half && quotient % 2 == 0 => quotient,
        Rounding::HalfAwayFromZero | Rounding::HalfEven => nearest,
        Rounding::TowardZero => quotient,
        Rounding::Ceiling => quotient + i128::from(rest > 0),
        Rounding::Floor => quotient - i128::from(rest < 0),
    })
}

/// An exact product, or an error where 128 bits don't hold it.
///
/// # Errors
/// On overflow.
pub fn multiply(a: i128, b: i128) -> Result<i128, Error> {
    a.checked_mul(b).ok_or_else(|| Error(format!("overflow: {a} × {b} exceeds 128 bits")))
}

/// To what money is rounded: its currency's minor units, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Unit {
    /// At most those of [`MONEY_SCALE`].
    pub decimals: u32,
    pub rounding: Rounding,
}

impl Unit {
    /// Of so many decimals, a half rounded away from zero.
    #[must_use]
    pub const fn new(decimals: u32) -> Unit {
        Unit { decimals, rounding: Rounding::HalfAwayFromZero }
    }

    /// One unit, at money scale.
    #[must_use]
    pub const fn one(self) -> i128 {
        power_of_ten(MONEY_SCALE - self.decimals)
    }

    /// An amount with `scale` decimals in whole units, at money scale.
    ///
    /// # Errors
    /// On overflow.
    pub fn round(self, amount: i128, scale: u32) -> Result<i128, Error> {
        multiply(rescale(amount, scale, self.decimals, self.rounding)?, self.one())
    }
}

/// `round(value × factor)` in whole units, at money scale. The factors are integers with their decimals.
///
/// # Errors
/// On overflow.
pub fn round_product(value: (i128, u32), factor: (i128, u32), unit: Unit) -> Result<i128, Error> {
    let exact = multiply(value.0, factor.0)?;
    let divisor = power_of_ten(value.1 + factor.1 - unit.decimals);
    multiply(round_div_by(exact, divisor, unit.rounding)?, unit.one())
}

/// `round(value × numerator ÷ denominator)` in whole units, for money at money scale.
///
/// # Errors
/// On overflow, or if `denominator` is not positive.
pub fn round_ratio(
    value: i128,
    numerator: i128,
    denominator: i128,
    unit: Unit,
) -> Result<i128, Error> {
    let divisor = multiply(denominator, unit.one())?;
    multiply(wide_ratio(value, numerator, divisor, unit.rounding)?, unit.one())
}

/// `round(a × b ÷ c)`; where `a × b` exceeds 128 bits, common factors are taken out first.
///
/// # Errors
/// On overflow, or if `c` is not positive.
pub fn wide_ratio(a: i128, b: i128, c: i128, rounding: Rounding) -> Result<i128, Error> {
    match a.checked_mul(b) {
        Some(product) => round_div_by(product, c, rounding),
        None => round_ratio_by(a, b, c, rounding),
    }
}

fn gcd(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Splits `total` (in units of `unit`) in proportion to `weights`, by largest remainder, ties by
/// position, so that the parts re-add exactly. Weights may have any sign but must not sum to zero
/// unless `total` is zero.
///
/// # Errors
/// On overflow, or if weights sum to zero and `total` does not.
pub fn allocate(total: i128, weights: &[i128], unit: i128) -> Result<Vec<i128>, Error> {
    let sum = weights
        .iter()
        .try_fold(0_i128, |sum, &weight| sum.checked_add(weight))
        .ok_or_else(|| Error("overflow: weights".to_owned()))?;
    if total == 0 || sum == 0 {
        if total != 0 {
            return Err(Error(format!(
                "expected weights that don't sum to zero, to split {total}"
            )));
        }
        return Ok(vec![0; weights.len()]);
    }
    let units = total / unit;
    let mut parts = Vec::with_capacity(weights.len());
    let mut rests = Vec::with_capacity(weights.len());
    for (position, &weight) in weights.iter().enumerate() {
        let exact = multiply(units, weight)?;
        let part = exact.div_euclid(sum.abs()) * sum.signum();
        let rest = exact.rem_euclid(sum.abs());
        let (part, rest) =
            if sum < 0 && rest != 0 { (part - 1, sum.abs() - rest) } else { (part, rest) };
        parts.push(part);
        rests.push((rest, position));
    }
    let missing = units - parts.iter().sum::<i128>();
    rests.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    let missing = usize::try_from(missing)
        .map_err(|_| Error(format!("allocation of {total} left {missing}")))?;
    for &(_, position) in rests.iter().take(missing) {
        parts[position] += 1;
    }
    Ok(parts.into_iter().map(|part| part * unit).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_is_exact() {
        assert_eq!(parse("12.34", 3), Ok(12_340));
        assert_eq!(parse("-0.5", 3), Ok(-500));
        assert_eq!(parse("+7", 3), Ok(7_000));
        assert_eq!(parse(".5", 3), Ok(500));
        assert_eq!(parse("1.5000", 3), Ok(1_500));
        for bad in ["", "-", ".", "1.", "1e3", "1,000", " 1", "0x1", "1.2345", "--1", "1.2.3"] {
            assert!(parse(bad, 3).is_err(), "`{bad}`");
        }
    }

    #[test]
    fn format_reads_back() {
        assert_eq!(format(12_340, 3, 2), "12.34");
        assert_eq!(format(-500, 3, 0), "-0.5");
        assert_eq!(format(7_000, 3, 2), "7.00");
        assert_eq!(format(7_000, 3, 0), "7");
        assert_eq!(format(-7, 3, 2), "-0.007");
        assert_eq!(format(0, 3, 2), "0.00");
        assert_eq!(format(0, 3, 3), "0.000");
        assert_eq!(format(0, 3, 0), "0");
        assert_eq!(format(5, 3, 1), "0.005");
        assert_eq!(format(50, 3, 0), "0.05");
        assert_eq!(format(1_000, 3, 1), "1.0");
        assert_eq!(format(-70, 0, 2), "-70");
        assert_eq!(format(i128::MIN, 38, 0), "-1.70141183460469231731687303715884105728");
    }

    #[test]
    fn rounding_is_half_away_from_zero() {
        let cases = [
            (25, 10, 3),
            (24, 10, 2),
            (-25, 10, -3),
            (-24, 10, -2),
            (0, 10, 0),
            (5, 10, 1),
            (-5, 10, -1),
            (7, 7, 1),
            (3, 7, 0),
            (4, 7, 1),
        ];
        for (value, divisor, expected) in cases {
            assert_eq!(round_div(value, divisor), Ok(expected), "{value} ÷ {divisor}");
        }
        assert!(round_div(1, 0).is_err());
    }

    #[test]
    fn other_modes_round_as_their_names_say() {
        use Rounding::{Ceiling, Floor, HalfAwayFromZero, HalfEven, TowardZero};
        let cases = [
            (25, [3, 2, 2, 3, 2]),
            (35, [4, 4, 3, 4, 3]),
            (-25, [-3, -2, -2, -2, -3]),
            (-35, [-4, -4, -3, -3, -4]),
            (26, [3, 3, 2, 3, 2]),
            (-24, [-2, -2, -2, -2, -3]),
            (30, [3, 3, 3, 3, 3]),
            (5, [1, 0, 0, 1, 0]),
            (0, [0, 0, 0, 0, 0]),
        ];
        let modes = [HalfAwayFromZero, HalfEven, TowardZero, Ceiling, Floor];
        for (value, expected) in cases {
            let found = modes.map(|mode| round_div_by(value, 10, mode));
            assert_eq!(found, expected.map(Ok), "{value} ÷ 10");
        }
    }

    #[test]
    fn products_are_rounded_once_to_minor_units() {
        let base = 100_360_000_000_000; // 100.36
        let product =
            |base, unit| round_product((base, AMOUNT_SCALE), (40_000_000, RATE_SCALE), unit);
        assert_eq!(product(base, Unit::new(2)), Ok(4_010));
        assert_eq!(product(base, Unit::new(0)), Ok(4_000));
        assert_eq!(product(base, Unit::new(3)), Ok(4_014));
        assert!(product(i128::MAX / 2, Unit::new(2)).is_err());
        let down = Unit { decimals: 2, rounding: Rounding::TowardZero };
        assert_eq!(product(-99_990_000_000_000, down), Ok(-3_990));
        assert_eq!(round_ratio(1_000, 2, 3, down), Ok(660));
        assert_eq!(round_ratio(1_000, 2, 3, Unit::new(2)), Ok(670));
        assert_eq!(down.round(-19_990, MONEY_SCALE + 1), Ok(-1_990));
    }

    #[test]
    fn parts_re_add() {
        assert_eq!(allocate(100, &[1, 1, 1], 1), Ok(vec![34, 33, 33]));
        assert_eq!(allocate(1_000, &[1, 1, 1], 10), Ok(vec![340, 330, 330]));
        assert_eq!(allocate(10, &[1, 2, 4], 1), Ok(vec![1, 3, 6]), "largest remainders");
        assert_eq!(allocate(352_000, &[-792_000, 1_232_000], 10), Ok(vec![-633_600, 985_600]));
        assert_eq!(allocate(-100, &[1, 1, 1], 1), Ok(vec![-33, -33, -34]));
        assert_eq!(allocate(0, &[0, 0], 1), Ok(vec![0, 0]));
        assert!(allocate(5, &[1, -1], 1).is_err());
        for weights in [[3, -7, 11], [-3, 7, -11], [1, 1, -5]] {
            for total in [-17, -1, 1, 17, 1001] {
                assert_eq!(
                    allocate(total, &weights, 1).map(|parts| parts.iter().sum::<i128>()),
                    Ok(total)
                );
            }
        }
    }
}
