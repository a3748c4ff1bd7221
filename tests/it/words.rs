//! Every code has words in every language, and no word is without use.

use std::collections::BTreeSet;

use intransit::ingest::FileNote;
use intransit::insight::{Advice, CoverageProblem, Rule, Severity};
use intransit::render::words::{LANGUAGES, Words};
use intransit::trace::{ConnectorType, Direction, RejectReason, Tls};

fn coded_keys() -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    keys.extend(
        Rule::ALL
            .iter()
            .filter(|r| **r != Rule::CoverageGap)
            .map(|rule| format!("insight.certain.{}", rule.id())),
    );
    keys.extend(
        [Rule::NoTlsShare, Rule::Tls1_0Share].map(|rule| format!("insight.possible.{}", rule.id())),
    );
    keys.extend(Severity::ALL.map(|severity| format!("severity.{}", severity.name())));
    keys.extend(Advice::ALL.map(|advice| format!("advice.{}", advice.code())));
    keys.extend(CoverageProblem::ALL.map(|problem| format!("problem.{}", problem.code())));
    keys.extend(RejectReason::ALL.map(|reason| format!("reject.{}", reason.code())));
    keys.extend(FileNote::ALL.map(|note| format!("note.{}", note.code())));
    keys.extend(Tls::ALL.map(|band| format!("tls.{}", band.key())));
    keys.extend(Direction::ALL.map(|direction| format!("direction.{}", direction.name())));
    keys.extend(ConnectorType::ALL.map(|kind| format!("type.{}", kind.name())));
    keys.extend((1..=12).map(|month| format!("month.m{month}")));
    keys
}

#[test]
fn every_code_has_words_in_every_language() {
    for (language, _) in LANGUAGES {
        let words = Words::of(language).unwrap();
        let known: BTreeSet<&str> = words.keys().collect();
        for key in coded_keys() {
            assert!(known.contains(key.as_str()), "{language} lacks {key}");
        }
        let english: BTreeSet<&str> = Words::english().keys().collect();
        assert_eq!(known, english, "{language} has the same keys");
    }
}

/// Keys that are written out in the code exist.
#[test]
fn words_and_code_fit() {
    let mut code = String::new();
    for path in [
        "src/render/view.rs",
        "src/render/view/period.rs",
        "src/render/view/evidence.rs",
        "src/render/words.rs",
        "src/render/html.rs",
        "src/render/html/page.rs",
        "src/render/xlsx.rs",
        "src/render/xlsx/sheet.rs",
        "src/render/xlsx/summary.rs",
        "src/render/pdf.rs",
        "src/cli/inspect.rs",
    ] {
        code.push_str(&std::fs::read_to_string(path).unwrap());
    }
    let english: BTreeSet<&str> = Words::english().keys().collect();
    let sections: BTreeSet<&str> = english.iter().filter_map(|key| key.split('.').next()).collect();
    for quoted in code.split('"').skip(1).step_by(2) {
        let is_key = quoted.split_once('.').is_some_and(|(section, rest)| {
            sections.contains(section)
                && !rest.is_empty()
                && rest.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c == '.')
        });
        if is_key && quoted != "report.html" {
            let plural = english.contains(format!("{quoted}.one").as_str());
            assert!(plural || english.contains(quoted), "no words for {quoted}");
        }
    }
}
