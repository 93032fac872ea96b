use super::*;
use crate::decimal::{RATE_SCALE, parse, power_of_ten};

fn number(text: &str) -> i128 {
    parse(text, AMOUNT_SCALE).expect("a number")
}

fn rate(text: &str) -> i128 {
    parse(text, RATE_SCALE).expect("a rate")
}

fn amount(text: &str) -> i128 {
    parse(text, EXACT_SCALE).expect("an amount")
}

fn tier(to: Option<&str>, price: &str, flat: &str) -> Tier {
    let terms = Terms::UnitPrice { price: rate(price), per: None };
    Tier { to: to.map(number), terms, flat: rate(flat) }
}

/// 0 to 10 at 2, to 20 at 1, beyond at 0.5, with the given flats.
fn table(shape: Shape, flats: [&str; 3], conventions: Conventions) -> TierTable {
    let tiers = vec![
        tier(Some("10"), "2", flats[0]),
        tier(Some("20"), "1", flats[1]),
        tier(None, "0.5", flats[2]),
    ];
    TierTable::new(shape, tiers, conventions).expect("a table")
}

const NO_FLATS: [&str; 3] = ["0", "0", "0"];
const FLATS: [&str; 3] = ["100", "200", "300"];

fn total(table: &TierTable, quantity: &str) -> i128 {
    table.price(number(quantity)).expect("priced").total
}

const SHAPES: [Shape; 4] = [Shape::Marginal, Shape::Whole, Shape::Rolling, Shape::Total];

#[test]
fn slices_re_add_to_the_total() {
    for shape in SHAPES {
        for flats in [NO_FLATS, FLATS] {
            let table = table(shape, flats, Conventions::default());
            for quantity in ["0", "0.000000000001", "9.99", "10", "10.01", "20", "33.3", "-15"] {
                let priced = table.price(number(quantity)).expect("priced");
                let slices: i128 = priced.slices.iter().map(|slice| slice.amount).sum();
                assert_eq!(slices, priced.total, "{shape:?} {quantity}");
                if matches!(shape, Shape::Marginal | Shape::Whole) && quantity != "0" {
                    let counted: i128 = priced.slices.iter().map(|slice| slice.quantity).sum();
                    assert_eq!(counted, number(quantity), "{shape:?} {quantity}");
                }
            }
        }
    }
}

#[test]
fn marginal_without_flats_is_continuous() {
    for edge in [Edge::Inclusive, Edge::Next] {
        let table =
            table(Shape::Marginal, NO_FLATS, Conventions { edge, ..Conventions::default() });
        let step = 1;
        let highest = exact(step, rate("2")).expect("fits");
        for at in ["0", "10", "20"] {
            let here = table.price(number(at)).expect("priced").total;
            for beside in [number(at) - step, number(at) + step] {
                let there = table.price(beside).expect("priced").total;
                assert!((here - there).abs() <= highest, "{at}");
            }
        }
    }
}

#[test]
fn an_edge_belongs_to_one_tier_or_the_next() {
    let reached = |edge, quantity: i128| {
        let conventions = Conventions { edge, ..Conventions::default() };
        table(Shape::Whole, NO_FLATS, conventions).price(quantity).expect("priced").tier
    };
    for (edge, tiers) in [(Edge::Inclusive, [1, 1, 2]), (Edge::Next, [1, 2, 2])] {
        let ten = number("10");
        assert_eq!([ten - 1, ten, ten + 1].map(|at| reached(edge, at)), tiers.map(Some));
    }
    let flat = |edge, quantity| {
        let conventions = Conventions { edge, ..Conventions::default() };
        total(&table(Shape::Marginal, FLATS, conventions), quantity)
    };
    assert_eq!(flat(Edge::Inclusive, "10"), amount("120"));
    assert_eq!(flat(Edge::Next, "10"), amount("320"), "the next flat is due at the edge");
    assert_eq!(flat(Edge::Next, "9.9"), amount("119.8"));
    assert_eq!(flat(Edge::Inclusive, "10.1"), amount("320.1"));
}

#[test]
fn the_last_edge_has_no_next_tier() {
    let price = |edge, above_last, quantity| {
        let conventions = Conventions { edge, above_last, ..Conventions::default() };
        let tiers = vec![tier(Some("10"), "2", "0"), tier(Some("20"), "1", "0")];
        let table = TierTable::new(Shape::Whole, tiers, conventions).expect("a table");
        table.price(number(quantity)).map(|priced| priced.total)
    };
    for edge in [Edge::Inclusive, Edge::Next] {
        assert_eq!(price(edge, AboveLast::Refused, "20"), Ok(amount("20")));
        assert!(price(edge, AboveLast::Refused, "20.1").is_err());
        assert_eq!(price(edge, AboveLast::LastTier, "20.1"), Ok(amount("20.1")));
    }
}

#[test]
fn the_flat_on_zero_is_due_where_the_table_says_so() {
    for shape in SHAPES {
        for (flat_on_zero, expected) in [(false, "0"), (true, "100")] {
            let conventions = Conventions { flat_on_zero, ..Conventions::default() };
            let found = total(&table(shape, FLATS, conventions), "0");
            assert_eq!(found, amount(expected), "{shape:?}");
        }
    }
}

#[test]
fn a_refund_is_the_exact_negative_of_its_sale() {
    for shape in SHAPES {
        for quantity in ["3", "10", "15.5", "40"] {
            let table = table(shape, FLATS, Conventions::default());
            assert_eq!(total(&table, &format!("-{quantity}")), -total(&table, quantity));
        }
        let zero =
            Conventions { negative: Negative::Zero, flat_on_zero: true, ..Conventions::default() };
        assert_eq!(total(&table(shape, FLATS, zero), "-3"), 0);
    }
}

#[test]
fn shapes_differ_by_what_each_tier_is_applied_to() {
    let expected = [
        (Shape::Marginal, ["19.9", "30", "32.5"]),
        (Shape::Whole, ["19.9", "20", "12.5"]),
        (Shape::Rolling, ["19.9", "40", "52.5"]),
        (Shape::Total, ["19.9", "60", "87.5"]),
    ];
    for (shape, totals) in expected {
        let table = table(shape, NO_FLATS, Conventions::default());
        let found = ["9.95", "20", "25"].map(|quantity| total(&table, quantity));
        assert_eq!(found, totals.map(amount), "{shape:?}");
    }
}

#[test]
fn packages_count_whole_inside_a_tier() {
    let terms = |per: &str| Terms::UnitPrice { price: rate("1"), per: Some(number(per)) };
    let tiers = || {
        vec![
            Tier { to: Some(number("100")), terms: terms("10"), flat: 0 },
            Tier { to: None, terms: terms("50"), flat: 0 },
        ]
    };
    let table = |shape| TierTable::new(shape, tiers(), Conventions::default()).expect("a table");
    assert_eq!(total(&table(Shape::Marginal), "101"), amount("11"));
    assert_eq!(total(&table(Shape::Whole), "101"), amount("3"));
    assert_eq!(total(&table(Shape::Whole), "100.5"), amount("3"));
}

#[test]
fn units_are_scaled_before_they_are_priced() {
    let price = |rounding, quantity: &str| {
        let unit_scale = Some(UnitScale { divide_by: number("1000"), rounding });
        let conventions = Conventions { unit_scale, ..Conventions::default() };
        total(&table(Shape::Marginal, NO_FLATS, conventions), quantity)
    };
    let modes = [
        (Some(Rounding::Ceiling), ["4", "2"]),
        (Some(Rounding::Floor), ["2", "2"]),
        (Some(Rounding::HalfAwayFromZero), ["4", "2"]),
        (None, ["3", "2"]),
    ];
    for (rounding, expected) in modes {
        let found = ["1500", "1000"].map(|quantity| price(rounding, quantity));
        assert_eq!(found, expected.map(amount), "{rounding:?}");
    }
}

#[test]
fn interpolated_tiers_pay_pro_rata() {
    let tier = |to: &str, terms| Tier { to: Some(number(to)), terms, flat: 0 };
    let tiers =
        vec![tier("1000", Terms::Amount(rate("10"))), tier("3000", Terms::Amount(rate("40")))];
    let amounts = TierTable::new(Shape::Interpolated, tiers, Conventions::default());
    let amounts = amounts.expect("a table");
    for (quantity, expected) in
        [("0", "0"), ("500", "5"), ("1000", "10"), ("2000", "30"), ("9000", "50")]
    {
        assert_eq!(total(&amounts, quantity), amount(expected), "{quantity}");
    }
    let tiers =
        vec![tier("1000", Terms::Rate(rate("0.01"))), tier("5000", Terms::Rate(rate("0.02")))];
    let rates = TierTable::new(Shape::Interpolated, tiers, Conventions::default());
    let priced = rates.and_then(|table| table.price(number("2000"))).expect("priced");
    assert_eq!(priced.average(number("2000"), 3), Ok(15));
    assert_eq!(priced.slices[1].share(number("2000"), 3), Ok(5));
}

#[test]
fn tables_are_checked_and_overflow_is_an_error() {
    let new = |shape, tiers| TierTable::new(shape, tiers, Conventions::default());
    assert!(new(Shape::Marginal, vec![]).is_err());
    assert!(new(Shape::Marginal, vec![tier(Some("0"), "1", "0")]).is_err());
    assert!(new(Shape::Marginal, vec![tier(None, "1", "0"), tier(Some("5"), "1", "0")]).is_err());
    assert!(new(Shape::Interpolated, vec![tier(Some("5"), "1", "0")]).is_err());
    let amounts = Tier { to: None, terms: Terms::Amount(1), flat: 0 };
    assert!(new(Shape::Whole, vec![amounts]).is_err());
    let table = table(Shape::Whole, NO_FLATS, Conventions::default());
    assert!(table.price(i128::MAX).is_err());
    assert!(table.price(i128::MIN).is_err());
    assert!(table.price(power_of_ten(30)).is_err());
}
