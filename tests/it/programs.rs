//! Programs of one job: their names on each day are their own, and successors exist and end.

use crate::support::project;
use earnest::job::Job;
use earnest::run::load_programs;
use std::fs;

/// Loads a job of these programs; each is its key and what stands at the top of its file.
fn load(programs: &[(&str, &str)]) -> Result<usize, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let sources = project().join("pipelines/sources");
    let job = format!(
        "warehouse = \"w\"\nprograms = \"*-program.toml\"\nformats = {sources:?}\nreports = \"r\"\n\
         [sources.lines]\nformat = \"transactions\"\npath = \"*.csv\"\n"
    );
    fs::create_dir(folder.path().join("r")).expect("a folder");
    fs::write(folder.path().join("daily.toml"), job).expect("written");
    for (key, top) in programs {
        let text = format!(
            "program = \"{key}\"\nname = \"The {key}\"\ncurrency = \"USD\"\npays = [\"direct\"]\n{top}\n\
             [[term]]\nterm = \"all\"\n[[lever]]\nlever = \"core\"\nname = \"Core\"\ndraws = \"billing\"\n\
             product_groups = [\"*\"]\n[[lever.rate]]\nrate = \"0.04\"\n[payment]\nminimum = \"200\"\n"
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
