//! Publishes files while others are calculated: only its thread waits for the disk.

use super::writer::{DataFile, SealedFile};
use crate::error::{Error, Result};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

/// A thread that publishes sealed files, one after the other.
pub struct Publisher {
    give: Sender<SealedFile>,
    thread: JoinHandle<Result<()>>,
}

impl Publisher {
    #[must_use]
    pub fn start() -> Publisher {
        let (give, sealed) = channel::<SealedFile>();
        let publish = move || sealed.iter().try_for_each(|file| file.publish().map(drop));
        Publisher { give, thread: std::thread::spawn(publish) }
    }

    /// Hands over a file. It is on the disk for good once [`finish`](Publisher::finish) has ended well.
    #[must_use]
    pub fn publish(&self, sealed: SealedFile) -> DataFile {
        let file = sealed.file().clone();
        // If the thread is gone, it has failed, which `finish` says.
        let _ = self.give.send(sealed);
        file
    }

    /// Waits until all files are published.
    ///
    /// # Errors
    /// The first refusal of the disk.
    pub fn finish(self) -> Result<()> {
        drop(self.give);
        self.thread.join().unwrap_or_else(|_| Err(Error::broken("the publishing thread broke")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Column, Kind, Table};
    use crate::warehouse::{Fault, Store, TableWriter};
    use arrow::array::{ArrayRef, RecordBatch, StringArray};
    use std::sync::Arc;

    const WORDS: Table = Table {
        name: "words",
        version: 1,
        description: "Words",
        grain: "one row per word",
        key: &["word"],
        partition: "",
        columns: &[Column {
            name: "word",
            kind: Kind::Text,
            nullable: false,
            content: true,
            doc: "A word",
        }],
    };

    fn publish(store: &Store, words: [&str; 3]) -> (Vec<DataFile>, Result<()>) {
        let sealed = |word: &str| {
            let mut writer = TableWriter::new(store, &WORDS, "", word).expect("a writer");
            let column: ArrayRef = Arc::new(StringArray::from(vec![word]));
            let rows = RecordBatch::try_new(WORDS.arrow(), vec![column]).expect("rows");
            writer.write(&rows).expect("is written");
            writer.seal().expect("is sealed").expect("has rows")
        };
        let sealed = words.map(sealed);
        let publisher = Publisher::start();
        (sealed.map(|file| publisher.publish(file)).to_vec(), publisher.finish())
    }

    #[test]
    fn all_files_are_there_once_it_has_finished_and_a_refusal_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().to_str().expect("a path");
        let store = Store::open(path, None).expect("a store");
        let (files, published) = publish(&store, ["one", "two", "three"]);
        published.expect("the disk takes them");
        assert!(files.iter().all(|file| store.path(&file.path).exists()));
        // Each file is begun, then each is published.
        let store = Store::open(path, Some(Fault::Full(4))).expect("a store");
        let (_, published) = publish(&store, ["four", "five", "six"]);
        assert!(published.expect_err("the disk is full").to_string().contains("scratch"));
    }
}
