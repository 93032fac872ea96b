//! Every Polars plan of a run stays on the streaming engine as a whole: a step that fell back to the
//! in-memory engine would hold a whole table at once. Polars names each step it runs when asked to.

use crate::properties::{AS_OF, exports};
use crate::support::project;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Asks for everything that a scan of its own finds out.
const ASKING: &str = r#"
program = "asking"
name = "Asking"
currency = "USD"
pays = ["reseller"]
unmapped = "self"
[[term]]
term = "all"
[[requirement]]
requirement = "trailing_revenue"
amount = "1000"
product_groups = ["azure"]
[[requirement]]
name = "of the company"
any_of = [
    { requirement = "trailing_revenue", name = "a quarter", amount = "2500", days = 91, follow = "company" },
    { requirement = "enrollment" },
]
[[lever]]
lever = "all"
name = "Every product"
draws = "billing"
product_groups = ["*"]
[[lever.rate]]
rate = "0.01"
[payment]
minimum = "200"
"#;

/// The job with the shipped programs and one more.
fn with_program(exports: &Path) {
    let programs = exports.join("programs");
    fs::create_dir(&programs).expect("a folder");
    for entry in fs::read_dir(project().join("pipelines/programs")).expect("programs") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if name.starts_with("csp-") {
            fs::copy(&path, programs.join(name)).expect("copied");
        }
    }
    fs::write(programs.join("asking.toml"), ASKING).expect("written");
    let job = exports.join("daily.toml");
    let text = fs::read_to_string(&job).expect("the job");
    let asking = |line: &str| match line.starts_with("programs = ") {
        true => "programs = \"programs/*.toml\"\n".to_owned(),
        false => format!("{line}\n"),
    };
    fs::write(&job, text.lines().map(asking).collect::<String>()).expect("written");
}

#[test]
fn no_plan_falls_back_to_the_in_memory_engine() {
    let exports = exports(2_000);
    with_program(exports.path());
    let pipeline = exports.path().join("daily.toml");
    let run = Command::new(env!("CARGO_BIN_EXE_earnest"))
        .args(["run", "--as-of", AS_OF, "--pipeline"])
        .arg(&pipeline)
        .env("POLARS_VERBOSE", "1")
        .output()
        .expect("earnest runs");
    let told = String::from_utf8_lossy(&run.stderr);
    // DuckDB measured trailing revenue again, else the run would have stopped.
    assert!(matches!(run.status.code(), Some(0 | 1)), "{told}");
    let sql =
        "select count(distinct \"window\"[:9]) from determinations where kind = 'trailing_revenue'";
    let query = Command::new(env!("CARGO_BIN_EXE_earnest"))
        .args(["query", "-o", "csv", sql, "--pipeline"])
        .arg(&pipeline)
        .output()
        .expect("earnest runs");
    let found = String::from_utf8_lossy(&query.stdout);
    assert_eq!(found.lines().last(), Some("2"), "both are reached by somebody: {found}");
    let steps: Vec<&str> =
        told.lines().filter(|line| line.starts_with("polars-stream: running ")).collect();
    for step in ["multi-scan", "group-by"] {
        assert!(steps.iter().any(|line| line.contains(step)), "expected `{step}` among {steps:#?}");
    }
    let scans = steps.iter().filter(|line| line.contains("multi-scan")).count();
    assert!(scans >= 2, "expected a scan of partners and one of revenue among {steps:#?}");
    for fallback in ["in-memory-map", "in-memory-join"] {
        assert!(!steps.iter().any(|line| line.contains(fallback)), "found {fallback}: {steps:#?}");
    }
}
