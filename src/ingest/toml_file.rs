//! Reading configuration. In: a TOML file. Out: its typed image, or an error that names file, line,
//! what was expected and what was found.

use crate::error::{Error, Result};
use serde::de::DeserializeOwned;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// A text in a configuration file that knows where it stands.
pub(crate) type Text = Spanned<String>;

/// A configuration file as read, kept for the lines of messages.
pub(crate) struct TomlFile {
    pub(crate) path: PathBuf,
    text: String,
}

impl TomlFile {
    /// Reads the file.
    ///
    /// # Errors
    /// If there is none, or it is not UTF-8.
    pub(crate) fn read(path: &Path) -> Result<TomlFile> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Error::usage(format!("{}: expected a TOML file, found none ({error})", path.display()))
                .hint("check the path; the pipeline file is given with `--pipeline FILE`")
        })?;
        Ok(TomlFile { path: path.to_owned(), text })
    }

    /// The typed image. Unknown keys are errors.
    ///
    /// # Errors
    /// If the text is no TOML or not of that shape.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        toml::from_str(&self.text).map_err(|error| {
            self.error(error.span(), error.message().replace('\n', " "))
                .hint("every key is described in `pipelines/sources/README.md`")
        })
    }

    /// An error about the text at `span`; `None` is the whole file.
    pub(crate) fn error(&self, span: Option<Range<usize>>, message: impl AsRef<str>) -> Error {
        let place = self.path.display();
        let Some(span) = span else {
            return Error::usage(format!("{place}: {}", message.as_ref()));
        };
        let start = span.start.min(self.text.len());
        let line = self.text.as_bytes()[..start].iter().filter(|&&byte| byte == b'\n').count() + 1;
        Error::usage(format!("{place}:{line}: {}", message.as_ref()))
    }

    /// The folder that relative paths in the file start from.
    pub(crate) fn folder(&self) -> PathBuf {
        match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        }
    }
}
