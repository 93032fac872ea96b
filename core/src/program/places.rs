//! Where the parts of a program file stand, for findings about a file that was read without an error.

use serde::Deserialize;
use toml::Spanned;

/// Lines, counted from 1, of the parts of a program file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Of the key `program`.
    pub program: usize,
    pub currency: usize,
    /// Of the payment's minimum.
    pub minimum: usize,
    pub terms: Vec<usize>,
    pub requirements: Vec<usize>,
    pub levers: Vec<LeverPlaces>,
    pub caps: Vec<usize>,
    pub splits: Vec<usize>,
    pub thresholds: Vec<usize>,
    pub windows: Vec<usize>,
}

/// Lines of the parts of a lever.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeverPlaces {
    pub lever: usize,
    /// Of each `[[lever.rate]]`.
    pub rates: Vec<usize>,
    /// Of each `[[lever.tiers]]`, by their first day.
    pub tables: Vec<usize>,
    /// Where the lever ends: the line of the next one, or the file's last.
    end: usize,
}

/// The keys that are looked at; all others are left to [`super::Program::parse`].
#[derive(Deserialize)]
struct File {
    program: Spanned<String>,
    currency: Spanned<String>,
    payment: Payment,
    #[serde(default)]
    term: Vec<Spanned<toml::Table>>,
    #[serde(default)]
    requirement: Vec<Spanned<toml::Table>>,
    lever: Vec<Lever>,
    #[serde(default)]
    cap: Vec<Spanned<toml::Table>>,
    #[serde(default)]
    split: Vec<Spanned<toml::Table>>,
    #[serde(default)]
    coop: Coop,
}

#[derive(Deserialize)]
struct Payment {
    minimum: Spanned<String>,
}

#[derive(Deserialize)]
struct Lever {
    lever: Spanned<String>,
    #[serde(default)]
    rate: Vec<Spanned<toml::Table>>,
    #[serde(default)]
    tiers: Vec<Spanned<toml::Table>>,
}

#[derive(Default, Deserialize)]
struct Coop {
    #[serde(default)]
    threshold: Vec<Spanned<toml::Table>>,
    #[serde(default)]
    window: Vec<Spanned<toml::Table>>,
}

impl Places {
    /// The places in a file that [`super::Program::parse`] takes; all are line 1 in another one.
    #[must_use]
    pub fn of(text: &str) -> Places {
        let Ok(file) = toml::from_str::<File>(text) else { return Places::default() };
        let line = |start: usize| text[..start].matches('\n').count() + 1;
        let tables = |tables: &[Spanned<toml::Table>]| -> Vec<usize> {
            tables.iter().map(|table| line(table.span().start)).collect()
        };
        let starts: Vec<usize> =
            file.lever.iter().map(|lever| line(lever.lever.span().start)).collect();
        let end = text.matches('\n').count() + 1;
        let levers = file.lever.iter().enumerate().map(|(place, lever)| {
            let mut dated: Vec<&Spanned<toml::Table>> = lever.tiers.iter().collect();
            let first = |table: &Spanned<toml::Table>| {
                let from = table.get_ref().get("from").and_then(toml::Value::as_str);
                from.unwrap_or_default().to_owned()
            };
            dated.sort_by_key(|table| first(table));
            LeverPlaces {
                lever: starts[place],
                rates: tables(&lever.rate),
                tables: dated.iter().map(|table| line(table.span().start)).collect(),
                end: starts.get(place + 1).copied().unwrap_or(end),
            }
        });
        Places {
            program: line(file.program.span().start),
            currency: line(file.currency.span().start),
            minimum: line(file.payment.minimum.span().start),
            terms: tables(&file.term),
            requirements: tables(&file.requirement),
            levers: levers.collect(),
            caps: tables(&file.cap),
            splits: tables(&file.split),
            thresholds: tables(&file.coop.threshold),
            windows: tables(&file.coop.window),
        }
    }

    /// The line of a lever.
    #[must_use]
    pub fn lever(&self, lever: usize) -> usize {
        self.levers.get(lever).map_or(1, |places| places.lever)
    }

    /// The line of a rate of a lever, or of the table that a measured lever has in its place.
    #[must_use]
    pub fn rate(&self, lever: usize, rate: usize) -> usize {
        let Some(places) = self.levers.get(lever) else { return 1 };
        let own = if places.rates.is_empty() { &places.tables } else { &places.rates };
        own.get(rate).copied().unwrap_or(places.lever)
    }

    /// The line on which a lever first names a product group.
    #[must_use]
    pub fn group(&self, text: &str, lever: usize, group: &str) -> usize {
        let Some(places) = self.levers.get(lever) else { return 1 };
        let quoted = format!("\"{group}\"");
        let mut lines = text.lines().enumerate().map(|(number, line)| (number + 1, line));
        let found = lines.find(|(number, line)| {
            (places.lever..places.end).contains(number)
                && line.split('#').next().is_some_and(|code| code.contains(&quoted))
        });
        found.map_or(places.lever, |(number, _)| number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_by_line() {
        let text = "program = \"p\"\ncurrency = \"USD\"\n[[lever]]\nlever = \"a\"\n\
                    [[lever.rate]]\nrate = \"0.1\"\nproduct_groups = [\"x\"]\n[[lever]]\n\
                    lever = \"b\" # \"x\"\nproduct_groups = [\n  \"x\",\n]\n[[lever.tiers]]\n\
                    from = \"2021-01-01\"\n[[lever.tiers]]\n[[cap]]\ncap = \"c\"\n[payment]\n\
                    minimum = \"200\"\n";
        let places = Places::of(text);
        assert_eq!((places.program, places.currency, places.minimum), (1, 2, 19));
        assert_eq!((places.lever(0), places.rate(0, 0), places.lever(1)), (4, 5, 9));
        // The open table comes first.
        assert_eq!((places.rate(1, 0), places.rate(1, 1)), (15, 13));
        assert_eq!((places.group(text, 0, "x"), places.group(text, 1, "x")), (7, 11));
        assert_eq!(places.group(text, 0, "y"), 4);
        assert_eq!(places.caps, [16]);
    }
}
