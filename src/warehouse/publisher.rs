//! Publishes files while others are calculated: only its thread waits for the disk.

use super::writer::{DataFile, SealedFile};
use crate::error::{Error, Result};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

/// A thread that publishes sealed files, one after the other. It ends before its owner does, also if that
/// fails, so that nothing is published behind its back.
pub struct Publisher {
    give: Option<Sender<SealedFile>>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Publisher {
    #[must_use]
    pub fn start() -> Publisher {
        let (give, sealed) = channel::<SealedFile>();
        let publish = move || sealed.iter().try_for_each(|file| file.publish().map(drop));
        Publisher { give: Some(give), thread: Some(std::thread::spawn(publish)) }
    }

    /// Hands over a file. It is on the disk for good once [`finish`](Publisher::finish) has ended well.
    #[must_use]
    pub fn publish(&self, sealed: SealedFile) -> DataFile {
        let file = sealed.file().clone();
        // If the thread is gone, it has failed, which `finish` says.
        if let Some(give) = &self.give {
            let _ = give.send(sealed);
        }
        file
    }

    /// Waits until all files are published.
    ///
    /// # Errors
    /// The first refusal of the disk.
    pub fn finish(mut self) -> Result<()> {
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        drop(self.give.take());
        let ended = self.thread.take().map(JoinHandle::join);
        ended.unwrap_or(Ok(Ok(()))).unwrap_or_else(|_| Err(Error::broken("publishing broke off")))
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        // Whoever drops it without `finish` has failed already, and says so.
        let _ = self.end();
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

    fn sealed(store: &Store, word: &str) -> SealedFile {
        let mut writer = TableWriter::new(store, &WORDS, "", word).expect("a writer");
        let column: ArrayRef = Arc::new(StringArray::from(vec![word]));
        let rows = RecordBatch::try_new(WORDS.arrow(), vec![column]).expect("rows");
        writer.write(&rows).expect("is written");
        writer.seal().expect("is sealed").expect("has rows")
    }

    #[test]
    fn all_files_are_there_once_it_has_ended_and_a_refusal_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().to_str().expect("a path");
        let store = Store::open(path, None).expect("a store");
        let publisher = Publisher::start();
        let files = ["one", "two", "three"].map(|word| publisher.publish(sealed(&store, word)));
        publisher.finish().expect("the disk takes them");
        assert!(files.iter().all(|file| store.path(&file.path).exists()));
        let publisher = Publisher::start();
        let file = publisher.publish(sealed(&store, "four"));
        drop(publisher);
        assert!(store.path(&file.path).exists());
        // Each file is begun, then each is published.
        let store = Store::open(path, Some(Fault::Full(3))).expect("a store");
        let begun = ["five", "six"].map(|word| sealed(&store, word));
        let publisher = Publisher::start();
        let _ = begun.map(|file| publisher.publish(file));
        let published = publisher.finish();
        assert!(published.expect_err("the disk is full").to_string().contains("scratch"));
    }
}
