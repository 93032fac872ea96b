//! Broken program files: each has what is said about it in its first line. And what `earnest check
//! programs`, `sources` and `controls` find in a job.

use crate::support::{self, project};
use earnest_core::program::Program;
use std::fs;
use std::path::Path;
use std::process::Output;

#[test]
fn broken_program_files_are_refused_with_their_message() {
    let folder = project().join("tests/broken-programs");
    let mut differences = Vec::new();
    let mut count = 0;
    for entry in fs::read_dir(&folder).expect("the folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if !name.ends_with(".toml") {
            continue;
        }
        count += 1;
        let text = fs::read_to_string(&path).expect("a file");
        let expected = text.lines().next().and_then(|line| line.strip_prefix("# "));
        let expected = expected.unwrap_or_else(|| panic!("{name}: no message"));
        let found = match Program::parse(&name, &text) {
            Ok(_) => "no error".to_owned(),
            Err(error) => error.0,
        };
        let same = match expected.split_once(" … ") {
            Some((begin, end)) => found.starts_with(begin) && found.ends_with(end),
            None => found == expected,
        };
        if !same {
            differences.push(format!("{name}\n  expected {expected}\n  found    {found}"));
        }
    }
    assert!(count >= 25, "expected 25 files or more, found {count}");
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// What is shipped can be read, and nothing in it is doubtful.
#[test]
fn shipped_programs_and_templates_are_without_doubt() {
    let programs = project().join("pipelines/programs");
    let mut doubts = Vec::new();
    let mut count = 0;
    for folder in [programs.clone(), programs.join("templates")] {
        let entries = fs::read_dir(folder).expect("a folder");
        let paths: Vec<_> = entries
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
            .collect();
        count += paths.len();
        let (read, found) = earnest::check::programs::read(&paths);
        assert!(read.len() == paths.len() || !found.is_empty());
        doubts.extend(found.iter().map(earnest::check::doubt::Doubt::text));
    }
    assert!(count >= 15, "{count} files");
    assert!(doubts.is_empty(), "{}", doubts.join("\n"));
}

/// A copy of the sample's job, in a folder of its own, that may be changed.
fn sample_job(folder: &Path) {
    let pipelines = folder.join("pipelines");
    fs::create_dir_all(pipelines.join("programs")).expect("a folder");
    let root = project();
    for name in ["sources", "reports", "checks"] {
        std::os::unix::fs::symlink(root.join("pipelines").join(name), pipelines.join(name))
            .expect("a link");
    }
    std::os::unix::fs::symlink(root.join("sample-data"), folder.join("sample-data"))
        .expect("a link");
    let copy = |name: &str| {
        fs::copy(root.join("pipelines").join(name), pipelines.join(name)).expect("copied");
    };
    copy("daily.toml");
    for program in ["csp-direct-bill", "csp-indirect-provider", "csp-indirect-reseller"] {
        let name = format!("{program}.toml");
        let golden = root.join("tests/golden/programs").join(&name);
        fs::copy(golden, pipelines.join("programs").join(name)).expect("copied");
    }
}

fn check(folder: &Path, arguments: &[&str]) -> Output {
    let all = [&["check"], arguments].concat();
    support::earnest(&folder.join("pipelines/daily.toml"), &folder.join("warehouse"), &all)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn edit(path: &Path, find: &str, replace: &str) {
    let text = fs::read_to_string(path).expect("a file");
    assert!(text.contains(find), "{}: `{find}`", path.display());
    fs::write(path, text.replacen(find, replace, 1)).expect("written");
}

/// Line of a text in a file.
fn line_of(path: &Path, find: &str) -> usize {
    let text = fs::read_to_string(path).expect("a file");
    text[..text.find(find).expect("it is there")].matches('\n').count() + 1
}

#[test]
fn program_files_are_checked_without_a_warehouse() {
    let folder = tempfile::tempdir().expect("a folder");
    sample_job(folder.path());
    let good = check(folder.path(), &["programs"]);
    assert_eq!(good.status.code(), Some(0), "{}", text(&good.stdout));
    assert_eq!(text(&good.stdout), "programs         ok\n");
    assert!(text(&good.stderr).contains("not asked what needs published tables"));
    let programs = folder.path().join("pipelines/programs");
    let direct = programs.join("csp-direct-bill.toml");
    edit(&direct, "until = \"2020-09-30\"\n\n[[term]]", "until = \"2020-09-29\"\n\n[[term]]");
    let doubtful = check(folder.path(), &["programs"]);
    assert_eq!(doubtful.status.code(), Some(1));
    let line = line_of(&direct, "[[term]]\nterm = \"FY21\"");
    let expected = format!(
        "programs         1 warning\n    {}:{line}: warning: expected terms without gaps, found none on \
         2020-09-30: lines are unearned then\n      hint: extend one of its neighbors, or add what rules \
         then; leave it if it is meant\n",
        direct.display()
    );
    assert_eq!(text(&doubtful.stdout), expected);
    edit(&programs.join("csp-indirect-provider.toml"), "rate = \"0.04\"", "rate = \"4\"");
    let wrong = check(folder.path(), &["programs", "--json"]);
    assert_eq!(wrong.status.code(), Some(2));
    let json: serde_json::Value = serde_json::from_slice(&wrong.stdout).expect("JSON");
    assert_eq!(json[0]["status"], "1 error, 1 warning");
    let error = &json[0]["found"][1];
    assert_eq!(error["severity"], "error");
    let line = line_of(&programs.join("csp-indirect-provider.toml"), "rate = \"4\"");
    assert_eq!(error["line"], line);
    assert_eq!(error["message"], "expected a rate from 0 to 1, found `4` (`0.05` is 5 %)");
    edit(&programs.join("csp-indirect-provider.toml"), "rate = \"4\"", "rate = \"0.04\"");
    edit(&direct, "aliases = [", "successor = \"nobody\"\naliases = [");
    let wrong = check(folder.path(), &["programs"]);
    assert_eq!(wrong.status.code(), Some(2));
    let said = text(&wrong.stdout);
    assert!(
        said.contains("expected a program of the job in `successor`, found `nobody`"),
        "{said}"
    );
}

const ENDED: &str = r#"program = "csp-indirect-provider"
name = "CSP Indirect Provider"
currency = "USD"
pays = ["provider"]
[[term]]
term = "FY20"
until = "2020-09-30"
[[term]]
term = "FY21"
from = "2020-10-01"
until = "2021-02-28"
[[lever]]
lever = "core-modern-work"
name = "Core"
draws = "billing"
product_groups = ["modern-work-security"]
[[lever.rate]]
rate = "0.04"
[payment]
minimum = "200"
"#;

#[test]
fn program_files_are_checked_against_what_is_published() {
    let folder = tempfile::tempdir().expect("a folder");
    sample_job(folder.path());
    let pipeline = folder.path().join("pipelines/daily.toml");
    let programs = folder.path().join("pipelines/programs");
    let direct = programs.join("csp-direct-bill.toml");
    let reseller = programs.join("csp-indirect-reseller.toml");
    let provider = programs.join("csp-indirect-provider.toml");
    // A lever that no line passes, and a program that ends in February.
    edit(
        &direct,
        "# How it is split",
        "[[lever]]\nlever = \"large\"\nname = \"Large\"\ndraws = \"billing\"\n\
         product_groups = [\"strategic\"]\n[[lever.rate]]\nrate = \"0.01\"\n[lever.filter]\n\
         column = \"base\"\nat_least = \"99999999\"\n\n# How it is split",
    );
    fs::write(&provider, ENDED).expect("written");
    let run = support::earnest(
        &pipeline,
        &folder.path().join("warehouse"),
        &["run", "--as-of", "2021-06-20"],
    );
    assert_eq!(run.status.code(), Some(1), "{}", text(&run.stderr));
    let doubtful = check(folder.path(), &["programs"]);
    assert_eq!(doubtful.status.code(), Some(1), "{}", text(&doubtful.stdout));
    let said = text(&doubtful.stdout);
    let at = |path: &Path, find: &str| format!("{}:{}", path.display(), line_of(path, find));
    for expected in [
        "programs         3 warnings".to_owned(),
        format!(
            "{}: warning: expected earning rates from GBP to USD, found none in 2021-03: 1 lines",
            at(&direct, "currency =")
        ),
        format!(
            "{}: warning: expected `large` to match some transaction, found none in the last run",
            at(&direct, "lever = \"large\"")
        ),
        format!(
            "{}: warning: expected no lines after the last term `FY21` ends on 2021-02-28, found ",
            at(&provider, "[[term]]\nterm = \"FY21\"")
        ),
    ] {
        assert!(said.contains(&expected), "`{expected}`: {said}");
    }
    // A group that has no products is wrong where it is in force.
    edit(&reseller, "product_groups = [\"strategic\"]", "product_groups = [\"strategy\"]");
    let wrong = check(folder.path(), &["programs"]);
    assert_eq!(wrong.status.code(), Some(2));
    let said = text(&wrong.stdout);
    let expected = format!(
        "{}: error: expected a product group that has products, found `strategy`, which has none",
        at(&reseller, "product_groups = [\"strategy\"]")
    );
    assert!(said.contains(&expected), "`{expected}`: {said}");
    assert!(!said.contains("expected `strategic`"), "{said}");
}

#[test]
fn exports_are_tied_and_computed_again() {
    let folder = tempfile::tempdir().expect("a folder");
    sample_job(folder.path());
    fs::remove_file(folder.path().join("sample-data")).expect("removed");
    copy_tree(&project().join("sample-data"), &folder.path().join("sample-data"));
    let pipeline = folder.path().join("pipelines/daily.toml");
    let run = || {
        let warehouse = folder.path().join("warehouse");
        let run = support::earnest(&pipeline, &warehouse, &["run", "--as-of", "2021-06-20"]);
        assert_eq!(run.status.code(), Some(1), "{}", text(&run.stderr));
    };
    run();
    let good = check(folder.path(), &["sources"]);
    assert_eq!(text(&good.stdout), "sources          ok\n");
    assert_eq!(good.status.code(), Some(0));
    // A line of usage is missing, and one column in each format is wrong.
    fs::remove_dir_all(folder.path().join("warehouse")).expect("removed");
    let sample = folder.path().join("sample-data");
    let usage = sample.join("daily-usage/direct-usage_2021-02-08.csv");
    let text_of = |path: &Path| fs::read_to_string(path).expect("a file");
    let whole = text_of(&usage);
    let without: Vec<&str> =
        whole.lines().enumerate().filter(|(place, _)| *place != 1).map(|(_, line)| line).collect();
    fs::write(&usage, without.join("\n") + "\n").expect("written");
    let invoice = sample.join("nce/direct-invoice_2021-02-08.csv");
    edit(&invoice, "200,5760.00,0.00,5760.00,USD", "200,5760.01,0.00,5760.00,USD");
    let license = sample.join("license-based/direct-license_2021-02-08.csv");
    edit(&license, "1900.00,0.00,1900.00,0.00,1900.00", "1900.00,5.00,1900.00,0.00,1900.00");
    let azure = sample.join("usage-based/provider-azure_2021-02-08.csv");
    edit(&azure, "813,5,808,0.0500,40.40", "813,5,809,0.0500,40.44");
    // Rows of a program that nobody has; blank or a former name is none.
    let map = sample.join("partners/participant_map_2021-01-04.csv");
    fs::write(
        &map,
        text_of(&map).trim_end().to_owned() + "\n0519433,csp-nowhere,0519433,2020-10-01,\n",
    )
    .expect("written");
    // Less was used than is included: that is right.
    edit(&azure, "96,0,96,0.0036,0.35,0.00,0.35", "96,100,0,0.0036,0.00,0.00,0.00");
    run();
    let wrong = check(folder.path(), &["sources"]);
    let said = text(&wrong.stdout);
    assert_eq!(wrong.status.code(), Some(1), "{said}");
    for expected in [
        "direct-invoice_2021-02-08.csv, record 1: warning: expected `Subtotal` 5760 from \
         `EffectiveUnitPrice` 28.80 × `BillableQuantity` 200, found 5760.01",
        "direct-invoice_2021-02-08.csv, record 1: warning: expected `Total` 5760.01 = Subtotal + \
         TaxTotal, found 5760",
        "direct-license_2021-02-08.csv, record 1: warning: expected `Subtotal` 1895 = Amount − \
         TotalOtherDiscount, found 1900",
        "provider-azure_2021-02-08.csv, record 2: warning: expected `OverageQuantity` 808 = \
         ConsumedQuantity − IncludedQuantity, at least 0, found 809",
        "provider-azure_2021-02-08.csv, record 2: warning: expected `PretaxCharges` 40.45 from \
         `ListPrice` 0.0500 × `OverageQuantity` 809, found 40.44",
        "invoice G0021038701, product DZH318Z0BPS6: expected usage of USD",
        "a part of the usage or of the invoice is missing or stale",
        "warning: expected a program of the job, found `csp-nowhere` in 1 records",
    ] {
        assert!(said.contains(expected), "`{expected}`: {said}");
    }
    // 40.44 is what others add to; the tax of the record no longer re-adds either.
    assert!(said.starts_with("sources          8 warnings"), "{said}");
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy_tree(&path, &target);
        } else {
            fs::copy(&path, &target).expect("copied");
        }
    }
}

#[test]
fn what_segregation_lacks_is_listed() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    sample_job(folder.path());
    let job = folder.path().join("pipelines/daily.toml");
    fs::set_permissions(&job, fs::Permissions::from_mode(0o666)).expect("set");
    let warehouse = folder.path().join("warehouse");
    fs::create_dir(&warehouse).expect("a folder");
    let found = check(folder.path(), &["controls"]);
    assert_eq!(found.status.code(), Some(1), "{}", text(&found.stdout));
    let said = text(&found.stdout);
    for expected in [
        format!(
            "{}: warning: expected that only its owner writes it, found mode 0666: everybody may",
            job.display()
        ),
        "expected the job and its programs under version control, found no repository".to_owned(),
    ] {
        assert!(said.contains(&expected), "`{expected}`: {said}");
    }
    let approval = "expected that orders of a closed cycle wait for somebody else's approval";
    assert!(said.contains(approval), "{said}");
    // Who runs the tests made all of these files, or is root.
    assert!(
        said.contains("expected rules that who writes the warehouse can't change")
            || said.contains("found root, who may do all"),
        "{said}"
    );
    fs::create_dir(folder.path().join(".git")).expect("a folder");
    fs::set_permissions(&job, fs::Permissions::from_mode(0o644)).expect("set");
    edit(&job, "approval = \"none\"", "approval = \"required\"");
    let said = text(&check(folder.path(), &["controls"]).stdout);
    assert!(!said.contains("version control") && !said.contains("mode 0666"), "{said}");
    assert!(!said.contains(approval), "{said}");
    let by_file = "found `approval_by = \"file\"`: whoever may write the file approves";
    assert!(!said.contains(by_file), "{said}");
    edit(&job, "approval = \"required\"", "approval = \"required\"\napproval_by = \"file\"");
    let said = text(&check(folder.path(), &["controls"]).stdout);
    assert!(said.contains(by_file), "{said}");
}
