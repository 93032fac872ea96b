//! `docs/tables.md` and `docs/reason-codes.md`, made from the declarations, so that they can't drift.

use super::{TABLES, Table};
use earnest_core::reason::{
    AdjustmentReason, CarryReason, ClaimReason, PostingReason, Reason, RejectReason, StatusReason,
};
use std::fmt::Write;

/// The whole of `docs/tables.md`.
#[must_use]
pub fn tables() -> String {
    let mut page = "# Tables\n\n\
        Generated from `src/schema.rs` by `./just docs`; don't edit.\n\n\
        Staged tables hold what was received, result tables what follows from it. A column marked\n\
        *provenance* says where a row came from and is no part of the table's digest.\n\n\
        | table | one row per | rows are told apart by |\n|---|---|---|\n"
        .to_owned();
    for table in TABLES {
        let name = table.name;
        let _ = writeln!(page, "| [`{name}`](#{name}) | {} | {} |", grain(table), key(table));
    }
    for table in TABLES {
        describe(&mut page, table);
    }
    page
}

/// The whole of `docs/reason-codes.md`.
#[must_use]
pub fn reason_codes() -> String {
    let mut page = "# Reason codes\n\n\
        Generated from `core/src/reason.rs` by `./just docs`; don't edit.\n\n\
        ## Why a transaction earned nothing\n\n\
        In order of precedence: the first that applies is the `reason`, the others are `other_reasons`.\n\
        Requirements come in the order of the program file.\n\n\
        | code | rule | remedy |\n|---|---|---|\n"
        .to_owned();
    for reason in Reason::ALL {
        row(&mut page, reason.code(), reason.sentence(), reason.remedy());
    }
    page.push_str("\n## Why a record was rejected\n\n| code | rule | remedy |\n|---|---|---|\n");
    for reason in RejectReason::ALL {
        row(&mut page, reason.code(), reason.sentence(), reason.remedy());
    }
    page.push_str(
        "\n## Why a cycle ordered nothing\n\nIn order of precedence.\n\n\
         | code | rule | remedy |\n|---|---|---|\n",
    );
    for reason in CarryReason::ALL {
        row(&mut page, reason.code(), reason.sentence(), reason.remedy());
    }
    page.push_str(
        "\n## Why a claim, or a part of it, is refused or held\n\nIn order of precedence.\n\n\
         | code | rule | remedy |\n|---|---|---|\n",
    );
    for reason in ClaimReason::ALL {
        row(&mut page, reason.code(), reason.sentence(), reason.remedy());
    }
    page.push_str(
        "\n## Why a status of a payment doesn't count\n\nIn order of precedence.\n\n\
         | code | rule | remedy |\n|---|---|---|\n",
    );
    for reason in StatusReason::ALL {
        row(&mut page, reason.code(), reason.sentence(), reason.remedy());
    }
    page.push_str(
        "\n## Why a manual adjustment isn't posted\n\nIn order of precedence.\n\n\
         | code | rule | remedy |\n|---|---|---|\n",
    );
    for reason in PostingReason::ALL {
        row(&mut page, reason.code(), reason.sentence(), reason.remedy());
    }
    page.push_str(
        "\n## Why a settled amount changed\n\nAs published.\n\n\
         | code | rule | remedy |\n|---|---|---|\n",
    );
    for reason in AdjustmentReason::ALL {
        row(&mut page, reason.code(), reason.sentence(), reason.remedy());
    }
    page
}

fn row(page: &mut String, code: &str, sentence: &str, remedy: &str) {
    let _ = writeln!(page, "| `{code}` | {} | {} |", cell(sentence), cell(remedy));
}

fn describe(page: &mut String, table: &Table) {
    let _ = write!(page, "\n## {}\n\n{}: {}.\n", table.name, table.description, grain(table));
    let partition = match table.partition {
        "" => "not partitioned".to_owned(),
        by => format!("partitioned by {by}"),
    };
    let _ = writeln!(page, "Version {}, {partition}.\n", table.version);
    page.push_str("| column | type | null | meaning |\n|---|---|---|---|\n");
    for column in table.columns {
        let null = if column.nullable { "yes" } else { "" };
        let provenance = if column.content { "" } else { " (*provenance*)" };
        let (name, kind, doc) = (column.name, column.kind.sql(), cell(column.doc));
        let _ = writeln!(page, "| `{name}` | {kind} | {null} | {doc}{provenance} |");
    }
}

fn grain(table: &Table) -> String {
    cell(table.grain)
}

fn key(table: &Table) -> String {
    if table.key.is_empty() {
        return "equal rows are legitimate".to_owned();
    }
    table.key.iter().map(|column| format!("`{column}`")).collect::<Vec<_>>().join(", ")
}

/// Text that can stand in a cell of a Markdown table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
