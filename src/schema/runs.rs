//! The record of runs and of what they read.

use super::Kind::{Date, Instant, Integer, Text};
use super::{Table, provenance};

pub const RUNS: Table = Table {
    name: "runs",
    version: 1,
    description: "Runs that published",
    grain: "one row per run",
    key: &["run_id"],
    partition: "",
    columns: &[
        provenance("run_id", Text, "The run"),
        provenance("snapshot", Integer, "The snapshot it published"),
        provenance("as_of", Date, "Rows known on or before that day counted"),
        provenance("started_at", Instant, "Start"),
        provenance("earnest_version", Text, "Version of earnest"),
        provenance("exit_code", Integer, "0, or 1 if the data needs attention"),
        provenance("rows_read", Integer, "Records read in this run"),
        provenance("rows_staged", Integer, "Records staged in this run"),
        provenance("rows_rejected", Integer, "Records rejected in this run"),
        provenance("rows_duplicate", Integer, "Records that came again, in this run"),
        provenance("attention", Text, "What needs attention, in words"),
    ],
};

pub const RUN_INPUTS: Table = Table {
    name: "run_inputs",
    version: 2,
    description: "What each run read",
    grain: "one row per run × input file",
    key: &["run_id", "source", "source_file", "file_digest"],
    partition: "",
    columns: &[
        provenance("run_id", Text, "The run"),
        provenance("source", Text, "The source in the job file"),
        provenance("format", Text, "The export format"),
        provenance("delivery_id", Text, "The delivery it belongs to"),
        provenance("source_file", Text, "The file, as the source names it"),
        provenance("file_digest", Text, "BLAKE3 of the file's bytes as they came (`b3sum`)"),
        provenance("bytes", Integer, "Size of the file as it came"),
        provenance("known_on", Date, "The day it became known"),
        provenance("sequence", Integer, "Rank among deliveries of the same day"),
        provenance("rows_read", Integer, "Records in the file"),
        provenance("rows_staged", Integer, "Records staged"),
        provenance("rows_rejected", Integer, "Records rejected"),
        provenance("rows_duplicate", Integer, "Records that had come before"),
        provenance("control_rows", Integer, "Rows the source says it sent; null: it doesn't say"),
        provenance(
            "control_sums",
            Text,
            "Sum per currency the source says it sent, `CUR=amount;…`",
        ),
        provenance(
            "state",
            Text,
            "`staged`, `duplicate` (the same bytes came before) or `not yet known` (after the as-of date)",
        ),
    ],
};
