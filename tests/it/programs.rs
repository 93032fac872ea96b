//! Programs of one job: their names on each day are their own, successors exist and end, and programs of
//! an offset group are alike.

use crate::support::project;
use earnest::job::Job;
use earnest::run::load_programs;
use std::fs;

/// Loads a job of these programs; each is its key and what stands at the top of its file.
fn load(programs: &[(&str, &str)]) -> Result<usize, String> {
    let programs: Vec<_> = programs.iter().map(|(key, top)| (*key, "USD", *top, "")).collect();
    load_all(&programs)
}

/// Loads a job of these programs; each is its key, its currency, what stands at the top of its file and
/// what below `[payment]`.
fn load_all(programs: &[(&str, &str, &str, &str)]) -> Result<usize, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let sources = project().join("pipelines/sources");
    let job = format!(
        "warehouse = \"w\"\nprograms = \"*-program.toml\"\nformats = {sources:?}\nreports = \"r\"\n\
         [sources.lines]\nformat = \"transactions\"\npath = \"*.csv\"\n"
    );
    fs::create_dir(folder.path().join("r")).expect("a folder");
    fs::write(folder.path().join("daily.toml"), job).expect("written");
    for (key, currency, top, payment) in programs {
        let text = format!(
            "program = \"{key}\"\nname = \"The {key}\"\ncurrency = \"{currency}\"\npays = [\"direct\"]\n{top}\n\
             [[term]]\nterm = \"all\"\n[[lever]]\nlever = \"core\"\nname = \"Core\"\ndraws = \"billing\"\n\
             product_groups = [\"*\"]\n[[lever.rate]]\nrate = \"0.04\"\n[payment]\nminimum = \"200\"\n\
             {payment}\n"
        );
        fs::write(folder.path().join(format!("{key}-program.toml")), text).expect("written");
    }
    let job = Job::load(&folder.path().join("daily.toml")).map_err(|error| error.to_string())?;
    load_programs(&job).map(|programs| programs.len()).map_err(|error| error.to_string())
}

fn refused(programs: &[(&str, &str)], expected: &str) {
    let message = load(programs).expect_err(expected);
    assert!(message.contains(expected), "{message}");
}

#[test]
fn a_name_means_one_program_a_day() {
    refused(
        &[("a", ""), ("b", "aliases = [\"The a\"]")],
        "expected a name of its own, found `The a`",
    );
    refused(
        &[("a", "aliases = [\"X\"]"), ("b", "aliases = [\"X\"]")],
        "found `X`, which is also `a`",
    );
    let until = "[[alias]]\nname = \"X\"\nuntil = \"2021-06-30\"";
    let from = |day: &str| format!("[[alias]]\nname = \"X\"\nfrom = \"{day}\"");
    assert_eq!(load(&[("a", until), ("b", &from("2021-07-01"))]), Ok(2));
    refused(&[("a", until), ("b", &from("2021-06-30"))], "found `X`, which is also `a`");
}

#[test]
fn a_successor_is_one_of_the_job_s_programs_and_chains_end() {
    let to = |key: &str| format!("successor = \"{key}\"");
    assert_eq!(load(&[("a", &to("b")), ("b", &to("c")), ("c", "")]), Ok(3));
    refused(
        &[("a", &to("d")), ("b", "")],
        "a-program.toml: expected a program of the job in `successor`, found `d`\n\
         hint: there are `a`, `b`",
    );
    refused(
        &[("a", &to("b")), ("b", &to("c")), ("c", &to("a"))],
        "expected successors that end, found `a` again",
    );
}

#[test]
fn programs_of_an_offset_group_have_one_currency_and_close_on_the_same_days() {
    let load = |currency: &str, payment: &str| {
        let group = "offset_group = \"csp\"";
        load_all(&[("a", "USD", "", group), ("b", currency, "", payment)])
    };
    let alike = "offset_group = \"csp\"\nmonths_after = 3";
    assert_eq!(load("USD", alike), Ok(2), "which months are due in a cycle may differ");
    assert_eq!(load("EUR", "offset_group = \"other\""), Ok(2));
    let other = load("EUR", alike).expect_err("two currencies");
    let expected =
        "b-program.toml: expected USD as `currency`, as `a` of the same `offset_group`, found EUR";
    assert!(other.contains(expected), "{other}");
    for days in ["day = 10", "business_day = \"next\""] {
        let text = format!("offset_group = \"csp\"\n{days}");
        let other = load("USD", &text).expect_err("two days");
        let expected = "b-program.toml: expected `day`, `business_day` and `holidays` as `a` of the same \
                        `offset_group` has them, found others";
        assert!(other.contains(expected), "{other}");
    }
}
