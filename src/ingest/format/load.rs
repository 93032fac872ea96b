//! From a format file as written to the checked [`Format`].

use super::check::{check_names, check_table, convert_of};
use super::plausible::plausible_of;
use super::raw;
use super::{Encoding, Format, FormatColumn, Identity, Target};
use crate::error::Result;
use crate::ingest::date::DatePatterns;
use crate::ingest::number::Marks;
use crate::ingest::toml_file::{Text, TomlFile};
use crate::schema::{self, Table};
use std::path::Path;

impl Format {
    /// Reads and checks a format file.
    ///
    /// # Errors
    /// With file, line, what was expected, what was found.
    pub fn load(path: &Path) -> Result<Format> {
        let file = TomlFile::read(path)?;
        let raw: raw::Format = file.parse()?;
        let table = table_of(&file, &raw.table)?;
        check_names(&file, &raw, table)?;
        let mut columns: Vec<FormatColumn> = raw.column.iter().map(column_of).collect();
        let named = Named { file: &file, raw: &raw };
        let identity = identity_of(&named)?;
        let line_id = named.optional(raw.line_id.as_ref())?;
        let link = match &raw.refund {
            Some(refund) => named.all(&refund.matching)?,
            None => Vec::new(),
        };
        let targets = targets_of(&named, table)?;
        require(&mut columns, &identity, line_id, &targets, table);
        check_table(&file, &raw, table, &targets)?;
        Ok(Format {
            name: raw.format.get_ref().clone(),
            title: raw.title.clone(),
            document: raw.document.clone(),
            table,
            data_role: raw.data_role.as_ref().map(|role| role.get_ref().clone()),
            delimiter: mark(&file, raw.delimiter.as_ref(), b',')?.unwrap_or(b','),
            encoding: encoding_of(&file, raw.encoding.as_ref())?,
            marks: marks_of(&file, &raw)?,
            dates: dates_of(&file, &raw.dates)?,
            identity,
            file_name: file_name_of(&file, raw.file_name.as_ref())?,
            columns,
            targets,
            line_id,
            absent: raw
                .partners
                .iter()
                .flat_map(|partners| partners.get_ref().absent.iter().cloned())
                .collect(),
            link,
            plausible: plausible_of(&named)?,
        })
    }
}

/// Columns of the export, found by the name that the file uses.
pub(super) struct Named<'a> {
    pub(super) file: &'a TomlFile,
    pub(super) raw: &'a raw::Format,
}

impl Named<'_> {
    /// The position of a column that the file names.
    pub(super) fn position(&self, name: &Text) -> Result<usize> {
        self.raw
            .column
            .iter()
            .position(|column| column.name.get_ref() == name.get_ref())
            .ok_or_else(|| {
                let message = format!(
                    "expected a column that a `[[column]]` declares, found `{}`",
                    name.get_ref()
                );
                self.file.error(Some(name.span()), message).hint("declare it, spelled the same")
            })
    }

    pub(super) fn all(&self, names: &[Text]) -> Result<Vec<usize>> {
        names.iter().map(|name| self.position(name)).collect()
    }

    pub(super) fn optional(&self, name: Option<&Text>) -> Result<Option<usize>> {
        name.map(|name| self.position(name)).transpose()
    }

    /// Adds the target of a staged column that a key outside `[[column]]` names.
    fn add(
        &self,
        targets: &mut Vec<Target>,
        table: &Table,
        staged: &str,
        name: Option<&Text>,
    ) -> Result<()> {
        let Some(name) = name else { return Ok(()) };
        let column = self.position(name)?;
        let staged = table.position(staged);
        let convert = convert_of(self.file, &self.raw.column[column], table, staged)?;
        targets.push(Target { staged, column, convert });
        Ok(())
    }
}

fn table_of(file: &TomlFile, name: &Text) -> Result<&'static Table> {
    let staged = |table: &&'static Table| {
        table.columns.iter().any(|column| column.name == "source_file")
            && table.columns.iter().any(|column| column.name == "delivery_id")
            && table.name != schema::REJECTS.name
            && table.name != schema::RUN_INPUTS.name
    };
    schema::table(name.get_ref()).filter(staged).ok_or_else(|| {
        let names: Vec<&str> =
            schema::TABLES.iter().filter(|table| staged(table)).map(|table| table.name).collect();
        file.error(
            Some(name.span()),
            format!("expected a staged table, found `{}`", name.get_ref()),
        )
        .hint(format!("the staged tables are {}", names.join(", ")))
    })
}

fn column_of(raw: &raw::Column) -> FormatColumn {
    FormatColumn {
        name: raw.name.get_ref().clone(),
        aliases: raw.aliases.clone(),
        required: raw.required,
        filled: raw.filled,
        allowed: raw.allowed.clone(),
    }
}

fn identity_of(named: &Named) -> Result<Identity> {
    match (&named.raw.key, &named.raw.replace_by) {
        (Some(key), None) if !key.get_ref().is_empty() => {
            Ok(Identity::Key(named.all(key.get_ref())?))
        }
        (Some(key), None) => {
            let message = "expected at least one column in `key`, found none";
            Err(named.file.error(Some(key.span()), message))
        }
        (None, Some(slice)) => Ok(Identity::ReplaceBy(named.all(slice.get_ref())?)),
        (Some(_), Some(slice)) => {
            let message = "expected either `key` or `replace_by`, found both";
            Err(named.file.error(Some(slice.span()), message).hint(
                "`key` if rows have an id of their own, `replace_by` if a delivery replaces whole slices",
            ))
        }
        (None, None) => {
            let message = "expected `key` or `replace_by`, found neither";
            Err(named
                .file
                .error(Some(named.raw.format.span()), message)
                .hint("`replace_by = []` if every delivery holds the whole export"))
        }
    }
}

fn targets_of(named: &Named, table: &'static Table) -> Result<Vec<Target>> {
    let raw = named.raw;
    let mut targets = Vec::new();
    for (column, declared) in raw.column.iter().enumerate() {
        let Some(staged) = &declared.staged else { continue };
        let staged = table.position(staged.get_ref());
        let convert = convert_of(named.file, declared, table, staged)?;
        targets.push(Target { staged, column, convert });
    }
    if table.name == schema::TRANSACTIONS.name {
        named.add(&mut targets, table, "transaction_on", raw.transaction_on.as_ref())?;
        named.add(&mut targets, table, "base", raw.base.as_ref())?;
        if let Some(partners) = &raw.partners {
            let partners = partners.get_ref();
            named.add(&mut targets, table, "billed_partner_id", partners.billed.as_ref())?;
            named.add(&mut targets, table, "reseller_partner_id", partners.reseller.as_ref())?;
        }
        if let Some(refund) = &raw.refund {
            named.add(&mut targets, table, "reference_id", refund.reference.as_ref())?;
            named.add(&mut targets, table, "reference_target", refund.reference_to.as_ref())?;
            named.all(&refund.within)?;
        }
    }
    // The currency comes first: amounts may have as many decimals as it has.
    targets.sort_by_key(|target| {
        (target.convert != super::Convert::Currency, target.column, target.staged)
    });
    Ok(targets)
}

/// What identifies a row, and what the staged table can't do without, must be there and filled.
fn require(
    columns: &mut [FormatColumn],
    identity: &Identity,
    line_id: Option<usize>,
    targets: &[Target],
    table: &Table,
) {
    let (Identity::Key(identifying) | Identity::ReplaceBy(identifying)) = identity;
    let needed = targets
        .iter()
        .filter(|target| !table.columns[target.staged].nullable)
        .filter(|target| target.convert != super::Convert::YesNo)
        .map(|target| target.column);
    for column in identifying.iter().copied().chain(line_id).chain(needed) {
        columns[column].required = true;
        columns[column].filled = true;
    }
}

/// A mark of one ASCII character; `None` for the empty text.
fn mark(file: &TomlFile, text: Option<&Text>, default: u8) -> Result<Option<u8>> {
    let Some(text) = text else { return Ok(Some(default)) };
    match text.get_ref().as_bytes() {
        [] => Ok(None),
        [byte] if byte.is_ascii() && !byte.is_ascii_alphanumeric() && !b"\"\r\n".contains(byte) => {
            Ok(Some(*byte))
        }
        _ => {
            let found = text.get_ref();
            Err(file.error(
                Some(text.span()),
                format!("expected one ASCII character that is no letter or digit, found `{found}`"),
            ))
        }
    }
}

/// One character, e.g. the no-break space that French exports have; `None` for the empty text.
fn thousands(file: &TomlFile, text: &Text) -> Result<Option<char>> {
    let mut marks = text.get_ref().chars();
    match (marks.next(), marks.next()) {
        (None, _) => Ok(None),
        (Some(mark), None) if !mark.is_alphanumeric() && !"+-\"\r\n".contains(mark) => {
            Ok(Some(mark))
        }
        _ => {
            let found = text.get_ref();
            let message =
                format!("expected one character that is no letter, digit or sign, found `{found}`");
            Err(file.error(Some(text.span()), message))
        }
    }
}

fn marks_of(file: &TomlFile, raw: &raw::Format) -> Result<Marks> {
    let decimal = mark(file, raw.decimal_mark.as_ref(), b'.')?.unwrap_or(b'.');
    let thousands = match &raw.thousands_mark {
        Some(text) => thousands(file, text)?,
        None => None,
    };
    if let Some(text) = &raw.thousands_mark
        && thousands == Some(char::from(decimal))
    {
        let message = format!(
            "expected a `thousands_mark` other than `decimal_mark`, found `{}` for both",
            text.get_ref()
        );
        return Err(file.error(Some(text.span()), message));
    }
    Ok(Marks { decimal, thousands })
}

fn encoding_of(file: &TomlFile, text: Option<&Text>) -> Result<Encoding> {
    match text.map_or("utf-8", |text| text.get_ref().as_str()) {
        "utf-8" => Ok(Encoding::Utf8),
        "utf-16" => Ok(Encoding::Utf16),
        "windows-1252" => Ok(Encoding::Windows1252),
        found => Err(file.error(
            text.map(Text::span),
            format!("expected `utf-8`, `utf-16` or `windows-1252`, found `{found}`"),
        )),
    }
}

fn dates_of(file: &TomlFile, patterns: &[Text]) -> Result<DatePatterns> {
    let mut dates = DatePatterns::default();
    for pattern in patterns {
        dates
            .add(pattern.get_ref())
            .map_err(|message| file.error(Some(pattern.span()), message))?;
    }
    Ok(dates)
}

fn file_name_of(file: &TomlFile, text: Option<&Text>) -> Result<Option<regex::Regex>> {
    let Some(text) = text else { return Ok(None) };
    let pattern = regex::Regex::new(text.get_ref()).map_err(|error| {
        let message = error.to_string();
        let last = message.lines().last().unwrap_or_default().trim_start_matches("error: ");
        file.error(
            Some(text.span()),
            format!("expected a regular expression, found `{}` ({last})", text.get_ref()),
        )
    })?;
    let names: Vec<&str> = pattern.capture_names().flatten().collect();
    if let Some(other) =
        names.iter().find(|name| !["delivery", "known_on", "sequence"].contains(name))
    {
        let message =
            format!("expected the groups `delivery`, `known_on`, `sequence`, found `{other}`");
        return Err(file.error(Some(text.span()), message));
    }
    if !names.contains(&"known_on") {
        let message = "expected a group `(?<known_on>…)` in the pattern, found none";
        return Err(file
            .error(Some(text.span()), message)
            .hint("leave `file_name` out if every delivery comes with a manifest"));
    }
    Ok(Some(pattern))
}
