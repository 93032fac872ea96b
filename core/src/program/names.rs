//! How a program is called, and which one follows it.

use super::load::Place;
use super::{Alias, Days, raw};
use crate::Error;

/// Old names: those of `aliases` on all days, those of `[[alias]]` on theirs.
pub(super) fn aliases(place: &Place, raw: &raw::Program) -> Result<Vec<Alias>, Error> {
    let always = raw.aliases.iter().map(|name| Ok((name, Days { from: None, until: None })));
    let dated = raw
        .alias
        .iter()
        .map(|alias| Ok((&alias.name, place.days(alias.from.as_ref(), alias.until.as_ref())?)));
    let mut aliases: Vec<Alias> = Vec::new();
    for alias in always.chain(dated) {
        let (at, days) = alias?;
        let name = at.get_ref();
        let same = |other: &Alias| other.name == *name && other.days.overlap(&days);
        if name.is_empty() || [raw.program.get_ref(), &raw.name].contains(&name) {
            let message = format!("expected a name other than the program's own, found `{name}`");
            return Err(place.error(at, &message));
        }
        if aliases.iter().any(same) {
            let message = format!("expected each old name once a day, found `{name}` again");
            return Err(place.error(at, &message));
        }
        aliases.push(Alias { name: name.clone(), days });
    }
    Ok(aliases)
}

/// The key of the program that follows; whether there is one is known when all are loaded.
pub(super) fn successor(place: &Place, raw: &raw::Program) -> Result<Option<String>, Error> {
    let Some(at) = &raw.successor else { return Ok(None) };
    if at.get_ref() == raw.program.get_ref() {
        return Err(place.error(at, "expected another program's key in `successor`"));
    }
    Ok(Some(at.get_ref().clone()))
}

#[cfg(test)]
mod tests {
    use crate::program::{Days, Program};

    fn parse(names: &str) -> Result<Program, crate::Error> {
        let text = format!(
            "program = \"p\"\nname = \"The P\"\ncurrency = \"USD\"\npays = [\"direct\"]\n{names}\n\
             [[term]]\nterm = \"all\"\n[[lever]]\nlever = \"core\"\nname = \"Core\"\n\
             draws = \"billing\"\nproduct_groups = [\"*\"]\n[[lever.rate]]\nrate = \"0.04\"\n\
             [payment]\nminimum = \"200\"\n"
        );
        Program::parse("p.toml", &text)
    }

    #[test]
    fn a_program_is_called_by_its_names_on_their_days() {
        let dated = "aliases = [\"P1\"]\n[[alias]]\nname = \"P2\"\nuntil = \"2020-12-31\"\n\
                     [[alias]]\nname = \"P2\"\nfrom = \"2021-07-01\"";
        let program = parse(dated).expect("it is good");
        let always = [Days { from: None, until: None }];
        for name in ["p", "The P", "P1"] {
            assert_eq!(program.called(name).collect::<Vec<_>>(), always, "{name}");
        }
        let day = |text: &str| text.parse().ok();
        let expected = [
            Days { from: None, until: day("2021-01-01") },
            Days { from: day("2021-07-01"), until: None },
        ];
        assert_eq!(program.called("P2").collect::<Vec<_>>(), expected);
        assert_eq!(program.called("P3").count(), 0);
        assert_eq!(parse("successor = \"q\"").expect("good").successor.as_deref(), Some("q"));
    }

    #[test]
    fn names_that_mean_two_things_are_refused() {
        for (names, expected) in [
            ("aliases = [\"The P\"]", "p.toml:5: expected a name other than the program's own"),
            ("aliases = [\"P1\", \"P1\"]", "p.toml:5: expected each old name once a day"),
            (
                "aliases = [\"P1\"]\n[[alias]]\nname = \"P1\"\nuntil = \"2020-12-31\"",
                "p.toml:7: expected each old name once a day",
            ),
            (
                "[[alias]]\nname = \"P1\"\nfrom = \"2021-01-02\"\nuntil = \"2021-01-01\"",
                "p.toml:8:",
            ),
            ("successor = \"p\"", "p.toml:5: expected another program's key"),
        ] {
            let error = parse(names).expect_err(names).to_string();
            assert!(error.contains(expected), "{names}: {error}");
        }
    }
}
