//! In: integers with their decimals. Out: exact sums, products and quotients, rounded once where the
//! caller says; an overflow is an error.

use super::{
    AMOUNT_SCALE, EXACT_SCALE, POWERS, Rounding, gcd, multiply, power_of_ten, round_div_by,
};
use crate::Error;

/// The product of factors, each an integer and its decimals, rounded once to `decimals`. Needless
/// zeros are taken out first, so that long scales don't overflow.
///
/// # Errors
/// On overflow.
pub fn round_factors(
    factors: &[(i128, u32)],
    decimals: u32,
    rounding: Rounding,
) -> Result<i128, Error> {
    let (mut product, mut scale) = (1, 0);
    for &factor in factors {
        let (value, value_scale) = without_zeros(factor);
        product = multiply(product, value)?;
        scale += value_scale;
    }
    rescale(product, scale, decimals, rounding)
}

/// An integer with `from` decimals as one with `to` decimals.
///
/// # Errors
/// On overflow.
pub fn rescale(value: i128, from: u32, to: u32, rounding: Rounding) -> Result<i128, Error> {
    // Taking zeros out is slow, and changes nothing but whether powers suffice.
    let (value, from) = if from > to + 38 { without_zeros((value, from)) } else { (value, from) };
    let power = |exponent: u32| {
        POWERS.get(exponent as usize).copied().ok_or_else(|| overflow(&[value, exponent.into()]))
    };
    if from <= to {
        multiply(value, power(to - from)?)
    } else if from - to > 38 {
        Err(overflow(&[value, from.into()]))
    } else {
        round_div_by(value, power(from - to)?, rounding)
    }
}

/// The quotient of two numbers, each an integer and its decimals, rounded once to `decimals`.
///
/// # Errors
/// On overflow, or if the divisor is zero.
pub fn divide(
    numerator: (i128, u32),
    divisor: (i128, u32),
    decimals: u32,
    rounding: Rounding,
) -> Result<i128, Error> {
    let (value, value_scale) = without_zeros(numerator);
    let (by, by_scale) = without_zeros(divisor);
    let shift = i64::from(decimals) + i64::from(by_scale) - i64::from(value_scale);
    let power = POWERS
        .get(usize::try_from(shift.unsigned_abs()).unwrap_or(usize::MAX))
        .copied()
        .ok_or_else(|| overflow(&[value, by]))?;
    let (value, by) = (multiply(value, by.signum())?, multiply(by, by.signum())?);
    if shift < 0 {
        round_div_by(value, multiply(by, power)?, rounding)
    } else {
        round_ratio_by(value, power, by, rounding)
    }
}

/// `round(a × b ÷ c)` as `rounding` says: common factors are taken out first, the product of what is
/// left is exact.
///
/// # Errors
/// On overflow, or if `c` is not positive.
pub fn round_ratio_by(a: i128, b: i128, c: i128, rounding: Rounding) -> Result<i128, Error> {
    if c <= 0 {
        return Err(Error(format!("expected a positive divisor, found {c}")));
    }
    let (b, c) = reduced(b, c)?;
    let (a, c) = reduced(a, c)?;
    round_div_by(multiply(a, b)?, c, rounding)
}

/// A fraction without its common factors.
fn reduced(a: i128, b: i128) -> Result<(i128, i128), Error> {
    let shared = i128::try_from(gcd(a.unsigned_abs(), b.unsigned_abs()));
    let shared = shared.map_err(|_| overflow(&[a, b]))?.max(1);
    Ok((a / shared, b / shared))
}

/// The same number without zeros at the end of its decimals.
fn without_zeros((mut value, mut scale): (i128, u32)) -> (i128, u32) {
    while scale > 0 && value % 10 == 0 {
        value /= 10;
        scale -= 1;
    }
    (value, scale)
}

/// An exact sum.
///
/// # Errors
/// On overflow.
pub fn sum(values: impl IntoIterator<Item = i128>) -> Result<i128, Error> {
    let mut total: i128 = 0;
    for value in values {
        total = total.checked_add(value).ok_or_else(|| overflow(&[total, value]))?;
    }
    Ok(total)
}

/// An exact difference.
///
/// # Errors
/// On overflow.
pub fn subtract(a: i128, b: i128) -> Result<i128, Error> {
    a.checked_sub(b).ok_or_else(|| overflow(&[a, b]))
}

/// An amount (amount scale) times a rate or price (rate scale), at exact scale: nothing is rounded.
///
/// # Errors
/// On overflow.
pub fn exact(amount: i128, rate: i128) -> Result<i128, Error> {
    multiply(amount, rate)
}

/// An amount at exact scale.
///
/// # Errors
/// On overflow.
pub fn widened(amount: i128) -> Result<i128, Error> {
    multiply(amount, power_of_ten(EXACT_SCALE - AMOUNT_SCALE))
}

fn overflow(values: &[i128]) -> Error {
    Error(format!("overflow: {values:?} exceed 128 bits"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decimal::RATE_SCALE;

    #[test]
    fn factors_and_quotients_are_rounded_once() {
        let down = Rounding::TowardZero;
        let price = (868_000_000, RATE_SCALE);
        let credit = (850_000_000, RATE_SCALE);
        let quantity = (555_950_039_000_000, AMOUNT_SCALE);
        assert_eq!(round_factors(&[price, credit, quantity], 2, down), Ok(41_017));
        let half = Rounding::HalfAwayFromZero;
        assert_eq!(divide((41_017, 2), quantity, 15, half), Ok(737_782_122_900_436));
        assert_eq!(divide((1, 0), (-3, 0), 2, half), Ok(-33));
        assert_eq!(divide((1, 30), (1, 0), 2, half), Ok(0));
        assert!(divide((1, 0), (0, 0), 2, half).is_err());
        assert_eq!(rescale(12_345, 3, 2, half), Ok(1_235));
        assert_eq!(rescale(12_345, 3, 5, half), Ok(1_234_500));
        assert_eq!(rescale(-1_500, 3, 0, half), Ok(-2));
        assert_eq!(rescale(12_000, 3, 36, half), Ok(12 * POWERS[36]));
        assert_eq!(rescale(7_000, 41, 2, half), Ok(0));
        assert!(rescale(7, 41, 2, half).is_err() && rescale(i128::MAX, 2, 3, half).is_err());
        assert!(round_factors(&[(i128::MAX, 0), (3, 0)], 2, half).is_err());
        assert!(sum([i128::MAX, 1]).is_err() && subtract(i128::MIN, 1).is_err());
    }
}
