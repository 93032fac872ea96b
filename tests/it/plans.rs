//! Every Polars plan of a run stays on the streaming engine as a whole: a step that fell back to the
//! in-memory engine would hold a whole table at once. Polars names each step it runs when asked to.

use crate::properties::{AS_OF, exports};
use std::process::Command;

#[test]
fn no_plan_falls_back_to_the_in_memory_engine() {
    let exports = exports(2_000);
    let pipeline = exports.path().join("daily.toml");
    let run = Command::new(env!("CARGO_BIN_EXE_earnest"))
        .args(["run", "--as-of", AS_OF, "--pipeline"])
        .arg(&pipeline)
        .env("POLARS_VERBOSE", "1")
        .output()
        .expect("earnest runs");
    let told = String::from_utf8_lossy(&run.stderr);
    assert!(matches!(run.status.code(), Some(0 | 1)), "{told}");
    let steps: Vec<&str> =
        told.lines().filter(|line| line.starts_with("polars-stream: running ")).collect();
    for step in ["multi-scan", "group-by"] {
        assert!(steps.iter().any(|line| line.contains(step)), "expected `{step}` among {steps:#?}");
    }
    for fallback in ["in-memory-map", "in-memory-join"] {
        assert!(!steps.iter().any(|line| line.contains(fallback)), "found {fallback}: {steps:#?}");
    }
}
