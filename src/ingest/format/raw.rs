//! A format file as written.

use crate::ingest::toml_file::Text;
use serde::Deserialize;
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Format {
    pub format: Text,
    pub title: String,
    pub document: String,
    pub table: Text,
    pub data_role: Option<Text>,
    pub delimiter: Option<Text>,
    pub encoding: Option<Text>,
    pub decimal_mark: Option<Text>,
    pub thousands_mark: Option<Text>,
    #[serde(default)]
    pub dates: Vec<Text>,
    pub key: Option<Spanned<Vec<Text>>>,
    pub replace_by: Option<Spanned<Vec<Text>>>,
    pub file_name: Option<Text>,
    pub transaction_on: Option<Text>,
    pub base: Option<Text>,
    pub line_id: Option<Text>,
    pub partners: Option<Spanned<Partners>>,
    pub refund: Option<Refund>,
    #[serde(default)]
    pub plausible: Vec<Plausible>,
    #[serde(default)]
    pub column: Vec<Column>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plausible {
    pub column: Text,
    #[serde(default)]
    pub sum: Vec<Text>,
    #[serde(default)]
    pub less: Vec<Text>,
    #[serde(default)]
    pub not_negative: bool,
    #[serde(default)]
    pub any_of: Vec<Text>,
    pub price: Option<Text>,
    pub credit: Option<Text>,
    pub quantity: Option<Text>,
    pub exchange_rate: Option<Text>,
    pub quotient: Option<Text>,
    pub divisor: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Partners {
    pub billed: Option<Text>,
    pub reseller: Option<Text>,
    #[serde(default)]
    pub absent: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Refund {
    pub reference: Option<Text>,
    pub reference_to: Option<Text>,
    #[serde(rename = "match", default)]
    pub matching: Vec<Text>,
    #[serde(default)]
    pub within: Vec<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Column {
    pub name: Text,
    #[serde(rename = "as")]
    pub staged: Option<Text>,
    #[serde(rename = "type")]
    pub kind: Option<Text>,
    #[serde(default)]
    pub aliases: Vec<String>,
    #[serde(default)]
    pub required: bool,
    #[serde(default)]
    pub filled: bool,
    pub decimals: Option<Spanned<toml::Value>>,
    #[serde(default)]
    pub allowed: Vec<String>,
}
