//! The report: a table with a row for each topic and a column for each language, and all failures.

use std::collections::BTreeSet;

/// The results of one language.
pub(crate) struct Column {
    pub(crate) language: &'static str,
    pub(crate) cases: Vec<CaseResult>,
    /// The number of cases that did not run because this machine lacks the language's toolchain.
    pub(crate) skipped: usize,
}

pub(crate) struct CaseResult {
    pub(crate) topic: String,
    pub(crate) name: String,
    /// Empty if the case passed.
    pub(crate) failures: Vec<String>,
}

impl Column {
    fn failed(&self) -> impl Iterator<Item = &CaseResult> {
        self.cases.iter().filter(|case| !case.failures.is_empty())
    }

    fn failed_count(&self) -> usize {
        self.failed().count()
    }

    fn passed_count(&self) -> usize {
        self.cases.len() - self.failed_count()
    }
}

/// The report as text, and how many cases passed and failed.
pub(crate) fn draw(columns: &[Column]) -> (String, usize, usize) {
    let topics: BTreeSet<&str> =
        columns.iter().flat_map(|column| &column.cases).map(|case| case.topic.as_str()).collect();
    let mut text = String::new();
    for column in columns {
        // A runner that cannot start has the same failure in every case: print it once.
        if let [first, _, ..] = column.cases.as_slice()
            && !first.failures.is_empty()
            && column.cases.iter().all(|case| case.failures == first.failures)
        {
            text.push_str(&format!("FAILED {}: every case\n  {}\n", column.language, first.failures.join("\n  ")));
            continue;
        }
        for CaseResult { topic, name, failures } in column.failed() {
            text.push_str(&format!("FAILED {}: {topic}: {name}\n  {}\n", column.language, failures.join("\n  ")));
        }
    }
    let first_width = topics.iter().map(|topic| topic.len()).max().unwrap_or(0).max("skipped".len());
    let widths: Vec<usize> = columns.iter().map(|column| column.language.len().max(9)).collect();
    let mut row = |first: &str, cells: Vec<String>| {
        text.push_str(&format!("{first:first_width$}"));
        for (cell, width) in cells.iter().zip(&widths) {
            text.push_str(&format!("  {cell:>width$}"));
        }
        text.push('\n');
    };
    row("", columns.iter().map(|column| column.language.to_owned()).collect());
    for topic in topics {
        let cell = |column: &Column| {
            let cases: Vec<_> = column.cases.iter().filter(|case| case.topic == topic).collect();
            let passed = cases.iter().filter(|case| case.failures.is_empty()).count();
            if cases.is_empty() { "-".to_owned() } else { format!("{passed}/{}", cases.len()) }
        };
        row(topic, columns.iter().map(cell).collect());
    }
    row("passed", columns.iter().map(|column| column.passed_count().to_string()).collect());
    row("failed", columns.iter().map(|column| column.failed_count().to_string()).collect());
    row("skipped", columns.iter().map(|column| column.skipped.to_string()).collect());
    (text, columns.iter().map(Column::passed_count).sum(), columns.iter().map(Column::failed_count).sum())
}
