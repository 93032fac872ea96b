# The project's commands: `./just` lists them. The wrapper `./just` installs the runner if needed.

set shell := ["bash", "-euo", "pipefail", "-c"]
set positional-arguments

# The day as of which the sample data is run.
as_of := "2021-06-20"

cache := env("EARNEST_CACHE", env("XDG_CACHE_HOME", env("HOME") / ".cache") / "earnest")
libraries := env("LD_LIBRARY_PATH", "")
# Release builds are for processors since about 2015 (AVX2, BMI2).
for_release := "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS='-C target-cpu=x86-64-v3'"

export EARNEST_CACHE := cache
export CARGO_TARGET_DIR := env("CARGO_TARGET_DIR", cache / "target")
export DUCKDB_LIB_DIR := env("DUCKDB_LIB_DIR", cache / "duckdb")
export LD_LIBRARY_PATH := if libraries == "" { DUCKDB_LIB_DIR } else { DUCKDB_LIB_DIR + ":" + libraries }

# Lists the commands
[private]
default:
    @{{ quote(just_executable()) }} --justfile {{ quote(justfile()) }} --list --unsorted

# Fetches the DuckDB library and the crates
setup:
    scripts/libduckdb
    cargo fetch --locked

# Builds the debug binary
build: _library
    cargo build --locked

# Builds the release binary
release: _library
    {{ for_release }} cargo build --locked --release

# Runs the daily job on the sample data, as of a day after its last delivery
demo: build
    #!/usr/bin/env bash
    set -uo pipefail
    code=0
    "$CARGO_TARGET_DIR/debug/earnest" run --pipeline pipelines/daily.toml --as-of {{ as_of }} || code=$?
    case $code in
      0) echo "demo: exit 0, done" ;;
      1) echo "demo: exit 1, done; the sample's known oddities need attention, as listed above" ;;
      *) echo "demo: exit $code, the run did not publish" >&2; exit $code ;;
    esac

# Runs `earnest` with any arguments, e.g. `./just earnest query "select count(*) from earnings"`
earnest *arguments: build
    @"$CARGO_TARGET_DIR/debug/earnest" "$@"

# Runs every test, or those whose name contains FILTER
test *filter: _library
    cargo test --locked --workspace -- "$@"

# Checks format, lints and documentation
lint: _library
    cargo fmt --all -- --check
    cargo clippy --locked --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --document-private-items

# Checks the format alone
[private]
fmt-check:
    cargo fmt --all -- --check

# Formats the code
fmt:
    cargo fmt --all

# Rewrites expected outputs and generated documents; review the difference like code
bless *filter: _library
    BLESS=1 cargo test --locked --workspace -- "$@"

# Rewrites docs/tables.md and docs/reason-codes.md from the code
docs: (bless "tidy::documents")

# Reads the published tables with Python's Polars, pyarrow and DuckDB
interop: build
    "$(scripts/python)" tests/interop/read_tables.py "$CARGO_TARGET_DIR/debug/earnest" {{ as_of }}

# Measures against DuckDB and a plain copy: `./just bench [--program everything] [--rows N] …`
bench *arguments: release
    "$(scripts/python)" benches/bench "$@"

# Applies named mutations one by one; each must make a test fail
mutate *names: _library
    scripts/mutate "$@"

# Kills a run of 10,000 rows at every store operation in turn, and lets disks fill; a quarter of an hour
faults: _library
    EARNEST_FAULT_STEP=1 cargo test --locked --test it -- faults

# Runs the slow proofs that CI leaves out
prove: _library
    {{ for_release }} EARNEST_SMALL_FILES=10000 cargo test --locked --release --test it -- many_small
    {{ for_release }} EARNEST_GZ_MEGABYTES=1000 cargo test --locked --release --test it -- compressed_export
    {{ for_release }} EARNEST_CROWD_ROWS=1000000 cargo test --locked --release --test it -- crowd --nocapture
    {{ for_release }} EARNEST_FAULT_ROWS=1000000 EARNEST_FAULT_STEP=1 \
        cargo test --locked --release --test it -- faults --nocapture

# Runs exactly what CI runs
ci:
    .ci/run

_library:
    @if [ ! -s "$DUCKDB_LIB_DIR/libduckdb.so" ] || [ "$DUCKDB_LIB_DIR" = "$EARNEST_CACHE/duckdb" ]; then scripts/libduckdb >/dev/null; fi
