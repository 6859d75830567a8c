//! Parses the pages: their examples, links and headings. The build script includes this file too.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// Starts the comment above an example that no test runs; the reason follows.
const NOT_RUN: &str = "<!-- not run:";

/// A page, by its path from the repository's root.
#[derive(Debug)]
pub struct Page {
    /// Its path.
    pub path: String,
    /// Its Markdown text.
    pub text: String,
}

/// A code block.
#[derive(Debug)]
pub struct Example {
    /// The line of its opening fence, counted from 1.
    pub line: usize,
    /// The fence's language; empty for an indented block.
    pub language: String,
    /// The code.
    pub code: String,
    /// The reason why no test runs it.
    pub not_run: Option<String>,
    /// Whether its fence is three backticks at the start of a line, the only form that all languages' tests find.
    pub is_fenced: bool,
}

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Reads the pages of `pages.txt`.
///
/// # Errors
///
/// If one of them cannot be read.
pub fn pages() -> io::Result<Vec<Page>> {
    let list = fs::read_to_string(root().join("tests/docs/pages.txt"))?;
    let read = |path: &str| {
        let text = fs::read_to_string(root().join(path));
        let text = text.map_err(|error| io::Error::new(error.kind(), format!("{path}: {error}")))?;
        Ok(Page { path: path.to_owned(), text })
    };
    list.lines().map(read).collect()
}

impl Page {
    /// The code blocks, in the page's order.
    pub fn examples(&self) -> Vec<Example> {
        let mut examples: Vec<Example> = Vec::new();
        let mut inside = false;
        for (event, range) in self.events() {
            match event {
                Event::Start(Tag::CodeBlock(kind)) => {
                    inside = true;
                    let (before, from_here) = self.text.split_at(range.start);
                    let language = match &kind {
                        CodeBlockKind::Fenced(language) => language.to_string(),
                        CodeBlockKind::Indented => String::new(),
                    };
                    let starts_a_line = before.is_empty() || before.ends_with('\n');
                    examples.push(Example {
                        line: before.matches('\n').count() + 1,
                        is_fenced: starts_a_line && from_here.starts_with(&format!("```{language}\n")),
                        language,
                        code: String::new(),
                        not_run: before.trim_end_matches('\n').lines().last().and_then(reason),
                    });
                }
                Event::Text(text) if inside => {
                    if let Some(example) = examples.last_mut() {
                        example.code.push_str(&text);
                    }
                }
                Event::End(TagEnd::CodeBlock) => inside = false,
                _ => {}
            }
        }
        examples
    }

    /// The number of `not run` comments.
    pub fn not_run_comments(&self) -> usize {
        self.text.lines().filter(|line| reason(line).is_some()).count()
    }

    /// The targets of the links and images.
    pub fn links(&self) -> Vec<String> {
        let target = |event| match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => Some(dest_url.to_string()),
            _ => None,
        };
        self.events().filter_map(|(event, _)| target(event)).collect()
    }

    /// The headings' anchors, as the sites that show the pages create them.
    pub fn anchors(&self) -> Vec<String> {
        let mut anchors = Vec::new();
        let mut heading: Option<String> = None;
        for (event, _) in self.events() {
            match event {
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::Text(text) | Event::Code(text) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&text);
                    }
                }
                Event::End(TagEnd::Heading(_)) => anchors.extend(heading.take().map(|heading| anchor(&heading))),
                _ => {}
            }
        }
        anchors
    }

    fn events(&self) -> impl Iterator<Item = (Event<'_>, std::ops::Range<usize>)> {
        Parser::new_ext(&self.text, Options::ENABLE_TABLES).into_offset_iter()
    }
}

fn reason(line: &str) -> Option<String> {
    let reason = line.strip_prefix(NOT_RUN)?.strip_suffix("-->")?.trim();
    Some(reason.to_owned())
}

fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|character| character.is_alphanumeric() || " -_".contains(*character));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}
