//! A file's bytes as UTF-8. In: a plain, `.gz` or `.zst` file in one of the encodings. Out: a stream of
//! UTF-8 without byte order mark, in which what the encoding doesn't have is the byte `0xFF`, which
//! UTF-8 never has, so that only the records concerned are rejected.

use super::format::Encoding;
use crate::error::{Error, Result};
use encoding_rs::{Decoder, DecoderResult, UTF_16BE, UTF_16LE, WINDOWS_1252};
use std::fs::File;
use std::io::{BufReader, Cursor, Read};
use std::path::Path;

/// Stands for bytes that the encoding doesn't have.
const INVALID: u8 = 0xFF;

type Stream = Box<dyn Read + Send>;

/// Opens a text file.
///
/// # Errors
/// If it can't be read.
pub(super) fn open_text(path: &Path, encoding: Encoding) -> Result<Stream> {
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    let name = path.to_string_lossy();
    let mut stream: Stream = if name.ends_with(".gz") {
        Box::new(flate2::bufread::MultiGzDecoder::new(BufReader::with_capacity(1 << 18, file)))
    } else if name.ends_with(".zst") {
        Box::new(zstd::Decoder::new(file).map_err(|error| unreadable(path, &error))?)
    } else {
        Box::new(file)
    };
    let mut first = Vec::with_capacity(4);
    stream.by_ref().take(4).read_to_end(&mut first).map_err(|error| unreadable(path, &error))?;
    refuse_binary(path, &first)?;
    let (encoding, mark) = encoding_of(&first, encoding);
    let stream = Box::new(Cursor::new(first[mark..].to_vec()).chain(stream));
    Ok(match encoding {
        Found::Utf8 => stream,
        Found::Decode(encoding) => Box::new(Decoded::new(stream, encoding)),
    })
}

/// Why a file can't be read, as a check that failed: the source is not as agreed.
pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    use std::io::ErrorKind::{InvalidData, InvalidInput, Other, UnexpectedEof};
    let place = path.display();
    let name = path.to_string_lossy();
    let packed = name.ends_with(".gz") || name.ends_with(".zst");
    match error.kind() {
        UnexpectedEof if packed => {
            Error::check(format!("{place}: expected a whole compressed file, found it truncated"))
                .hint("deliver the file again; nothing of it was published")
        }
        InvalidData | InvalidInput | Other if packed => {
            Error::check(format!("{place}: expected a compressed file, found damage ({error})"))
                .hint("deliver the file again; nothing of it was published")
        }
        _ => Error::check(format!("{place}: expected a readable file, found {error}"))
            .hint("see that the file is there and that this user may read it"),
    }
}

/// A compressed file under a plain name would look like one endless header.
fn refuse_binary(path: &Path, first: &[u8]) -> Result<()> {
    let found = match first {
        [0x1F, 0x8B, ..] => "gzip",
        [0x28, 0xB5, 0x2F, 0xFD] => "zstandard",
        b"PAR1" => "Parquet",
        b"PK\x03\x04" => "a zip archive or an Excel workbook",
        _ => return Ok(()),
    };
    let message = format!("{}: expected text, found {found}", path.display());
    let hint = match first {
        [b'P', b'K', ..] => "export it as CSV, or unpack it",
        _ => "name the file by what it is: `.gz`, `.zst` or `.parquet`",
    };
    Err(Error::check(message).hint(hint))
}

enum Found {
    Utf8,
    Decode(&'static encoding_rs::Encoding),
}

/// The encoding by byte order mark, else as declared; and the length of the mark.
fn encoding_of(first: &[u8], declared: Encoding) -> (Found, usize) {
    match (first, declared) {
        ([0xEF, 0xBB, 0xBF, ..], _) => (Found::Utf8, 3),
        ([0xFF, 0xFE, ..], _) => (Found::Decode(UTF_16LE), 2),
        ([0xFE, 0xFF, ..], _) => (Found::Decode(UTF_16BE), 2),
        (_, Encoding::Utf8) => (Found::Utf8, 0),
        (_, Encoding::Utf16) => (Found::Decode(UTF_16LE), 0),
        (_, Encoding::Windows1252) => (Found::Decode(WINDOWS_1252), 0),
    }
}

/// Decodes on the way.
struct Decoded {
    stream: Stream,
    decoder: Decoder,
    undefined: bool,
    raw: Vec<u8>,
    decoded: Vec<u8>,
    taken: usize,
    ended: bool,
}

impl Decoded {
    fn new(stream: Stream, encoding: &'static encoding_rs::Encoding) -> Decoded {
        Decoded {
            stream,
            decoder: encoding.new_decoder_without_bom_handling(),
            undefined: encoding == WINDOWS_1252,
            raw: Vec::with_capacity(CHUNK),
            decoded: Vec::with_capacity(CHUNK * 3),
            taken: 0,
            ended: false,
        }
    }

    fn refill(&mut self) -> std::io::Result<()> {
        self.raw.clear();
        self.decoded.clear();
        self.taken = 0;
        let read = self.stream.by_ref().take(CHUNK as u64).read_to_end(&mut self.raw)?;
        self.ended = read == 0;
        let mut from = 0;
        loop {
            let start = self.decoded.len();
            // Three bytes of UTF-8 hold any unit of these encodings.
            self.decoded.resize(start + (self.raw.len() - from) * 3 + 16, 0);
            let (result, read, written) = self.decoder.decode_to_utf8_without_replacement(
                &self.raw[from..],
                &mut self.decoded[start..],
                self.ended,
            );
            from += read;
            self.decoded.truncate(start + written);
            match result {
                DecoderResult::Malformed(..) => self.decoded.push(INVALID),
                DecoderResult::OutputFull => {}
                DecoderResult::InputEmpty => break,
            }
        }
        if self.undefined {
            mark_undefined(&mut self.decoded);
        }
        Ok(())
    }
}

const CHUNK: usize = 256 << 10;

/// Windows-1252 leaves five bytes undefined, which decoders read as control characters.
fn mark_undefined(decoded: &mut [u8]) {
    let mut from = 0;
    while let Some(place) = decoded[from..].iter().position(|&byte| byte == 0xC2) {
        let at = from + place;
        if let Some(0x81 | 0x8D | 0x8F | 0x90 | 0x9D) = decoded.get(at + 1) {
            decoded[at] = INVALID;
            decoded[at + 1] = INVALID;
        }
        from = at + 1;
    }
}

impl Read for Decoded {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.taken == self.decoded.len() && !self.ended {
            self.refill()?;
        }
        let count = buffer.len().min(self.decoded.len() - self.taken);
        buffer[..count].copy_from_slice(&self.decoded[self.taken..self.taken + count]);
        self.taken += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn read(bytes: &[u8], suffix: &str, encoding: Encoding) -> Result<Vec<u8>> {
        let mut file = tempfile::Builder::new().suffix(suffix).tempfile().expect("a file");
        file.write_all(bytes).expect("written");
        let mut text = Vec::new();
        open_text(file.path(), encoding)?
            .read_to_end(&mut text)
            .map_err(|error| unreadable(file.path(), &error))?;
        Ok(text)
    }

    fn utf16(text: &str, order: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(order).collect()
    }

    #[test]
    fn every_encoding_becomes_utf_8() {
        let text = "é,€,𝄞\n";
        let plain = text.as_bytes().to_vec();
        let cases = [
            (plain.clone(), Encoding::Utf8),
            ([b"\xEF\xBB\xBF", plain.as_slice()].concat(), Encoding::Windows1252),
            (utf16(&format!("\u{FEFF}{text}"), u16::to_le_bytes), Encoding::Utf16),
            (utf16(&format!("\u{FEFF}{text}"), u16::to_be_bytes), Encoding::Utf8),
            (utf16(text, u16::to_le_bytes), Encoding::Utf16),
        ];
        for (bytes, encoding) in cases {
            assert_eq!(read(&bytes, ".csv", encoding).expect("text"), plain, "{encoding:?}");
        }
        assert_eq!(
            read(b"\xE9,\x80\n", ".csv", Encoding::Windows1252).expect("text"),
            "é,€\n".as_bytes()
        );
    }

    #[test]
    fn what_an_encoding_lacks_is_marked() {
        assert_eq!(
            read(b"a\x81b\xC2\n", ".csv", Encoding::Windows1252).expect("text"),
            b"a\xFF\xFFb\xC3\x82\n"
        );
        let lone = [b'a', 0, 0x00, 0xD8, b'b', 0];
        assert_eq!(read(&lone, ".csv", Encoding::Utf16).expect("text"), b"a\xFFb");
    }

    #[test]
    fn long_texts_are_decoded_in_chunks() {
        let text = "aé𝄞€\n".repeat(300_000);
        let bytes = utf16(&text, u16::to_le_bytes);
        assert_eq!(read(&bytes, ".csv", Encoding::Utf16).expect("text"), text.as_bytes());
    }

    #[test]
    fn truncated_and_damaged_files_are_named() {
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(&b"a,b\n1,2\n".repeat(10_000)).expect("written");
        let gz = gz.finish().expect("a gzip");
        assert_eq!(read(&gz, ".csv.gz", Encoding::Utf8).expect("text").len(), 80_000);
        let zst = zstd::encode_all(&b"a,b\n1,2\n".repeat(10_000)[..], 1).expect("a zst");
        assert_eq!(read(&zst, ".csv.zst", Encoding::Utf8).expect("text").len(), 80_000);
        for (bytes, suffix) in [(&gz, ".csv.gz"), (&zst, ".csv.zst")] {
            let error = read(&bytes[..bytes.len() - 5], suffix, Encoding::Utf8).expect_err("short");
            assert!(error.to_string().contains("found it truncated"), "{error}");
            let error = read(bytes, ".csv", Encoding::Utf8).expect_err("compressed");
            assert!(error.to_string().contains("expected text, found"), "{error}");
            let error = read(&b"a,b\n1,2\n".repeat(9), suffix, Encoding::Utf8).expect_err("plain");
            assert!(error.to_string().contains("expected a compressed file"), "{error}");
        }
    }
}
