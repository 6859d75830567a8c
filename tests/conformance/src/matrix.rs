//! The cases by language, for people: a row for each topic, and every failure with its reason.

use std::collections::BTreeMap;

/// What came of all cases in one language.
pub(crate) struct Column {
    pub(crate) language: &'static str,
    /// Topic and name of each case, and what was wrong.
    pub(crate) cases: Vec<(String, String, Vec<String>)>,
    /// Cases that were not tried, as this machine cannot have the language.
    pub(crate) skipped: usize,
}

/// The whole table as text, and how many cases passed and failed.
pub(crate) fn draw(columns: &[Column]) -> (String, usize, usize) {
    let mut topics: BTreeMap<&str, ()> = BTreeMap::new();
    for (topic, ..) in columns.iter().flat_map(|column| &column.cases) {
        topics.insert(topic, ());
    }
    let mut text = String::new();
    for column in columns {
        let mut failed = column.cases.iter().filter(|(_, _, problems)| !problems.is_empty()).peekable();
        // A runner that does not run has one reason for all.
        let same = |first: &[String]| column.cases.iter().all(|(_, _, problems)| problems == first);
        if let Some((_, _, problems)) =
            failed.peek().filter(|(_, _, problems)| column.cases.len() > 1 && same(problems))
        {
            text.push_str(&format!("FAILED {}: every case\n  {}\n", column.language, problems.join("\n  ")));
            continue;
        }
        for (topic, name, problems) in failed {
            text.push_str(&format!("FAILED {}: {topic}: {name}\n  {}\n", column.language, problems.join("\n  ")));
        }
    }
    let widest = topics.keys().map(|topic| topic.len()).max().unwrap_or(0).max("failed".len());
    let widths: Vec<usize> = columns.iter().map(|column| column.language.len().max(9)).collect();
    let mut row = |first: &str, cells: Vec<String>| {
        text.push_str(&format!("{first:widest$}"));
        for (cell, width) in cells.iter().zip(&widths) {
            text.push_str(&format!("  {cell:>width$}"));
        }
        text.push('\n');
    };
    row("", columns.iter().map(|column| column.language.to_owned()).collect());
    for topic in topics.keys() {
        let of = |column: &Column| {
            let own: Vec<_> = column.cases.iter().filter(|(own, ..)| own == topic).collect();
            let passed = own.iter().filter(|(_, _, problems)| problems.is_empty()).count();
            if own.is_empty() { "-".to_owned() } else { format!("{passed}/{}", own.len()) }
        };
        row(topic, columns.iter().map(of).collect());
    }
    let passed = |column: &Column| column.cases.iter().filter(|(_, _, problems)| problems.is_empty()).count();
    let failed = |column: &Column| column.cases.len() - passed(column);
    row("passed", columns.iter().map(|column| passed(column).to_string()).collect());
    row("failed", columns.iter().map(|column| failed(column).to_string()).collect());
    row("skipped", columns.iter().map(|column| column.skipped.to_string()).collect());
    (text, columns.iter().map(passed).sum(), columns.iter().map(failed).sum())
}
