//! What can be wrong in a format file, found before any export is read.

use super::raw;
use super::{Convert, Decimals, Target};
use crate::error::Result;
use crate::ingest::toml_file::TomlFile;
use crate::schema::{Kind, TRANSACTIONS, Table};
use std::collections::HashSet;

/// Columns of `transactions` that keys outside `[[column]]` feed, and which key.
const NAMED_ELSEWHERE: [(&str, &str); 6] = [
    ("transaction_on", "transaction_on = \"…\""),
    ("base", "base = \"…\""),
    ("billed_partner_id", "billed under [partners]"),
    ("reseller_partner_id", "reseller under [partners]"),
    ("reference_id", "reference under [refund]"),
    ("reference_target", "reference_to under [refund]"),
];

/// Columns that no export feeds: they are derived while a row is staged.
const DERIVED: [&str; 10] = [
    "transaction_id",
    "source",
    "format",
    "data_role",
    "slice_key",
    "row_key",
    "link_key",
    "known_on",
    "delivery_id",
    "source_file",
];

/// Checks the names of columns on both sides.
pub(super) fn check_names(file: &TomlFile, raw: &raw::Format, table: &Table) -> Result<()> {
    let mut names = HashSet::new();
    let mut staged_names = HashSet::new();
    for column in &raw.column {
        let spellings = std::iter::once(column.name.get_ref()).chain(&column.aliases);
        for name in spellings {
            if !names.insert(name.as_str()) {
                let message = format!("expected each column once, found `{name}` again");
                return Err(file.error(Some(column.name.span()), message));
            }
        }
        check_type(file, column)?;
        let Some(staged) = &column.staged else { continue };
        check_staged(file, staged, table)?;
        if !staged_names.insert(staged.get_ref().as_str()) {
            let message =
                format!("expected one column to be `{}`, found another", staged.get_ref());
            return Err(file.error(Some(staged.span()), message));
        }
    }
    if raw.column.is_empty() {
        let message = "expected at least one `[[column]]`, found none";
        return Err(file.error(Some(raw.format.span()), message));
    }
    Ok(())
}

fn check_type(file: &TomlFile, column: &raw::Column) -> Result<()> {
    const TYPES: [&str; 7] = ["text", "decimal", "integer", "date", "period", "currency", "yes_no"];
    match &column.kind {
        Some(kind) if !TYPES.contains(&kind.get_ref().as_str()) => {
            let message = format!("expected a type, found `{}`", kind.get_ref());
            Err(file
                .error(Some(kind.span()), message)
                .hint(format!("types are {}", TYPES.join(", "))))
        }
        _ => Ok(()),
    }
}

fn check_staged(
    file: &TomlFile,
    staged: &crate::ingest::toml_file::Text,
    table: &Table,
) -> Result<()> {
    let name = staged.get_ref().as_str();
    let derived = DERIVED.contains(&name)
        || name == "record"
        || table.name == TRANSACTIONS.name && name == "period";
    if derived {
        let message = format!("expected a column that exports feed, found `{name}`");
        return Err(file
            .error(Some(staged.span()), message)
            .hint(format!("`{name}` is derived while rows are staged; leave `as` out")));
    }
    if table.name == TRANSACTIONS.name
        && let Some((_, key)) = NAMED_ELSEWHERE.iter().find(|(column, _)| *column == name)
    {
        let message = format!("expected `{name}` to be named by its own key, found it in `as`");
        return Err(file.error(Some(staged.span()), message).hint(format!("write `{key}`")));
    }
    if table.columns.iter().all(|column| column.name != name) {
        let known: Vec<&str> = table
            .columns
            .iter()
            .map(|column| column.name)
            .filter(|name| !DERIVED.contains(name) && *name != "record")
            .collect();
        let message = format!("expected a column of `{}` in `as`, found `{name}`", table.name);
        return Err(file
            .error(Some(staged.span()), message)
            .hint(format!("its columns are {}", known.join(", "))));
    }
    Ok(())
}

/// How a column of the export becomes the staged column, or why it can't.
pub(super) fn convert_of(
    file: &TomlFile,
    column: &raw::Column,
    table: &Table,
    staged: usize,
) -> Result<Convert> {
    let target = &table.columns[staged];
    let written = column.kind.as_ref().map_or("text", |kind| kind.get_ref().as_str());
    let scale = match target.kind {
        // Rates and exchange rates are multiplied on, and rows summed: so many digits leave room.
        Kind::Amount if target.name == "base" => Some((12, 25)),
        Kind::Amount => Some((12, 38)),
        Kind::Rate => Some((9, 18)),
        Kind::Money => Some((3, 18)),
        _ => None,
    };
    let decimals = decimals_of(file, column, scale.map_or(0, |(scale, _)| scale))?;
    let convert = match (written, target.kind, scale) {
        ("decimal", _, Some((scale, digits))) => {
            let positive = target.kind == Kind::Rate || target.name == "asked_amount";
            Convert::Decimal { decimals, scale, digits, positive }
        }
        ("integer", _, Some((scale, _))) => Convert::Integer { scale },
        ("integer", Kind::Integer, None) => Convert::Integer { scale: 0 },
        ("date", Kind::Date, _) => Convert::Date { inclusive_end: target.name == "until_on" },
        ("period", Kind::Text, _) => Convert::Period,
        ("currency", Kind::Text, _) => Convert::Currency,
        ("yes_no", Kind::Text, _) => Convert::YesNo,
        ("text", Kind::Text, _) if target.name.ends_with("_partner_id") => Convert::Partner,
        ("text", Kind::Text, _) => Convert::Text,
        _ => {
            let message = format!(
                "expected a type for `{}`, which is {}, found `{written}`",
                target.name,
                target.kind.sql()
            );
            let span = column.kind.as_ref().map_or(column.name.span(), toml::Spanned::span);
            return Err(file.error(Some(span), message));
        }
    };
    if column.decimals.is_some() && !matches!(convert, Convert::Decimal { .. }) {
        let message = format!("expected `decimals` on a decimal column, found it on `{written}`");
        return Err(file.error(column.decimals.as_ref().map(toml::Spanned::span), message));
    }
    Ok(convert)
}

fn decimals_of(file: &TomlFile, column: &raw::Column, scale: u32) -> Result<Decimals> {
    let Some(written) = &column.decimals else { return Ok(Decimals::Fixed(scale)) };
    let number = match written.get_ref() {
        toml::Value::String(text) if text == "currency" => return Ok(Decimals::Currency),
        toml::Value::Integer(number) => u32::try_from(*number).ok(),
        _ => None,
    };
    number.filter(|number| *number <= scale).map(Decimals::Fixed).ok_or_else(|| {
        let message = format!(
            "expected `decimals` from 0 to {scale} or `\"currency\"`, found `{}`",
            written.get_ref()
        );
        file.error(Some(written.span()), message)
    })
}

/// Checks that the staged table gets all it needs.
pub(super) fn check_table(
    file: &TomlFile,
    raw: &raw::Format,
    table: &'static Table,
    targets: &[Target],
) -> Result<()> {
    let whole = Some(raw.format.span());
    if table.name == TRANSACTIONS.name {
        check_transactions(file, raw)?;
    } else if let Some(role) = &raw.data_role {
        let message =
            format!("expected `data_role` for transactions only, found it for `{}`", table.name);
        return Err(file.error(Some(role.span()), message));
    }
    let fed = |staged: usize| targets.iter().any(|target| target.staged == staged);
    for (staged, column) in table.columns.iter().enumerate() {
        let derived = DERIVED.contains(&column.name) || column.name == "record";
        let period = table.name == TRANSACTIONS.name && column.name == "period";
        if !column.nullable && !derived && !period && !fed(staged) {
            let message = format!("expected a column `as = \"{}\"`, found none", column.name);
            return Err(file
                .error(whole, message)
                .hint(format!("every row of `{}` needs it: {}", table.name, column.doc)));
        }
    }
    check_decimals_have_currency(file, raw, targets)?;
    if raw.dates.is_empty()
        && targets.iter().any(|target| matches!(target.convert, Convert::Date { .. }))
    {
        return Err(file
            .error(whole, "expected `dates`, the patterns of date columns, found none")
            .hint("e.g. `dates = [\"%Y-%m-%d\"]`"));
    }
    Ok(())
}

fn check_transactions(file: &TomlFile, raw: &raw::Format) -> Result<()> {
    let whole = Some(raw.format.span());
    match raw.data_role.as_ref().map(|role| role.get_ref().as_str()) {
        Some("billing" | "detail") => {}
        found => {
            let message = format!(
                "expected `data_role` `billing` or `detail`, found {}",
                found.map_or("none".to_owned(), |found| format!("`{found}`"))
            );
            let span = raw.data_role.as_ref().map(toml::Spanned::span).or(whole);
            return Err(file.error(span, message));
        }
    }
    if raw.transaction_on.is_none() {
        let message = "expected `transaction_on`, the column of the transaction date, found none";
        return Err(file.error(whole, message).hint("e.g. `transaction_on = \"ChargeStartDate\"`"));
    }
    if raw.base.is_none() {
        let message = "expected `base`, the column that rates apply to, found none";
        return Err(file.error(whole, message).hint("e.g. `base = \"Subtotal\"`"));
    }
    let roles = raw.partners.as_ref().map(toml::Spanned::get_ref);
    if roles.is_none_or(|roles| roles.billed.is_none() && roles.reseller.is_none()) {
        let message = "expected `[partners]` with `billed` or `reseller`, found neither";
        return Err(file.error(whole, message).hint("e.g. `billed = \"MpnId\"`"));
    }
    Ok(())
}

fn check_decimals_have_currency(
    file: &TomlFile,
    raw: &raw::Format,
    targets: &[Target],
) -> Result<()> {
    let has_currency = targets.iter().any(|target| target.convert == Convert::Currency);
    for target in targets {
        let by_currency =
            matches!(target.convert, Convert::Decimal { decimals: Decimals::Currency, .. });
        if by_currency && !has_currency {
            let column = &raw.column[target.column];
            let message =
                "expected a column of type `currency` beside `decimals = \"currency\"`, found none";
            return Err(file.error(column.decimals.as_ref().map(toml::Spanned::span), message));
        }
    }
    Ok(())
}
