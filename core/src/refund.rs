//! Linking refunds to the lines they refund. Candidates are taken by latest charge start, then
//! transaction id; each refund consumes base; what exceeds all candidates is left over.

use chrono::NaiveDate;

/// A negative line that may be linked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    pub transaction_id: String,
    pub transaction_on: NaiveDate,
    /// Charge period, both days inclusive; `None` where the export has none.
    pub charge: Option<(NaiveDate, NaiveDate)>,
    /// Positive: how much base it takes back, at amount scale.
    pub base: i128,
}

/// A line that may be refunded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub transaction_id: String,
    pub charge: Option<(NaiveDate, NaiveDate)>,
    /// Not negative, at amount scale; of nothing that was sold, all of a refund exceeds.
    pub base: i128,
    /// How much of it was refunded already.
    pub refunded: i128,
}

/// A piece of a refund: what of its base reverses which candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Position among the refunds given.
    pub refund: usize,
    /// Position among the candidates given.
    pub candidate: usize,
    /// Refunded base of the candidate before this piece.
    pub before: i128,
    /// Refunded base of the candidate with this piece.
    pub cumulated: i128,
}

/// What linking found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links {
    pub pieces: Vec<Piece>,
    /// Refund, last candidate it could be linked to, base that exceeds all its candidates.
    pub excess: Vec<(usize, usize, i128)>,
    /// Refunds without any candidate: they follow the rules of their own date.
    pub unlinked: Vec<usize>,
}

/// Links the refunds of one group (same reference, or same order, subscription, SKU and currency)
/// to its candidates. With `within`, a candidate's charge period must hold the refund's.
pub fn link(refunds: &[Refund], candidates: &mut [Candidate], within: bool) -> Links {
    let mut order: Vec<usize> = (0..refunds.len()).collect();
    order.sort_by_key(|&index| (refunds[index].transaction_on, &refunds[index].transaction_id));
    let mut preference: Vec<usize> = (0..candidates.len()).collect();
    preference.sort_by(|&a, &b| {
        let start = |index: usize| candidates[index].charge.map(|charge| charge.0);
        let ids = candidates[a].transaction_id.cmp(&candidates[b].transaction_id);
        start(b).cmp(&start(a)).then(ids)
    });
    let mut links = Links::default();
    for refund in order {
        let mut left = refunds[refund].base;
        let mut last = None;
        for &candidate in &preference {
            if within && !holds(candidates[candidate].charge, refunds[refund].charge) {
                continue;
            }
            last = Some(candidate);
            let taken = left.min(candidates[candidate].base - candidates[candidate].refunded);
            if taken > 0 {
                let before = candidates[candidate].refunded;
                candidates[candidate].refunded += taken;
                left -= taken;
                let cumulated = candidates[candidate].refunded;
                links.pieces.push(Piece { refund, candidate, before, cumulated });
            }
        }
        match last {
            None => links.unlinked.push(refund),
            Some(last) if left > 0 => links.excess.push((refund, last, left)),
            Some(_) => {}
        }
    }
    links
}

/// True if the outer charge period holds the inner one; a missing one never does.
fn holds(outer: Option<(NaiveDate, NaiveDate)>, inner: Option<(NaiveDate, NaiveDate)>) -> bool {
    match (outer, inner) {
        (Some(outer), Some(inner)) => outer.0 <= inner.0 && inner.1 <= outer.1,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a day")
    }

    fn charge(from: &str, until: &str) -> Option<(NaiveDate, NaiveDate)> {
        Some((day(from), day(until)))
    }

    fn refund(id: &str, on: &str, base: i128) -> Refund {
        Refund {
            transaction_id: id.to_owned(),
            transaction_on: day(on),
            charge: charge("2021-02-10", "2021-02-20"),
            base,
        }
    }

    fn candidate(id: &str, from: &str, base: i128) -> Candidate {
        Candidate {
            transaction_id: id.to_owned(),
            charge: charge(from, "2021-02-28"),
            base,
            refunded: 0,
        }
    }

    #[test]
    fn the_latest_charge_start_comes_first_then_the_id() {
        let mut candidates = [
            candidate("b", "2021-02-01", 10),
            candidate("a", "2021-02-01", 10),
            candidate("c", "2021-01-01", 10),
        ];
        let links = link(&[refund("r", "2021-03-01", 25)], &mut candidates, true);
        let taken: Vec<_> =
            links.pieces.iter().map(|piece| (piece.candidate, piece.cumulated)).collect();
        assert_eq!(taken, [(1, 10), (0, 10), (2, 5)]);
        assert!(links.excess.is_empty() && links.unlinked.is_empty());
    }

    #[test]
    fn refunds_consume_in_order_of_date_then_id() {
        let mut candidates = [candidate("a", "2021-02-01", 10)];
        let refunds = [
            refund("y", "2021-03-02", 6),
            refund("z", "2021-03-01", 3),
            refund("x", "2021-03-02", 6),
        ];
        let links = link(&refunds, &mut candidates, true);
        let taken: Vec<_> = links
            .pieces
            .iter()
            .map(|piece| (piece.refund, piece.before, piece.cumulated))
            .collect();
        assert_eq!(taken, [(1, 0, 3), (2, 3, 9), (0, 9, 10)]);
        assert_eq!(links.excess, [(0, 0, 5)]);
    }

    #[test]
    fn a_charge_period_must_hold_the_refund_s() {
        let mut candidates = [candidate("late", "2021-02-15", 10)];
        let links = link(&[refund("r", "2021-03-01", 5)], &mut candidates, true);
        assert_eq!(links.unlinked, [0]);
        let links = link(&[refund("r", "2021-03-01", 5)], &mut candidates, false);
        assert_eq!(links.pieces.len(), 1);
    }

    #[test]
    fn what_is_consumed_already_counts() {
        let mut candidates = [Candidate { refunded: 8, ..candidate("a", "2021-02-01", 10) }];
        let links = link(&[refund("r", "2021-03-01", 5)], &mut candidates, true);
        assert_eq!(links.pieces, [Piece { refund: 0, candidate: 0, before: 8, cumulated: 10 }]);
        assert_eq!(links.excess, [(0, 0, 3)]);
    }
}
