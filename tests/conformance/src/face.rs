//! The table of error kinds as the public face has it, with each kind's classes.

use anyhow::{Context, Result};
use serde::Deserialize;

/// Above every other class.
const ROOT: &str = "CelperError";

#[derive(Debug, Deserialize)]
struct Face {
    errors: Errors,
}

#[derive(Debug, Deserialize)]
struct Errors {
    kinds: Vec<Kind>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Kind {
    pub(crate) kind: String,
    pub(crate) class: String,
    parent: String,
    #[serde(default)]
    pub(crate) python_bases: Vec<String>,
    /// All classes of ours above it.
    #[serde(skip)]
    pub(crate) above: Vec<String>,
}

/// All kinds, each with the classes above its own.
pub(crate) fn kinds(text: &str) -> Result<Vec<Kind>> {
    let face: Face = serde_json::from_str(text).context("face.json")?;
    let mut kinds = face.errors.kinds;
    let parents: Vec<(String, String)> = kinds.iter().map(|kind| (kind.class.clone(), kind.parent.clone())).collect();
    for kind in &mut kinds {
        let mut next = kind.parent.clone();
        while next != ROOT {
            let above = parents.iter().find(|(class, _)| *class == next).map_or(ROOT, |(_, parent)| parent);
            kind.above.push(std::mem::replace(&mut next, above.to_owned()));
        }
        kind.above.push(next);
    }
    Ok(kinds)
}
