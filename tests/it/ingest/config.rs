//! Jobs and formats that can't be right, found on load with file and line.

use super::feed::Feed;
use crate::support::project;
use earnest::job::Job;
use earnest::{Error, ErrorKind};

/// The message on loading the shipped invoice format with some text replaced.
fn format_error(format: &str, from: &str, to: &str) -> String {
    let shipped = project().join("pipelines/sources").join(format!("{format}.toml"));
    let text = std::fs::read_to_string(shipped).expect("the format");
    assert!(text.contains(from), "`{from}` is not in the format");
    let formats = tempfile::tempdir().expect("a folder");
    let file = formats.path().join("x.toml");
    std::fs::write(&file, text.replacen(from, to, 1)).expect("written");
    let feed = Feed::new().source("x", format, "in/*.csv", "");
    let error = error_of(feed.job_with(formats.path(), ""));
    assert_eq!(error.kind, ErrorKind::Usage, "{error}");
    let place = formats.path().to_string_lossy().into_owned();
    error.to_string().replace(&place, "…")
}

fn error_of(job: Result<Job, Error>) -> Error {
    match job {
        Ok(_) => panic!("expected an error"),
        Err(error) => error,
    }
}

fn first_line(message: &str) -> &str {
    message.lines().next().unwrap_or_default()
}

const NCE: &str = "nce-invoice-reconciliation";

/// Format, text, its replacement, the message without its place.
const CASES: &[(&str, &str, &str, &str)] = &[
    (
        NCE,
        "delimiter = \",\"",
        "delimiter = \",,\"",
        "expected one ASCII character that is no letter or digit, found `,,`",
    ),
    (
        NCE,
        "encoding = \"utf-8\"",
        "encoding = \"latin1\"",
        "expected `utf-8`, `utf-16` or `windows-1252`, found `latin1`",
    ),
    (
        NCE,
        "thousands_mark = \"\"",
        "thousands_mark = \".\"",
        "expected a `thousands_mark` other than `decimal_mark`, found `.` for both",
    ),
    (
        NCE,
        "\"%m/%d/%Y\",",
        "\"%m/%y\",",
        "expected a pattern of `%Y %m %b %d %H %I %M %S %.f %p %F %T`, found `%m/%y`",
    ),
    (
        NCE,
        "\"%m/%d/%Y\",",
        "\"%m/%Y\",",
        "expected a pattern with year, month and day, found `%m/%Y`",
    ),
    (
        NCE,
        "table = \"transactions\"",
        "table = \"earnings\"",
        "expected a staged table, found `earnings`",
    ),
    (
        NCE,
        "data_role = \"billing\"",
        "data_role = \"both\"",
        "expected `data_role` `billing` or `detail`, found `both`",
    ),
    (NCE, "data_role = \"billing\"", "", "expected `data_role` `billing` or `detail`, found none"),
    (
        NCE,
        "replace_by = [\"InvoiceNumber\"]",
        "replace_by = [\"Invoice\"]",
        "expected a column that a `[[column]]` declares, found `Invoice`",
    ),
    (NCE, "replace_by = [\"InvoiceNumber\"]", "", "expected `key` or `replace_by`, found neither"),
    (
        NCE,
        "replace_by = [\"InvoiceNumber\"]",
        "key = [\"OrderId\"]\nreplace_by = []",
        "expected either `key` or `replace_by`, found both",
    ),
    (
        NCE,
        "replace_by = [\"InvoiceNumber\"]",
        "key = []",
        "expected at least one column in `key`, found none",
    ),
    (
        NCE,
        "transaction_on = \"ChargeStartDate\"",
        "",
        "expected `transaction_on`, the column of the transaction date, found none",
    ),
    (
        NCE,
        "transaction_on = \"ChargeStartDate\"",
        "transaction_on = \"OrderId\"",
        "expected a type for `transaction_on`, which is DATE, found `text`",
    ),
    (NCE, "base = \"Subtotal\"", "", "expected `base`, the column that rates apply to, found none"),
    (
        NCE,
        "base = \"Subtotal\"",
        "base = \"OrderId\"",
        "expected a type for `base`, which is DECIMAL(38,12), found `text`",
    ),
    (
        NCE,
        "billed = \"MpnId\"\nreseller = \"ResellerMpnId\"",
        "",
        "expected `[partners]` with `billed` or `reseller`, found neither",
    ),
    (
        NCE,
        "within = [\"ChargeStartDate\"",
        "within = [\"Start\"",
        "expected a column that a `[[column]]` declares, found `Start`",
    ),
    (
        NCE,
        "as = \"customer_id\"",
        "as = \"customer\"",
        "expected a column of `transactions` in `as`, found `customer`",
    ),
    (
        NCE,
        "as = \"customer_id\"",
        "as = \"known_on\"",
        "expected a column that exports feed, found `known_on`",
    ),
    (
        NCE,
        "as = \"customer_id\"",
        "as = \"base\"",
        "expected `base` to be named by its own key, found it in `as`",
    ),
    (
        NCE,
        "as = \"customer_id\"",
        "as = \"order_id\"",
        "expected one column to be `order_id`, found another",
    ),
    (
        NCE,
        "name = \"CustomerId\"",
        "name = \"PartnerId\"",
        "expected each column once, found `PartnerId` again",
    ),
    (NCE, "type = \"integer\"", "type = \"number\"", "expected a type, found `number`"),
    (
        NCE,
        "type = \"currency\"",
        "type = \"decimal\"",
        "expected a type for `transaction_currency`, which is VARCHAR, found `decimal`",
    ),
    (
        NCE,
        "decimals = \"currency\"",
        "decimals = 13",
        "expected `decimals` from 0 to 12 or `\"currency\"`, found `13`",
    ),
    (
        NCE,
        "type = \"integer\"",
        "type = \"integer\"\ndecimals = 2",
        "expected `decimals` on a decimal column, found it on `integer`",
    ),
    (
        NCE,
        "as = \"transaction_currency\"",
        "",
        "expected a column `as = \"transaction_currency\"`, found none",
    ),
    (
        NCE,
        "(?<delivery>",
        "(?<name>",
        "expected the groups `delivery`, `known_on`, `sequence`, found `name`",
    ),
    (NCE, "(?<known_on>", "(?:", "expected a group `(?<known_on>…)` in the pattern, found none"),
    (NCE, "title =", "titel =", "unknown field `titel`, expected one of"),
    (
        "memberships",
        "table = \"memberships\"",
        "table = \"memberships\"\ndata_role = \"billing\"",
        "expected `data_role` for transactions only, found it for `memberships`",
    ),
    (
        "memberships",
        "dates = [\"%Y-%m-%d\"]",
        "",
        "expected `dates`, the patterns of date columns, found none",
    ),
    ("memberships", "as = \"status\"", "", "expected a column `as = \"status\"`, found none"),
];

#[test]
fn wrong_formats_are_found_on_load() {
    for (format, from, to, expected) in CASES {
        let message = format_error(format, from, to);
        let (place, said) = first_line(&message).split_once(": ").expect("a place");
        assert!(said.starts_with(expected), "expected {expected}\nfound    {said}");
        let (file, line) = place.rsplit_once(':').expect("a line");
        assert_eq!(file, "…/x.toml", "{message}");
        assert!(line.parse::<usize>().is_ok_and(|line| line > 0), "{message}");
    }
    let message = format_error(NCE, "(?<delivery>", "((?<delivery>");
    assert!(
        first_line(&message).contains("expected a regular expression, found `^(("),
        "{message}"
    );
}

/// Text of the job, its replacement, the message without its place.
const JOBS: &[(&str, &str, &str)] = &[
    ("warehouse =", "warehouses =", "unknown field `warehouses`"),
    (
        "programs = \"programs/csp-*.toml\"",
        "programs = \"no/*.toml\"",
        "expected program files, found none at `no/*.toml`",
    ),
    (
        "formats = \"sources\"",
        "formats = \"no\"",
        "expected format files, found none in the folder `no`",
    ),
    (
        "memory = \"4GiB\"",
        "memory = \"4GB\"",
        "expected a size such as `4GiB` or `512MiB`, found `4GB`",
    ),
    ("[sources.nce]", "[sources.NCE]", "expected a source name of `a-z 0-9 - _`, found `NCE`"),
    (
        "format = \"users\"",
        "format = \"user\"",
        "expected a format of the formats folder, found `user`",
    ),
    ("drift = \"warn\"", "drift = \"ignore\"", "expected `drift` `warn` or `fail`, found `ignore`"),
    (
        "reject_fail = \"0.25\"",
        "reject_fail = \"5\"",
        "expected a share from `0` to `1`, found `5`",
    ),
    ("reject_fail = \"0.25\"", "reject_fail = 0.05", "invalid type: floating point"),
    (
        "path = \"../sample-data/nce/*.csv\"",
        "path = \"s3://bucket/nce/*.csv\"",
        "expected a local path, found the URL `s3://bucket/nce/*.csv`",
    ),
    (
        "required = true\ndrift",
        "required = true\ncontrol = { \"a.csv\" = { sums = { USD = \"1,0\" } } }\ndrift",
        "expected a decimal number, found `1,0`",
    ),
];

#[test]
fn wrong_jobs_are_found_on_load() {
    let pipelines = project().join("pipelines");
    let shipped = std::fs::read_to_string(pipelines.join("daily.toml")).expect("the job");
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["programs", "sources", "reports"] {
        std::os::unix::fs::symlink(pipelines.join(name), folder.path().join(name)).expect("a link");
    }
    let path = folder.path().join("daily.toml");
    for (from, to, expected) in JOBS {
        assert!(shipped.contains(from), "`{from}` is not in the job");
        std::fs::write(&path, shipped.replacen(from, to, 1)).expect("written");
        let error = error_of(Job::load(&path));
        assert_eq!(error.kind, ErrorKind::Usage, "{error}");
        let message = error.to_string();
        let said = first_line(&message).strip_prefix(&format!("{}:", path.display()));
        let (line, said) = said.and_then(|said| said.split_once(": ")).expect("file and line");
        assert!(line.parse::<usize>().is_ok(), "{message}");
        assert!(said.starts_with(expected), "expected {expected}\nfound    {said}");
    }
    let missing = error_of(Job::load(&folder.path().join("no.toml")));
    assert_eq!(missing.kind, ErrorKind::Usage);
    std::fs::write(&path, &shipped).expect("written");
    let job = Job::load(&path).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(job.limits.memory_bytes, 4 << 30);
    assert!(job.limits.threads > 0);
    assert_eq!(job.sources.len(), 15);
    assert_eq!(job.programs.len(), 3);
}

/// Every column of every shipped format is named in the guide to formats, and the shipped formats
/// have the published columns in the published order.
#[test]
fn shipped_formats_are_documented() {
    let sources = project().join("pipelines/sources");
    let guide = std::fs::read_to_string(sources.join("README.md")).expect("the guide");
    let job = Job::load(&project().join("pipelines/daily.toml")).expect("the job");
    for format in job.formats.values() {
        assert!(
            guide.contains(&format!("`{}`", format.name)),
            "`{}` is not in the guide",
            format.name
        );
        let own = format.document.starts_with("This project");
        for column in format.columns.iter().filter(|_| own) {
            let named = guide.contains(&format!("| `{}` |", column.name));
            assert!(named, "`{}`: column `{}` is not in the guide", format.name, column.name);
        }
    }
    let columns = |name: &str| job.formats[name].columns.len();
    assert_eq!(columns(NCE), 46);
    assert_eq!(columns("license-based-reconciliation"), 28);
    assert_eq!(columns("usage-based-reconciliation"), 42);
    assert_eq!(columns("daily-rated-usage"), 55);
}
