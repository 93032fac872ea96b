use super::*;
use crate::decimal::parse;

fn terms(rate: &str, share: &str, fx: &str, minor: u32) -> Terms {
    let rate_of = |text| parse(text, RATE_SCALE).expect("a rate");
    Terms {
        rate: rate_of(rate),
        shares: Shares::new(rate_of(share), 0),
        exchange_rate: rate_of(fx),
        unit: Unit::new(minor),
        program_unit: Unit::new(2),
    }
}

fn base(text: &str) -> i128 {
    parse(text, AMOUNT_SCALE).expect("an amount")
}

#[test]
fn eur_100_36_at_4_percent() {
    let amounts = Amounts::of(base("100.36"), &terms("0.04", "0.6", "1.09", 2)).expect("fits");
    assert_eq!(amounts.part(EarningType::Rebate), (2_410, 2_630));
    assert_eq!(amounts.part(EarningType::Coop), (1_600, 1_740));
}

#[test]
fn a_refund_is_the_exact_negative_of_its_sale() {
    for text in ["100.36", "0.125", "33.335", "1", "0.01"] {
        let terms = terms("0.05", "0.6", "1.1", 2);
        let sale = Amounts::of(base(text), &terms).expect("fits");
        let refund = Amounts::of(-base(text), &terms).expect("fits");
        assert_eq!(sale.earned, -refund.earned);
        assert_eq!(sale.program_rebate, -refund.program_rebate);
    }
}

#[test]
fn halves_of_a_split_go_to_the_even_unit_if_it_says_so() {
    let mut terms = terms("1", "0.5", "1", 2);
    terms.shares.rounding = Rounding::HalfEven;
    for (earned, rebate) in [("0.03", 20), ("0.05", 20), ("-0.05", -20), ("0.07", 40)] {
        let amounts = Amounts::of(base(earned), &terms).expect("fits");
        assert_eq!(amounts.part(EarningType::Rebate), (rebate, rebate), "{earned}");
    }
    // Only a half is one: 0.65 × 0.05 lies above 0.03.
    terms.shares.rebate = parse("0.65", RATE_SCALE).expect("a share");
    assert_eq!(Amounts::of(base("0.05"), &terms).map(|amounts| amounts.rebate), Ok(30));
}

#[test]
fn yen_have_no_cents() {
    let amounts = Amounts::of(base("1234"), &terms("0.04", "0.6", "0.0091", 0)).expect("fits");
    assert_eq!(amounts.earned, 49_000);
    assert_eq!(amounts.rebate, 29_000);
    assert_eq!(amounts.program_earned, 450);
    assert_eq!(amounts.program_rebate, 260);
}

#[test]
fn refunds_in_thirds_reverse_exactly_all() {
    let terms = terms("0.04", "0.6", "1.09", 2);
    let sale = Amounts::of(base("100.36"), &terms).expect("fits");
    let whole = base("100.36");
    let steps = [0, base("33.45"), base("66.90"), whole];
    let mut sum = Amounts::default();
    for pair in steps.windows(2) {
        let part =
            sale.reversed(pair[0], pair[1], whole, (Unit::new(2), Unit::new(2))).expect("fits");
        sum.earned += part.earned;
        sum.rebate += part.rebate;
        sum.program_earned += part.program_earned;
        sum.program_rebate += part.program_rebate;
    }
    assert_eq!(sum.earned, -sale.earned);
    assert_eq!(sum.rebate, -sale.rebate);
    assert_eq!(sum.program_earned, -sale.program_earned);
    assert_eq!(sum.program_rebate, -sale.program_rebate);
}

#[test]
fn a_split_of_three_re_adds_and_the_fee_divides_what_the_rebate_leaves() {
    let mut terms = terms("0.1", "0.5", "1.09", 2);
    terms.shares.fee = 200_000_000;
    // 10.03: rebate 5.02, of the other 5.01 two fifths; USD 10.93, 5.47, of 5.46 two fifths.
    let amounts = Amounts::of(base("100.30"), &terms).expect("fits");
    assert_eq!(amounts.part(EarningType::Rebate), (5_020, 5_470));
    assert_eq!(amounts.part(EarningType::Fee), (2_000, 2_180));
    assert_eq!(amounts.part(EarningType::Coop), (3_010, 3_280));
    assert_eq!(terms.shares.types().count(), 3);
    let fee = Terms { shares: Shares::FEE, ..terms };
    let amounts = Amounts::of(base("-100.30"), &fee).expect("fits");
    assert_eq!(amounts.part(EarningType::Fee), (-10_030, -10_930));
    assert_eq!(amounts.part(EarningType::Coop), (0, 0));
}

#[test]
fn a_fixed_amount_is_earned_whatever_the_base_and_taken_back() {
    let terms = terms("0", "0.6", "1.2", 2);
    for (text, sign) in [("0.01", 1), ("5000", 1), ("-3", -1), ("0", 0)] {
        let amounts = Amounts::fixed(20_000, base(text), &terms).expect("fits");
        assert_eq!(amounts.part(EarningType::Rebate), (sign * 10_000, sign * 12_000));
        assert_eq!(amounts.part(EarningType::Coop), (sign * 6_670, sign * 8_000));
    }
}

#[test]
fn two_payees_divide_what_is_earned() {
    let terms = terms("0.05", "0.6", "1.2", 2);
    // 5.05, of which 70 % is 3.535: 3.54 and 1.51; USD 6.06: 4.24 and 1.82.
    for (text, sign) in [("101", 1), ("-101", -1)] {
        let whole = Amounts::of(base(text), &terms).expect("fits");
        let payee = |first| whole.payee(700_000_000, first, &terms).expect("fits");
        let (one, other) = (payee(true), payee(false));
        assert_eq!((one.earned, one.program_earned), (sign * 3_540, sign * 4_240));
        assert_eq!((other.earned, other.program_earned), (sign * 1_510, sign * 1_820));
        assert_eq!((one.rebate, one.program_rebate), (sign * 2_120, sign * 2_540));
    }
}

#[test]
fn shares_re_add_and_the_last_takes_the_rest() {
    let shares = shares(1_000, &[base("1"), base("1"), base("1")]).expect("fits");
    assert_eq!(shares, vec![333_333_333_000, 333_333_333_000, 333_333_334_000]);
    let netted = super::shares(-40_000, &[base("-2000"), base("1000")]).expect("fits");
    assert_eq!(netted.iter().sum::<i128>(), base("-40"));
    assert_eq!(netted[0], base("-80"));
    assert_eq!(super::shares(0, &[base("5"), base("-5")]), Ok(vec![0, 0]));
}

#[test]
fn shares_of_amounts_in_rupiah_fit() {
    // 3 % of two lines of IDR 2,000,000,000 and 3,000,000,000.01: the plain product exceeds 128 bits.
    let bases = [base("2000000000"), base("3000000000.01")];
    let shares = shares(150_000_000_000, &bases).expect("fits");
    assert_eq!(shares, vec![base("59999999.999880000"), base("90000000.000120000")]);
    let back = super::shares(-150_000_000_000, &bases.map(|base| -base)).expect("fits");
    assert_eq!(back, shares.iter().map(|share| -share).collect::<Vec<_>>());
}
