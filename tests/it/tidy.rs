//! House rules as tests: who may import whom, where files are written, what must be documented.

use earnest::schema;
use earnest_core::reason::{
    AdjustmentReason, CarryReason, ClaimReason, PostingReason, Reason, RejectReason, StatusReason,
};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Modules in the order in which data flows: none imports a later one.
const STAGES: [&str; 7] =
    ["ingest", "eligibility", "earnings", "closes", "payments", "check", "report"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A file of the project: its path from the root, and its text.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The text without the unit tests at its end.
    fn product(&self) -> &str {
        self.text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default()
    }

    /// Lines of code that contain a word, as `path:line`.
    fn lines_with(&self, words: &[&str]) -> Vec<String> {
        let lines = self.product().lines().enumerate();
        lines
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
            .filter(|(_, line)| words.iter().any(|word| has_word(line, word)))
            .map(|(number, line)| format!("{}:{}: {}", self.path, number + 1, line.trim()))
            .collect()
    }
}

/// True if the word stands in the line with no letter or digit beside it.
fn has_word(line: &str, word: &str) -> bool {
    let beside = |letter: Option<char>| letter.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(word).any(|(at, found)| {
        !beside(line[..at].chars().next_back()) && !beside(line[at + found.len()..].chars().next())
    })
}

fn files_below(folder: &str, endings: &[&str]) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if endings.iter().any(|ending| path.to_string_lossy().ends_with(ending)) {
                found.push(source(&path));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn source(path: &Path) -> Source {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let relative = path.strip_prefix(root()).unwrap_or(path);
    Source {
        path: relative.to_string_lossy().into_owned(),
        text: String::from_utf8_lossy(&bytes).into_owned(),
    }
}

fn rust() -> Vec<Source> {
    let mut files = files_below("src", &[".rs"]);
    files.extend(files_below("core/src", &[".rs"]));
    files
}

fn none(found: &[String], rule: &str) {
    assert!(found.is_empty(), "{rule}:\n{}", found.join("\n"));
}

#[test]
fn core_knows_nobody_and_does_no_io() {
    let words =
        ["polars", "duckdb", "arrow", "parquet", "std::fs", "std::io", "std::env", "object_store"];
    let found: Vec<String> =
        files_below("core/src", &[".rs"]).iter().flat_map(|file| file.lines_with(&words)).collect();
    none(&found, "expected core to be functions of their arguments, found");
}

/// A mutation whose text is gone would say nothing about the tests.
#[test]
fn every_mutation_still_applies() {
    let mut found = Vec::new();
    for file in files_below("scripts/mutations", &[".toml"]) {
        let mutations: toml::Table = toml::from_str(&file.text).expect("mutations");
        for mutation in mutations["mutation"].as_array().expect("a list") {
            let text = |key: &str| mutation[key].as_str().unwrap_or_default();
            let times = source(&root().join(text("file"))).text.matches(text("find")).count();
            if times != 1 {
                found.push(format!("{}: `{}` is found {times} times", file.path, text("name")));
            }
        }
    }
    none(&found, "expected the text of every mutation once, found");
}

#[test]
fn no_stage_imports_a_later_one() {
    let mut found = Vec::new();
    for (place, stage) in STAGES.iter().enumerate() {
        let later: Vec<String> =
            STAGES[place + 1..].iter().map(|later| format!("crate::{later}")).collect();
        let later: Vec<&str> = later.iter().map(String::as_str).collect();
        for file in stage_files(stage) {
            found.extend(file.lines_with(&later));
            found.extend(file.lines_with(&["crate::cli", "crate::run"]));
        }
    }
    none(&found, "expected stages to know only earlier ones, found");
}

fn stage_files(stage: &str) -> Vec<Source> {
    let mut files = files_below(&format!("src/{stage}"), &[".rs"]);
    let single = root().join(format!("src/{stage}.rs"));
    files.extend(single.is_file().then(|| source(&single)));
    files
}

#[test]
fn only_the_warehouse_writes_files() {
    let words = [
        "File::create",
        "File::create_new",
        "File::options",
        "OpenOptions",
        "fs::write",
        "fs::rename",
        "fs::copy",
        "fs::hard_link",
        "fs::remove_file",
        "fs::remove_dir_all",
        "fs::create_dir",
        "fs::create_dir_all",
    ];
    // `generate` writes exports, `estimate` a folder that goes with it, `cli` what a user asked for by
    // `-o`: none of them touches a warehouse.
    let free = ["src/warehouse/", "src/generate/", "src/estimate.rs", "src/cli/"];
    let found: Vec<String> = rust()
        .iter()
        .filter(|file| !free.iter().any(|folder| file.path.starts_with(folder)))
        .flat_map(|file| file.lines_with(&words))
        .collect();
    none(&found, "expected only src/warehouse to write, found");
}

#[test]
fn stages_read_no_clock_and_no_environment() {
    let words = ["SystemTime", "Utc::now", "Local::now", "std::env", "env::var"];
    let mut found = Vec::new();
    for stage in STAGES {
        found.extend(stage_files(stage).iter().flat_map(|file| file.lines_with(&words)));
    }
    none(&found, "expected dates to be arguments, found");
}

#[test]
fn no_float_touches_money() {
    // Staging names the float types of foreign Parquet files, to refuse them.
    let words = ["f32", "f64", "DOUBLE"];
    let mut files = files_below("core/src", &[".rs"]);
    files.extend(files_below("src/schema", &[".rs"]));
    files.push(source(&root().join("src/schema.rs")));
    for stage in ["ingest", "eligibility", "earnings", "payments"] {
        files.extend(stage_files(stage));
    }
    let mut found: Vec<String> = files.iter().flat_map(|file| file.lines_with(&words)).collect();
    let types = ["Float16", "Float32", "Float64"];
    let others = files.iter().filter(|file| !file.path.starts_with("src/ingest/"));
    found.extend(others.flat_map(|file| file.lines_with(&types)));
    none(&found, "expected integers and decimals, found");
}

#[test]
fn src_knows_no_program_by_name() {
    let programs = files_below("pipelines/programs", &[".toml"]);
    // Templates are called by their rule kind, which code may name.
    let names: Vec<String> = programs
        .iter()
        .filter(|file| !file.path.contains("/templates/"))
        .filter_map(|file| Path::new(&file.path).file_stem())
        .map(|stem| stem.to_string_lossy().into_owned())
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let found: Vec<String> = rust()
        .iter()
        .filter(|file| !file.path.starts_with("src/generate/"))
        .flat_map(|file| file.lines_with(&names))
        .collect();
    none(&found, "expected programs to be data, found");
}

#[test]
fn pipelines_hold_no_code_but_sql() {
    let found: Vec<String> = files_below("pipelines", &[""])
        .into_iter()
        .map(|file| file.path)
        .filter(|path| ![".toml", ".sql", ".md"].iter().any(|ending| path.ends_with(ending)))
        .collect();
    none(&found, "expected data and SQL, found");
}

#[test]
fn files_are_short_enough_to_read() {
    let mut files = rust();
    for folder in ["tests", "benches", "scripts", "pipelines", "dashboard"] {
        files.extend(files_below(folder, &[".rs", ".py", ".sql", ".js"]));
    }
    for folder in ["pipelines", "scripts"] {
        files.extend(files_below(folder, &[".toml"]));
    }
    let found: Vec<String> = files
        .iter()
        .map(|file| (file.text.lines().count(), &file.path))
        .filter(|(lines, path)| *lines > 500 && !path.starts_with("tests/examples/"))
        .map(|(lines, path)| format!("{path}: {lines} lines"))
        .collect();
    none(&found, "expected at most 500 lines, found");
}

#[test]
fn nothing_is_left_over() {
    // Put together here, so that this file does not contain what it looks for.
    let words: Vec<String> =
        [["dbg", "!"], ["todo", "!"], ["unimplemented", "!"], ["TO", "DO"], ["FIX", "ME"]]
            .map(|parts| parts.concat())
            .to_vec();
    let hosts: Vec<String> =
        [["crates", ".io"], ["pypi", ".org"], ["npmjs", ".com"], ["npmjs", ".org"]]
            .map(|parts| parts.concat())
            .to_vec();
    let mut found = Vec::new();
    for file in everything() {
        for (number, line) in file.text.lines().enumerate() {
            let left = words.iter().any(|word| has_word(line, word));
            if left || hosts.iter().any(|host| line.contains(host.as_str())) {
                found.push(format!("{}:{}: {}", file.path, number + 1, line.trim()));
            }
        }
    }
    none(&found, "expected no leftovers and no package hosts, found");
}

/// Every text of ours.
fn everything() -> Vec<Source> {
    let endings = [".rs", ".py", ".sql", ".toml", ".md", ".js", ".html", "just", "justfile"];
    let mut files = Vec::new();
    for folder in ["src", "core", "tests", "benches", "scripts", "pipelines", "dashboard", "docs"] {
        files.extend(files_below(folder, &endings));
    }
    for name in ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "Cargo.toml", "just", "justfile"] {
        let path = root().join(name);
        files.extend(path.is_file().then(|| source(&path)));
    }
    files.push(source(&root().join(".ci/run")));
    files
}

#[test]
fn documents_of_tables_and_reasons_are_generated() {
    for (name, expected) in [
        ("docs/tables.md", schema::docs::tables()),
        ("docs/reason-codes.md", schema::docs::reason_codes()),
    ] {
        let path = root().join(name);
        if std::env::var_os("BLESS").is_some() {
            fs::create_dir_all(root().join("docs")).expect("a folder");
            fs::write(&path, &expected).expect("written");
        }
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert!(found == expected, "{name} differs from the code; run `./just docs`");
    }
}

#[test]
fn every_reason_code_is_documented() {
    let page = fs::read_to_string(root().join("docs/reason-codes.md")).expect("the page");
    let codes = Reason::ALL.iter().map(|reason| reason.code());
    let missing: Vec<String> = codes
        .chain(RejectReason::ALL.iter().map(|reason| reason.code()))
        .chain(CarryReason::ALL.iter().map(|reason| reason.code()))
        .chain(ClaimReason::ALL.iter().map(|reason| reason.code()))
        .chain(PostingReason::ALL.iter().map(|reason| reason.code()))
        .chain(StatusReason::ALL.iter().map(|reason| reason.code()))
        .chain(AdjustmentReason::ALL.iter().map(|reason| reason.code()))
        .filter(|code| !page.contains(&format!("`{code}`")))
        .map(str::to_owned)
        .collect();
    none(&missing, "expected every code in docs/reason-codes.md, missing");
}

#[test]
fn every_command_is_in_the_readme() {
    let help = Command::new(env!("CARGO_BIN_EXE_earnest")).arg("--help").output().expect("help");
    let help = String::from_utf8(help.stdout).expect("text");
    let commands: BTreeSet<&str> = help
        .lines()
        .skip_while(|line| !line.starts_with("Commands:"))
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|command| *command != "help")
        .collect();
    assert!(!commands.is_empty(), "expected `earnest --help` to list commands:\n{help}");
    let readme = fs::read_to_string(root().join("README.md")).expect("README.md");
    let missing: Vec<String> = commands
        .into_iter()
        .filter(|command| !readme.contains(&format!("earnest {command}")))
        .map(str::to_owned)
        .collect();
    none(&missing, "expected every command in README.md, missing");
}

/// CI runs what stands in the README's `sh` blocks: see `scripts/readme`.
#[test]
fn readme_commands_are_ones_that_ci_can_run() {
    let readme = fs::read_to_string(root().join("README.md")).expect("README.md");
    let justfile = fs::read_to_string(root().join("justfile")).expect("justfile");
    let ci = fs::read_to_string(root().join(".ci/run")).expect(".ci/run");
    assert!(ci.contains("scripts/readme"), "expected .ci/run to run the README's commands");
    let mut in_block = false;
    let mut commands = 0;
    for line in readme.lines() {
        if line.starts_with("```") {
            in_block = line == "```sh";
        } else if in_block && !line.trim().is_empty() && !line.starts_with([' ', '#']) {
            commands += 1;
            let recipe = line.strip_prefix("./just ").and_then(|rest| rest.split(' ').next());
            let known = recipe.is_some_and(|recipe| {
                justfile
                    .lines()
                    .any(|line| line.split([' ', ':']).next() == Some(recipe) && line.contains(':'))
            });
            assert!(
                known || line.starts_with("earnest "),
                "README.md: expected `./just RECIPE` or `earnest …` in a `sh` block, found `{line}`"
            );
        }
    }
    assert!(commands > 0, "expected README.md to have `sh` blocks");
}
