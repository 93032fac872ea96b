//! Bytes to records. In: UTF-8 bytes that start at a record. Out: one record after the other, its
//! fields as spans; a record with a quote that nothing closes is cut after its first line, so that
//! the lines that it would have swallowed are records of their own.

/// A quoted field that is longer is taken for one that nobody closed.
pub(super) const LONGEST_QUOTED: usize = 64 << 10;

const QUOTE: u8 = b'"';

/// Where a field lies: in the bytes, or in the scratch text if it had to be unescaped.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Span {
    pub start: u32,
    pub end: u32,
    pub unescaped: bool,
}

impl Span {
    /// From a place in the bytes to another.
    #[inline]
    pub(super) fn plain(start: usize, end: usize) -> Span {
        Span { start: offset(start), end: offset(end), unescaped: false }
    }
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A record from `start` to `end` without its line end; its fields are in the spans.
    Record { start: usize, end: usize },
    /// The first line of a record with an open quote.
    OpenQuote { start: usize, end: usize },
    /// No more bytes.
    End,
    /// The rest is no whole record, and more bytes may follow.
    Partial,
}

/// Splits a block of bytes into records.
pub(super) struct Splitter<'a> {
    bytes: &'a [u8],
    /// Fields that a record should have.
    columns: usize,
    /// Whether these bytes are all there is.
    complete: bool,
    delimiter: u8,
    /// Positions of delimiters, quotes and line ends, from the current record to what was scanned.
    hits: Vec<u32>,
    scanned: usize,
    /// The first hit of the next record.
    hit: usize,
    start: usize,
    pub spans: Vec<Span>,
    pub scratch: Vec<u8>,
    /// Whether the record has a quote anywhere.
    pub quotes: bool,
}

/// One record while it is scanned.
#[derive(Default)]
struct Scan {
    /// Index of the hit of the first line end within quotes.
    first_break: Option<usize>,
    /// Text follows a closing quote, so it is doubtful which quote closed.
    doubtful: bool,
    quoted: bool,
}

/// How a field ends.
enum Ended {
    /// At the hit of that index.
    At(usize),
    AtEnd,
    Open,
}

impl<'a> Splitter<'a> {
    pub(super) fn new(bytes: &'a [u8], delimiter: u8, columns: usize, complete: bool) -> Self {
        Splitter {
            bytes,
            columns,
            complete,
            delimiter,
            hits: Vec::with_capacity(2 * SCANNED_AT_ONCE / 8),
            scanned: 0,
            hit: 0,
            start: 0,
            spans: Vec::with_capacity(columns + 1),
            scratch: Vec::new(),
            quotes: false,
        }
    }

    /// Where the next record starts.
    pub(super) fn position(&self) -> usize {
        self.start
    }

    /// The next record; blank lines are none.
    pub(super) fn next(&mut self) -> Found {
        loop {
            if self.start >= self.bytes.len() {
                return Found::End;
            }
            let found = self.record();
            if found != (Found::Record { start: usize::MAX, end: usize::MAX }) {
                return found;
            }
        }
    }

    /// The position of a hit; scans on as far as it takes.
    #[inline]
    fn hit_at(&mut self, hit: usize) -> Option<usize> {
        while hit >= self.hits.len() && self.scanned < self.bytes.len() {
            let until = self.bytes.len().min(self.scanned + SCANNED_AT_ONCE);
            special_positions(self.bytes, self.scanned..until, self.delimiter, &mut self.hits);
            self.scanned = until;
        }
        self.hits.get(hit).map(|&at| at as usize)
    }

    /// One record; a blank line is a record at `usize::MAX`.
    fn record(&mut self) -> Found {
        if self.hit > SCANNED_AT_ONCE / 8 {
            self.hits.drain(..self.hit);
            self.hit = 0;
        }
        self.spans.clear();
        self.scratch.clear();
        self.quotes = false;
        let start = self.start;
        let mut scan = Scan::default();
        let mut hit = self.hit;
        let mut field = start;
        let (end, resume) = loop {
            // Most hits are delimiters.
            for &at in self.hits.get(hit..).unwrap_or_default() {
                let at = at as usize;
                if self.bytes[at] != self.delimiter {
                    break;
                }
                self.spans.push(Span::plain(field, at));
                field = at + 1;
                hit += 1;
            }
            let Some(mut at) = self.hit_at(hit) else {
                if !self.complete {
                    return Found::Partial;
                }
                self.plain(field, self.line_end(field, self.bytes.len()));
                break (self.bytes.len(), self.bytes.len());
            };
            let byte = self.bytes[at];
            if byte == QUOTE {
                self.quotes = true;
                if at != field {
                    hit += 1;
                    continue;
                }
                match self.quoted(hit, start, &mut scan) {
                    Ended::At(closing) => {
                        hit = closing;
                        at = self.hits[hit] as usize;
                    }
                    Ended::AtEnd if self.complete => break (self.bytes.len(), self.bytes.len()),
                    Ended::Open if self.complete || self.bytes.len() - start > LONGEST_QUOTED => {
                        return self.open_quote(start, &scan);
                    }
                    Ended::AtEnd | Ended::Open => return Found::Partial,
                }
            } else {
                self.plain(field, if byte == b'\n' { self.line_end(field, at) } else { at });
            }
            hit += 1;
            if self.bytes[at] == b'\n' {
                break (at, at + 1);
            }
            field = at + 1;
        };
        if scan.first_break.is_some() && (scan.doubtful || self.spans.len() != self.columns) {
            return self.open_quote(start, &scan);
        }
        self.hit = hit;
        self.start = resume;
        let end = self.line_end(start, end);
        if end == start && !scan.quoted {
            return Found::Record { start: usize::MAX, end: usize::MAX };
        }
        Found::Record { start, end }
    }

    /// A quoted field that starts at a hit: adds its span, finds where it ends.
    fn quoted(&mut self, opening: usize, record: usize, scan: &mut Scan) -> Ended {
        scan.quoted = true;
        let inner = self.hits[opening] as usize + 1;
        let mut escaped = false;
        let mut hit = opening + 1;
        let close = loop {
            let Some(at) = self.hit_at(hit) else { return Ended::Open };
            match self.bytes[at] {
                QUOTE if self.bytes.get(at + 1) == Some(&QUOTE) => {
                    escaped = true;
                    hit += 1;
                }
                QUOTE if at + 1 == self.bytes.len() && !self.complete => return Ended::Open,
                QUOTE => break at,
                b'\n' => {
                    scan.first_break.get_or_insert(hit);
                }
                _ => {}
            }
            if at - record > LONGEST_QUOTED {
                return Ended::Open;
            }
            hit += 1;
        };
        let after = close + 1;
        let next = loop {
            hit += 1;
            match self.hit_at(hit) {
                Some(at) if self.bytes[at] == QUOTE => {}
                next => break next,
            }
        };
        let end = match next {
            Some(at) if self.bytes[at] == b'\n' => self.line_end(after, at),
            Some(at) => at,
            None => self.line_end(after, self.bytes.len()),
        };
        scan.doubtful |= end != after;
        if escaped || end != after {
            self.unescape(inner, close, after, end);
        } else {
            self.plain(inner, close);
        }
        if next.is_some() { Ended::At(hit) } else { Ended::AtEnd }
    }

    /// Adds a field with doubled quotes, or with text after its closing quote, which stays as it is.
    fn unescape(&mut self, inner: usize, close: usize, after: usize, end: usize) {
        let start = self.scratch.len();
        let mut from = inner;
        while let Some(place) = self.bytes[from..close].iter().position(|&byte| byte == QUOTE) {
            self.scratch.extend_from_slice(&self.bytes[from..=from + place]);
            from += place + 2;
        }
        self.scratch.extend_from_slice(&self.bytes[from.min(close)..close]);
        self.scratch.extend_from_slice(&self.bytes[after..end]);
        let (start, end) = (offset(start), offset(self.scratch.len()));
        self.spans.push(Span { start, end, unescaped: true });
    }

    fn plain(&mut self, start: usize, end: usize) {
        self.spans.push(Span::plain(start, end));
    }

    /// Without the carriage return of a line end.
    fn line_end(&self, start: usize, end: usize) -> usize {
        if end > start && self.bytes[end - 1] == b'\r' { end - 1 } else { end }
    }

    /// Cuts after the first line and goes on with the next.
    fn open_quote(&mut self, start: usize, scan: &Scan) -> Found {
        let (end, resume) = match scan.first_break {
            Some(hit) => {
                self.hit = hit + 1;
                let at = self.hits[hit] as usize;
                (self.line_end(start, at), at + 1)
            }
            None => (self.bytes.len(), self.bytes.len()),
        };
        self.start = resume;
        Found::OpenQuote { start, end }
    }
}

/// Blocks are far smaller than 4 GiB.
fn offset(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

/// Bytes that are scanned at once: their hits stay in the nearest cache.
const SCANNED_AT_ONCE: usize = 32 << 10;

/// Adds positions of delimiters, quotes and line ends, 32 bytes at a time: the loop over bytes compiles
/// to vector compares, whose outcomes one instruction gathers into bits.
fn special_positions(
    bytes: &[u8],
    range: std::ops::Range<usize>,
    delimiter: u8,
    positions: &mut Vec<u32>,
) {
    let is_special = |byte: u8| (byte == delimiter) | (byte == QUOTE) | (byte == b'\n');
    let mut base = offset(range.start);
    let (chunks, rest) = bytes[range].as_chunks::<32>();
    for chunk in chunks {
        let mut mask = 0_u32;
        for (place, &byte) in chunk.iter().enumerate() {
            mask |= u32::from(is_special(byte)) << place;
        }
        while mask != 0 {
            positions.push(base + mask.trailing_zeros());
            mask &= mask - 1;
        }
        base += 32;
    }
    for (place, &byte) in rest.iter().enumerate() {
        if is_special(byte) {
            positions.push(base + offset(place));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records as `a|b`, an open quote as `!text`.
    fn split(text: &str, columns: usize) -> Vec<String> {
        let mut splitter = Splitter::new(text.as_bytes(), b',', columns, true);
        let mut records = Vec::new();
        loop {
            match splitter.next() {
                Found::Record { .. } => records.push(fields(&splitter, text).join("|")),
                Found::OpenQuote { start, end } => records.push(format!("!{}", &text[start..end])),
                Found::End => return records,
                Found::Partial => panic!("the bytes are complete"),
            }
        }
    }

    fn fields(splitter: &Splitter, text: &str) -> Vec<String> {
        let scratch = String::from_utf8(splitter.scratch.clone()).expect("UTF-8");
        let of = |span: &Span| {
            let from = if span.unescaped { scratch.as_str() } else { text };
            from[span.start as usize..span.end as usize].to_owned()
        };
        splitter.spans.iter().map(of).collect()
    }

    #[test]
    fn records_are_split() {
        assert_eq!(split("a,b\r\nc,d\n\n\r\ne,f", 2), ["a|b", "c|d", "e|f"]);
        assert_eq!(split("a,\n,b\n,\n", 2), ["a|", "|b", "|"]);
        assert_eq!(split("\"a,1\",\"b\"\"c\"\n", 2), ["a,1|b\"c"]);
        assert_eq!(split("\"a\nb\",c\r\nd,\"\"\r\n", 2), ["a\nb|c", "d|"]);
        assert_eq!(split("\"\"\"\",\"\"\"x\"\"\"\n", 2), ["\"|\"x\""]);
        assert_eq!(split("5\" pipe,b\n", 2), ["5\" pipe|b"]);
        assert_eq!(split("\"a\"b,c\n", 2), ["ab|c"]);
        assert_eq!(split("a\na,b,c\n", 2), ["a", "a|b|c"]);
        assert_eq!(split("\"\"\n", 1), [""]);
        assert_eq!(split("a,\"b\"", 2), ["a|b"]);
        assert_eq!(split("", 2), Vec::<String>::new());
    }

    #[test]
    fn an_open_quote_costs_one_line() {
        assert_eq!(split("1,\"open\n2,b\n3,c\n", 2), ["!1,\"open", "2|b", "3|c"]);
        assert_eq!(split("1,\"open\r\n2,\"b\"\n3,c\n", 2), ["!1,\"open", "2|b", "3|c"]);
        assert_eq!(split("1,\"open,3\n2,\"x\",3\n", 3), ["!1,\"open,3", "2|x|3"]);
        assert_eq!(split("1,\"open\n\"2\",b\n", 2), ["!1,\"open", "2|b"]);
        assert_eq!(split("1,\"open", 2), ["!1,\"open"]);
        let far = format!("1,\"open\n{}\"", "2,b\n".repeat(LONGEST_QUOTED));
        assert_eq!(split(&far, 2)[..2], ["!1,\"open", "2|b"]);
    }

    #[test]
    fn the_rest_of_a_block_is_left() {
        for text in ["a,b\nc,", "a,b\n\"c", "a,b\n\"c\"", "a,b\nc,\"d\"\"\ne"] {
            let mut splitter = Splitter::new(text.as_bytes(), b',', 2, false);
            assert_eq!(splitter.next(), Found::Record { start: 0, end: 3 });
            assert_eq!(splitter.next(), Found::Partial, "`{text}`");
            assert_eq!(splitter.position(), 4);
        }
    }

    #[test]
    fn special_bytes_are_found_at_any_place() {
        for shift in 0..130 {
            let text = format!("{},{}\"{}\n", "x".repeat(shift), "é".repeat(shift), "x".repeat(70));
            let expected: Vec<u32> = text
                .bytes()
                .enumerate()
                .filter(|(_, byte)| b",\"\n".contains(byte))
                .map(|(place, _)| offset(place))
                .collect();
            let mut found = Vec::new();
            let middle = shift.min(text.len());
            for range in [0..middle, middle..text.len()] {
                special_positions(text.as_bytes(), range, b',', &mut found);
            }
            assert_eq!(found, expected);
        }
    }
}
