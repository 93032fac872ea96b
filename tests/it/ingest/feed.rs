//! A small source in a folder of its own: write files, ingest, look at the tables.

use crate::support::{day, project, rows};
use earnest::ingest::{Ingested, Request, in_force, ingest, read_table};
use earnest::job::Job;
use earnest::schema;
use earnest::warehouse::{DataFile, Snapshot, Store};
use earnest::{Error, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A folder with exports, a job over them, and a warehouse.
pub struct Feed {
    folder: tempfile::TempDir,
    sources: String,
    pub store: Store,
    pub snapshot: Option<Snapshot>,
    runs: u64,
}

/// The header of a small generic transaction export.
pub const LINES: &str = "LineId,OriginalLineId,TransactionDate,BilledPartnerId,ResellerPartnerId,\
CustomerId,ProductId,Quantity,ChargeStartDate,ChargeEndDate,Amount,Currency";

/// The header of a small invoice reconciliation file.
pub const INVOICE: &str = "InvoiceNumber,CustomerId,MpnId,ResellerMpnId,OrderId,SubscriptionId,\
ProductId,SkuId,ChargeStartDate,ChargeEndDate,Quantity,Subtotal,Currency";

/// A line of an invoice.
pub fn invoice_line(invoice: &str, amount: &str) -> String {
    format!("{invoice},C1,0100001,,O1,S1,AZ,0001,2021-01-05T00:00:00Z,,1,{amount},USD")
}

/// A line of a generic export.
pub fn line(id: &str, amount: &str) -> String {
    format!("{id},,2021-01-12,0100001,,C1,AZ,1,,,{amount},USD")
}

/// A file: header and lines.
pub fn file(header: &str, lines: &[String]) -> String {
    format!("{header}\n{}\n", lines.join("\n"))
}

impl Feed {
    pub fn new() -> Feed {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("in")).expect("a folder");
        std::fs::write(folder.path().join("program.toml"), "").expect("written");
        let warehouse = folder.path().join("warehouse");
        let store = Store::open(&warehouse.to_string_lossy(), None).expect("a warehouse");
        Feed { folder, sources: String::new(), store, snapshot: None, runs: 0 }
    }

    /// Invoices `in/invoice*` of source `nce`.
    pub fn invoices() -> Feed {
        Feed::new().source("nce", "nce-invoice-reconciliation", "in/*invoice*", "")
    }

    /// Lines `in/lines*` of source `lines`.
    pub fn lines() -> Feed {
        Feed::new().source("lines", "transactions", "in/*lines*", "")
    }

    pub fn source(mut self, name: &str, format: &str, path: &str, more: &str) -> Feed {
        self.sources += &format!(
            "[sources.{name}]\nformat = \"{format}\"\npath = \"{path}\"\nrequired = true\n{more}\n"
        );
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("in").join(name)
    }

    pub fn put(&self, name: &str, bytes: impl AsRef<[u8]>) -> &Feed {
        std::fs::write(self.path(name), bytes).expect("written");
        self
    }

    pub fn remove(&self, name: &str) {
        std::fs::remove_file(self.path(name)).expect("removed");
    }

    /// The job over the shipped formats.
    pub fn job(&self) -> Result<Job> {
        self.job_with(&project().join("pipelines/sources"), "")
    }

    pub fn job_with(&self, formats: &Path, before: &str) -> Result<Job> {
        let job = self.folder.path().join("job.toml");
        let text = format!(
            "warehouse = \"warehouse\"\nprograms = \"program.toml\"\nformats = \"{}\"\nreports = \"reports\"\n{before}\n{}",
            formats.display(),
            self.sources
        );
        std::fs::write(&job, text).expect("written");
        Job::load(&job)
    }

    /// Ingests as of a day, and adds what came to the snapshot.
    pub fn run(&mut self, as_of: &str) -> Result<Ingested> {
        let job = self.job()?;
        self.run_job(&job, as_of)
    }

    pub fn run_job(&mut self, job: &Job, as_of: &str) -> Result<Ingested> {
        self.runs += 1;
        let run_id = format!("run-{}", self.runs);
        let ingested = ingest(&Request {
            job,
            store: &self.store,
            previous: self.snapshot.as_ref(),
            as_of: day(as_of),
            run_id: &run_id,
        })?;
        let mut snapshot = self.snapshot.clone().unwrap_or_else(|| Snapshot {
            format: 1,
            snapshot: 0,
            run_id: run_id.clone(),
            as_of: as_of.to_owned(),
            earnest_version: String::new(),
            tables: BTreeMap::new(),
        });
        as_of.clone_into(&mut snapshot.as_of);
        for table in schema::TABLES {
            let mut files: Vec<DataFile> = snapshot.files(table.name).to_vec();
            files.extend(ingested.files.get(table.name).cloned().unwrap_or_default());
            snapshot.set(table, files);
        }
        self.snapshot = Some(snapshot);
        assert_eq!(
            ingested.read,
            ingested.staged + ingested.rejected + ingested.duplicate,
            "records read are staged, rejected or duplicate"
        );
        Ok(ingested)
    }

    /// Runs as of the end of 2021, or fails the test.
    pub fn must(&mut self) -> Ingested {
        self.run("2021-12-31").unwrap_or_else(|error| panic!("{error}"))
    }

    /// The message of a run that must fail, with the folder as `…`.
    pub fn fails(&mut self) -> (earnest::ErrorKind, String) {
        let error = match self.run("2021-12-31") {
            Ok(ingested) => panic!("expected an error, found {ingested:?}"),
            Err(error) => error,
        };
        (error.kind, self.plain(&error))
    }

    pub fn plain(&self, error: &Error) -> String {
        error.to_string().replace(&*self.folder.path().to_string_lossy(), "…")
    }

    /// Rows of a query over the snapshot, fields joined by `|`.
    pub fn query(&self, sql: &str) -> Vec<String> {
        let snapshot = self.snapshot.as_ref().expect("a run");
        let sql = format!("select columns(*)::varchar from ({sql})");
        rows(&self.store, snapshot, &sql).iter().map(|row| row.join("|")).collect()
    }

    /// Base of every transaction in force as of a day, sorted.
    pub fn in_force(&self, as_of: &str) -> Vec<String> {
        let snapshot = self.snapshot.as_ref().expect("a run");
        let table = &schema::TRANSACTIONS;
        let batch = read_table(&self.store, snapshot, table, day(as_of)).expect("the table");
        let files = in_force(&self.store, snapshot, table.name, day(as_of)).expect("files");
        let counting: u64 =
            files.iter().filter(|file| !file.all_excluded).map(|file| file.file.rows).sum();
        assert!(batch.num_rows() as u64 <= counting, "no row comes out of nowhere");
        let base = earnest::columns::decimal(&batch, "base").expect("a column");
        let mut bases: Vec<i128> = (0..batch.num_rows()).map(|row| base.value(row)).collect();
        bases.sort_unstable();
        let text = |base: &i128| {
            earnest_core::decimal::format(*base, earnest_core::decimal::AMOUNT_SCALE, 0)
        };
        bases.iter().map(text).collect()
    }

    /// The digest of a table.
    pub fn digest(&self, table: &str) -> String {
        self.snapshot.as_ref().expect("a run").tables[table].digest.clone()
    }
}
