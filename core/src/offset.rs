//! What negative balances of a participant take from its positive ones, where an offset group says so. In:
//! the balances of the group in one cycle, in its order. Out: what moves from which to which. All in one
//! program currency, at money scale. Source: RULES 5, `offset_group`.

/// An amount that leaves one balance and enters another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Position of the positive balance.
    pub from: usize,
    /// Position of the negative one.
    pub to: usize,
    /// Positive.
    pub amount: i128,
}

/// Each negative balance, the first one first, takes from the positive ones, the first one first, until
/// it is zero or nothing positive is left. So no balance changes its sign.
#[must_use]
pub fn offset(balances: &[i128]) -> Vec<Transfer> {
    let mut left = balances.to_vec();
    let mut transfers = Vec::new();
    for (to, &balance) in balances.iter().enumerate() {
        for from in 0..balances.len() {
            let amount = left[from].min(-left[to]);
            if balance < 0 && amount > 0 {
                left[from] -= amount;
                left[to] += amount;
                transfers.push(Transfer { from, to, amount });
            }
        }
    }
    transfers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(balances: &[i128]) -> Vec<(usize, usize, i128)> {
        offset(balances).into_iter().map(|one| (one.from, one.to, one.amount)).collect()
    }

    #[test]
    fn negatives_take_from_positives_in_order() {
        assert_eq!(moved(&[100, -30, 50]), [(0, 1, 30)]);
        assert_eq!(moved(&[-120, 100, 50]), [(1, 0, 100), (2, 0, 20)]);
        assert_eq!(moved(&[-70, 100, -60, 10]), [(1, 0, 70), (1, 2, 30), (3, 2, 10)]);
        assert_eq!(moved(&[100, 50]), []);
        assert_eq!(moved(&[-1, -2]), []);
        assert_eq!(moved(&[0, -5, 5, 0]), [(2, 1, 5)]);
    }

    #[test]
    fn no_balance_changes_its_sign_and_nothing_is_left_to_take() {
        let digits = -2..=2_i128;
        for code in 0..5_usize.pow(4) {
            let digit = |place: u32| digits.clone().nth(code / 5_usize.pow(place) % 5);
            let balances: Vec<i128> = (0..4).filter_map(digit).collect();
            let mut after = balances.clone();
            for one in offset(&balances) {
                after[one.from] -= one.amount;
                after[one.to] += one.amount;
            }
            assert_eq!(after.iter().sum::<i128>(), balances.iter().sum());
            for (before, after) in balances.iter().zip(&after) {
                assert!(before.signum() * after.signum() >= 0 && after.abs() <= before.abs());
            }
            assert!(!(after.iter().any(|one| *one > 0) && after.iter().any(|one| *one < 0)));
        }
    }
}
