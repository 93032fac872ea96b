//! Faults of fixed amounts, country classes, splits, payees, engagements and customer-add, each with its
//! place and what is expected.

use super::{Program, Select};
use crate::earning::EarningType;
use chrono::NaiveDate;

const GOOD: &str = r#"
program = "p"
name = "P"
currency = "USD"
pays = ["reseller", "provider"]
[[term]]
term = "FY21"
from = "2020-10-01"
until = "2021-09-30"
[[country_class]]
class = "A"
countries = ["US", "CA"]
[[engagement]]
engagement = "csp"
select = "best"
[[lever]]
lever = "seats"
name = "Seats"
draws = "billing"
engagement = "csp"
product_groups = ["azure"]
[[lever.rate]]
amount = "20"
customer_countries = ["A", "IT"]
[[lever.rate]]
rate = "0.01"
[[lever.payees]]
reseller = "0.7"
provider = "0.3"
[[lever]]
lever = "core"
name = "Core"
draws = "billing"
product_groups = ["azure"]
[[lever.rate]]
rate = "0.04"
[[lever]]
lever = "accelerator"
name = "Accelerator"
draws = "billing"
on = "after core"
product_groups = ["azure"]
[lever.customer_add]
months = 12
minimum = "250"
[[lever.rate]]
rate = "0.15"
from = "2021-01-01"
[[split]]
rebate = "0.5"
coop = "0.3"
fee = "0.2"
[payment]
minimum = "200"
"#;

#[test]
fn the_good_file_is_good() {
    let program = Program::parse("p.toml", GOOD).expect("it is good");
    let day: NaiveDate = "2021-01-31".parse().expect("a day");
    let [seats, core, accelerator] = &program.levers[..] else { panic!("three levers") };
    assert_eq!(seats.rates[0].amount, Some(20_000));
    assert_eq!(seats.rates[0].countries.customer, ["CA", "IT", "US"]);
    assert!(seats.rates[0].countries.hold(Some("CA"), &[]));
    assert!(!seats.rates[0].countries.hold(Some("DE"), &[]));
    assert!(!seats.rates[0].countries.hold(None, &[]));
    assert_eq!(program.engagements[0].select, Select::Best);
    assert!(seats.competes && !core.competes && accelerator.after == Some(1));
    assert_eq!(seats.payees_on(day).map(|payees| payees.reseller), Some(700_000_000));
    assert_eq!(program.first_day(core).to_string(), "2020-10-01");
    assert_eq!(program.first_day(accelerator).to_string(), "2021-01-01");
    let window = accelerator.customer_add.as_ref().map(|add| add.window(day));
    assert_eq!(window.and_then(|days| days.until), "2022-01-31".parse().ok());
    let shares = program.shares_on(core.pays_as, day);
    assert_eq!(shares.of(EarningType::Coop), 300_000_000);
    assert_eq!(shares.of(EarningType::Fee), 200_000_000);
}

#[test]
fn faults_name_file_line_and_remedy() {
    let base_cap = "[[cap]]\ncap = \"c\"\nlimit = \"1\"\non = \"base\"\nper = \"program\"\n\
                    window = \"month\"\nlevers = [\"accelerator\"]\n[[split]]";
    let cases: &[(&str, &str, &str)] = &[
        ("amount = \"20\"", "amount = \"20.001\"", "p.toml:23: expected at most 2 decimals"),
        ("amount = \"20\"", "amount = \"-1\"", "p.toml:23: expected an amount of 0 or more"),
        (
            "amount = \"20\"",
            "amount = \"20\"\nrate = \"0.1\"",
            "p.toml:24: expected one of `rate` and `amount`",
        ),
        ("rate = \"0.04\"", "", "p.toml:31: expected one of `rate` and `amount`"),
        (
            "name = \"Seats\"",
            "name = \"Seats\"\ngrain = \"customer_product_group_period\"",
            "p.toml:29: expected a lever that earns line by line beside `[[lever.payees]]`",
        ),
        (
            "name = \"Core\"",
            "name = \"Core\"\nengagement = \"csp\"\ngrain = \"customer_product_group_period\"",
            "in an engagement with `select = \"best\"`, found `core`",
        ),
        (
            "\"A\", \"IT\"",
            "\"B\"",
            "p.toml:24: expected a country, or a class of `[[country_class]]`",
        ),
        (
            "class = \"A\"",
            "class = \"US\"",
            "p.toml:11: expected a class that isn't named like a country",
        ),
        ("\"US\", \"CA\"", "\"usa\"", "p.toml:12: expected a country of two capital letters"),
        ("\"US\", \"CA\"", "", "p.toml:11: expected at least one country"),
        (
            "[[engagement]]",
            "[[country_class]]\nclass = \"A\"\ncountries = [\"FR\"]\n[[engagement]]",
            "p.toml:14: expected country classes once, found `A` twice",
        ),
        (
            "rate = \"0.01\"",
            "rate = \"0.01\"\ncustomer_countries = [\"IT\"]",
            "p.toml:26: expected one rate per product group, partner type, country and day",
        ),
        (
            "customer_countries = [\"A\", \"IT\"]\n",
            "",
            "p.toml:25: expected one rate per product group",
        ),
        ("fee = \"0.2\"", "fee = \"0.3\"", "expected `rebate`, `coop` and `fee` to add up to 1"),
        (
            "provider = \"0.3\"",
            "provider = \"0.2\"",
            "p.toml:29: expected `reseller` and `provider` to add",
        ),
        (
            "provider = \"0.3\"",
            "provider = \"0.3\"\n[[lever.payees]]\nreseller = \"1\"\nprovider = \"0\"",
            "p.toml:31: expected payees that don't overlap",
        ),
        (
            "name = \"Seats\"",
            "name = \"Seats\"\npartner_types = [\"reseller\"]",
            "expected `provider` in `pays` and in every `partner_types`",
        ),
        (
            "\"csp\"\nselect",
            "\"other\"\nselect",
            "p.toml:14: expected `engagement = \"other\"` on some lever",
        ),
        (
            "select = \"best\"",
            "select = \"best\"\n[[engagement]]\nengagement = \"csp\"",
            "p.toml:17: expected engagements once",
        ),
        ("select = \"best\"", "select = \"worst\"", "unknown variant `worst`"),
        (
            "after core",
            "over core",
            "p.toml:41: expected `base`, or `after` or `earned by` and the key of a lever above",
        ),
        (
            "after core",
            "after accelerator",
            "p.toml:41: expected `base`, or `after` or `earned by`",
        ),
        ("after core", "earned by seats", "compete with no other, found `seats`"),
        ("after core", "after seats", "compete with no other, found `seats`"),
        ("rate = \"0.15\"", "amount = \"15\"", "p.toml:41: expected rates beside `on`"),
        ("months = 12", "months = 0", "p.toml:44: expected 1 to 120 `months`, found `0`"),
        ("minimum = \"250\"", "minimum = \"-1\"", "p.toml:45: expected a minimum of 0 or more"),
        (
            "name = \"Accelerator\"",
            "name = \"Accelerator\"\ngrain = \"customer_product_group_period\"",
            "expected a lever that earns line by line, for one payee, beside",
        ),
        (
            "[[split]]",
            "[[cap]]\ncap = \"c\"\nlimit = \"1\"\nper = \"program\"\nwindow = \"month\"\n\
             engagement = \"csq\"\n[[split]]",
            "p.toml:54: expected an engagement of the levers, found `csq`",
        ),
        (
            "[[split]]",
            "[[cap]]\ncap = \"c\"\nlimit = \"1\"\nper = \"program\"\nwindow = \"month\"\n\
             engagement = \"csp\"\nlevers = [\"core\"]\n[[split]]",
            "p.toml:54: expected one of `levers` and `engagement`",
        ),
        ("[[split]]", base_cap, "p.toml:41: expected caps on payout, found one on base"),
        (
            "draws = \"billing\"\nproduct_groups",
            "draws = \"billing\"\ngrain = \"customer_product_group_period\"\nproduct_groups",
            "compete with no other, found `core`",
        ),
    ];
    for (find, replace, expected) in cases {
        assert!(GOOD.contains(find), "`{find}` is in the file");
        let error = Program::parse("p.toml", &GOOD.replacen(find, replace, 1)).expect_err(expected);
        assert!(error.0.contains(expected), "`{replace}`: expected `{expected}`, found `{error}`");
    }
}

#[test]
fn a_lever_may_earn_on_what_one_on_the_base_earned() {
    let parse = |text: &str| Program::parse("p.toml", text);
    let earned = GOOD.replacen("after core", "earned by core", 1);
    let accelerator = parse(&earned).expect("good").levers.remove(2);
    assert!(accelerator.on_earned && accelerator.after == Some(1));
    let more = |on: &str| {
        let lever = format!(
            "[[lever]]\nlever = \"more\"\nname = \"More\"\ndraws = \"billing\"\non = \"{on}\"\n\
             product_groups = [\"azure\"]\n[[lever.rate]]\nrate = \"0.1\"\n[[split]]"
        );
        move |text: &str| parse(&text.replacen("[[split]]", &lever, 1))
    };
    let none_after = "expected `earned by` a lever that earns on the base, and none after it";
    for (on, text) in [("after accelerator", &*earned), ("earned by accelerator", GOOD)] {
        let error = more(on)(text).expect_err(none_after);
        assert!(error.0.contains(none_after), "{error}");
    }
    assert!(more("after core")(&earned).is_ok() && more("earned by core")(&earned).is_ok());
}

#[test]
fn a_cap_may_be_an_engagement_s() {
    let cap = "[[cap]]\ncap = \"c\"\nlimit = \"1\"\nper = \"program\"\nwindow = \"month\"\n\
               engagement = \"csp\"\n[[split]]";
    let program = Program::parse("p.toml", &GOOD.replacen("[[split]]", cap, 1)).expect("good");
    assert_eq!(program.caps[0].levers, [0]);
}

#[test]
fn at_most_four_levers_come_after_each_other() {
    let lever = |key: &str, on: &str| {
        format!(
            "[[lever]]\nlever = \"{key}\"\nname = \"L\"\ndraws = \"billing\"\non = \"{on}\"\n\
             product_groups = [\"*\"]\n[[lever.rate]]\nrate = \"0.1\"\n"
        )
    };
    let (c, d, e) = (lever("c", "after accelerator"), lever("d", "after c"), lever("e", "after d"));
    let with = |more: &str| GOOD.replacen("[[split]]", &format!("{more}[[split]]"), 1);
    assert!(Program::parse("p.toml", &with(&format!("{c}{d}"))).is_ok());
    let error = Program::parse("p.toml", &with(&format!("{c}{d}{e}"))).expect_err("five");
    assert!(error.0.contains("expected at most 4 levers one after the other"), "{error}");
}
