//! The face of the Rust core: tables and defaults from the crate itself, the rest from its sources.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use celper::{CandidateStatus, ClientBuilder, ErrorKind, Operation, RateLimits};
use quote::ToTokens;
use serde_json::{Value, json};
use syn::{
    Attribute, Expr, Fields, FnArg, GenericArgument, ImplItem, ImplItemFn, ItemEnum, ItemImpl, ItemStruct, Lit, Meta,
    Pat, PathArguments, ReturnType, Type, UseTree, Visibility,
};

use crate::item::{Item, Subject};
use crate::language::{pascal, snake};

/// The crate's items, from all of its files.
struct Sources {
    items: Vec<syn::Item>,
    /// What the crate's root gives.
    exported: BTreeSet<String>,
}

pub(crate) fn read(folder: &Path) -> Result<Vec<Item>> {
    let sources = Sources::read(folder)?;
    let mut items = Vec::new();
    let described = ["Client", "ClientBuilder", "RateLimits", "CandidateStatus", "Error", "ErrorKind"];
    let mut seen = BTreeSet::from(described.map(str::to_owned));
    let results = sources.client(&mut items)?;
    sources.options(&mut items);
    sources.results(results, &mut items, &mut seen);
    sources.statuses(&mut items);
    sources.errors(&mut items);
    let names = sources.exported.iter().filter(|name| !seen.contains(*name));
    items.extend(names.map(|name| Item::new(Subject::new("name", name)).with("doc", sources.doc_of(name))));
    Ok(items)
}

impl Sources {
    fn read(folder: &Path) -> Result<Self> {
        let mut items = Vec::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let file = syn::parse_file(&fs::read_to_string(&path)?);
                    items.extend(file.with_context(|| format!("parsing {}", path.display()))?.items);
                }
            }
        }
        let root = syn::parse_file(&fs::read_to_string(folder.join("lib.rs"))?)?;
        let mut exported = BTreeSet::new();
        for item in &root.items {
            match item {
                syn::Item::Use(it) if is_public(&it.vis) => leaves(&it.tree, &mut exported),
                // What a feature turns on is for the layers above.
                syn::Item::Mod(it) if is_public(&it.vis) && !it.attrs.iter().any(|it| it.path().is_ident("cfg")) => {
                    exported.insert(it.ident.to_string());
                }
                _ => {}
            }
        }
        Ok(Sources { items, exported })
    }

    /// The client's operations with their parameters, and its other members; gives the operations' results.
    fn client(&self, items: &mut Vec<Item>) -> Result<Vec<String>> {
        let mut results = Vec::new();
        let mut methods = BTreeSet::new();
        for method in self.methods("Client", |_| true) {
            let name = method.sig.ident.to_string();
            let given = match &method.sig.output {
                ReturnType::Type(_, given) => argument_of(given, "Request"),
                ReturnType::Default => None,
            };
            let Some(result) = given.map(text) else {
                items.push(Item::new(Subject::new("member", name)).with("doc", doc(&method.attrs)));
                continue;
            };
            let operation = Operation::ALL.iter().find(|operation| operation.method_name() == name);
            items.push(
                Item::new(Subject::new("operation", &name))
                    .with("operation", operation.map(|operation| operation.name()))
                    .with("type", result.as_str())
                    .with("doc", doc(&method.attrs)),
            );
            for (parameter, kind) in arguments(method) {
                // A type of its own that a caller has to write is a name.
                let inner = argument_of(kind, "JobPositionId");
                items.push(
                    Item::new(Subject::new("parameter", parameter).of(&name))
                        .with("type", text(inner.unwrap_or(kind)))
                        .with("optional", false)
                        .with("named", inner.is_some())
                        // Rust has no documentation of single arguments.
                        .with("doc", doc(&method.attrs)),
                );
            }
            for setter in self.methods("Request", |on| self.is_on(on, &result)) {
                for (_, kind) in arguments(setter) {
                    items.push(
                        Item::new(Subject::new("parameter", setter.sig.ident.to_string()).of(&name))
                            .with("type", text(kind))
                            .with("optional", true)
                            .with("named", true)
                            .with("doc", doc(&setter.attrs)),
                    );
                }
            }
            methods.insert(name);
            results.push(result);
        }
        let listed: BTreeSet<String> =
            Operation::ALL.iter().map(|operation| operation.method_name().to_owned()).collect();
        let unlisted = methods.difference(&listed).map(|name| format!("Operation::ALL has no operation of {name}"));
        items.extend(unlisted.map(Item::problem));
        self.check_input(items)?;
        Ok(results)
    }

    /// Whether an `impl` for `Request<…>` holds for this result.
    fn is_on(&self, on: &ItemImpl, result: &str) -> bool {
        let Some(subject) = argument_of(&on.self_ty, "Request").map(text) else { return false };
        let bounds = on.generics.type_params().filter(|parameter| parameter.ident == subject).flat_map(|it| &it.bounds);
        let mut bounds = bounds.map(text).peekable();
        if bounds.peek().is_none() {
            return subject == result;
        }
        bounds.all(|bound| self.implementors(&bound).contains(result))
    }

    /// The types that implement a trait, by an `impl` or by the macro of that name.
    fn implementors(&self, of: &str) -> BTreeSet<String> {
        let mut implementors = BTreeSet::new();
        for item in &self.items {
            match item {
                syn::Item::Impl(it) if it.trait_.as_ref().is_some_and(|(path, _)| text(path) == of) => {
                    implementors.insert(text(&it.self_ty));
                }
                syn::Item::Macro(it) if it.ident.is_none() && it.mac.path.is_ident(&snake(of)) => {
                    implementors.extend(it.mac.tokens.clone().into_iter().map(text));
                }
                _ => {}
            }
        }
        implementors
    }

    /// The call as data has the same parameters as the calls.
    fn check_input(&self, items: &mut Vec<Item>) -> Result<()> {
        let input = self.record("OperationInput").context("the core has no OperationInput")?;
        let as_data: BTreeSet<String> =
            fields(input).map(|(name, ..)| name).filter(|name| name != "operation").collect();
        let parameters = items.iter().filter(|item| item.subject.item == "parameter");
        let parameters: BTreeSet<String> = parameters.map(|item| item.subject.name.clone()).collect();
        let lacks =
            parameters.difference(&as_data).map(|name| format!("OperationInput lacks {name}, which a call takes"));
        let exceeds =
            as_data.difference(&parameters).map(|name| format!("OperationInput has {name}, which no call takes"));
        items.extend(lacks.chain(exceeds).map(Item::problem).collect::<Vec<_>>());
        Ok(())
    }

    fn options(&self, items: &mut Vec<Item>) {
        let limits = RateLimits::default();
        let limits = json!({
            "reads": limits.reads, "actions": limits.actions, "total": limits.total, "window": limits.window.as_secs_f64()
        });
        for setter in self.methods("ClientBuilder", |_| true) {
            let name = setter.sig.ident.to_string();
            let default = match name.as_str() {
                "timeout" => json!(ClientBuilder::DEFAULT_TIMEOUT.as_secs_f64()),
                "attempt_timeout" => json!(ClientBuilder::DEFAULT_ATTEMPT_TIMEOUT.as_secs_f64()),
                "max_retries" => json!(ClientBuilder::DEFAULT_MAX_RETRIES),
                "rate_limits" => limits.clone(),
                _ => Value::Null,
            };
            for (_, kind) in arguments(setter) {
                let kind = text(kind);
                items.push(
                    Item::new(Subject::new("option", &name))
                        .with("off", kind.contains("Option<"))
                        .with("type", kind)
                        .with("optional", true)
                        .with("default", default.clone())
                        .with("doc", doc(&setter.attrs)),
                );
            }
        }
        for (name, kind, text) in self.record("RateLimits").into_iter().flat_map(fields) {
            let default = limits.get(&name).cloned().unwrap_or_default();
            items.push(
                Item::new(Subject::new("limit", name))
                    .with("type", kind)
                    // `..RateLimits::default()` stands for the fields that are not named.
                    .with("optional", self.implementors("Default").contains("RateLimits"))
                    .with("default", default)
                    .with("doc", text),
            );
        }
    }

    fn results(&self, mut todo: Vec<String>, items: &mut Vec<Item>, seen: &mut BTreeSet<String>) {
        while let Some(name) = todo.pop() {
            let Some(record) = self.record(&name).filter(|_| self.exported.contains(&name)) else { continue };
            if !seen.insert(name.clone()) {
                continue;
            }
            items.push(Item::new(Subject::new("result", &name)).with("doc", doc(&record.attrs)));
            for (field, kind, text) in fields(record) {
                let (kind, optional) = maybe(&kind);
                let item = Item::new(Subject::new("field", field).of(&name));
                items.push(item.with("type", kind).with("optional", optional).with("doc", text));
                todo.push(kind.to_owned());
            }
        }
    }

    fn statuses(&self, items: &mut Vec<Item>) {
        let known = CandidateStatus::KNOWN.map(|status| (status.as_str().to_owned(), format!("{status:?}")));
        for variant in self.choice("CandidateStatus").into_iter().flat_map(|it| &it.variants) {
            let case = variant.ident.to_string();
            let known = known.iter().find(|(_, known)| *known == case);
            // The one that holds what this version does not know.
            let name = known.map_or_else(|| case.to_lowercase(), |(name, _)| name.clone());
            if known.is_none() && variant.fields.is_empty() {
                items.push(Item::problem(format!("CandidateStatus::KNOWN lacks {case}")));
            }
            items.push(Item::new(Subject::new("status", name)).with("case", case).with("doc", doc(&variant.attrs)));
        }
    }

    fn errors(&self, items: &mut Vec<Item>) {
        let variants: Vec<_> = self.choice("ErrorKind").into_iter().flat_map(|it| &it.variants).collect();
        for row in ErrorKind::TABLE {
            let case = format!("{:?}", row.kind);
            let variant = variants.iter().find(|variant| variant.ident == case);
            items.push(
                Item::new(Subject::new("error kind", row.name))
                    .with("case", case.as_str())
                    .with("class", row.class)
                    .with("parent", row.parent)
                    .with("retried", row.retried)
                    .with("doc", variant.map(|variant| doc(&variant.attrs)).unwrap_or_default()),
            );
        }
        for variant in variants {
            if !ErrorKind::TABLE.iter().any(|row| variant.ident == pascal(row.name)) {
                items
                    .push(Item::problem(format!("ErrorKind::TABLE has no row that is called as {} is", variant.ident)));
            }
        }
        let getters = self.methods("Error", |_| true);
        for getter in getters.filter(|getter| matches!(getter.sig.inputs.first(), Some(FnArg::Receiver(_)))) {
            let kind = match &getter.sig.output {
                ReturnType::Type(_, kind) => text(kind),
                ReturnType::Default => String::new(),
            };
            let (kind, optional) = maybe(&kind);
            let item = Item::new(Subject::new("error field", getter.sig.ident.to_string()));
            items.push(item.with("type", kind).with("optional", optional).with("doc", doc(&getter.attrs)));
        }
    }

    /// The public functions of a type's own `impl`s that `holds`, without those that are hidden from its documentation.
    fn methods<'a>(
        &'a self,
        of: &'a str,
        holds: impl Fn(&ItemImpl) -> bool + 'a,
    ) -> impl Iterator<Item = &'a ImplItemFn> + 'a {
        let own = self.items.iter().filter_map(move |item| match item {
            syn::Item::Impl(it) if it.trait_.is_none() && is_called(&it.self_ty, of) && holds(it) => Some(it),
            _ => None,
        });
        own.flat_map(|it| &it.items).filter_map(|item| match item {
            ImplItem::Fn(it) if is_public(&it.vis) && !is_hidden(&it.attrs) => Some(it),
            _ => None,
        })
    }

    fn record(&self, name: &str) -> Option<&ItemStruct> {
        self.items.iter().find_map(|item| match item {
            syn::Item::Struct(it) if it.ident == name && is_public(&it.vis) => Some(it),
            _ => None,
        })
    }

    fn choice(&self, name: &str) -> Option<&ItemEnum> {
        self.items.iter().find_map(|item| match item {
            syn::Item::Enum(it) if it.ident == name && is_public(&it.vis) => Some(it),
            _ => None,
        })
    }

    fn doc_of(&self, name: &str) -> String {
        let attributes = self.items.iter().find_map(|item| match item {
            syn::Item::Struct(it) if it.ident == name => Some(&it.attrs),
            syn::Item::Enum(it) if it.ident == name => Some(&it.attrs),
            syn::Item::Trait(it) if it.ident == name => Some(&it.attrs),
            syn::Item::Type(it) if it.ident == name => Some(&it.attrs),
            _ => None,
        });
        attributes.map(|attributes| doc(attributes)).unwrap_or_default()
    }
}

/// A record's public fields: name, type and documentation.
fn fields(record: &ItemStruct) -> impl Iterator<Item = (String, String, String)> {
    let named = match &record.fields {
        Fields::Named(fields) => Some(&fields.named),
        Fields::Unnamed(_) | Fields::Unit => None,
    };
    let public = named.into_iter().flatten().filter(|field| is_public(&field.vis));
    public.map(|field| (field.ident.as_ref().map(text).unwrap_or_default(), text(&field.ty), doc(&field.attrs)))
}

/// A function's arguments but for `self`.
fn arguments(function: &ImplItemFn) -> impl Iterator<Item = (String, &Type)> {
    function.sig.inputs.iter().filter_map(|argument| match argument {
        FnArg::Typed(it) => match &*it.pat {
            Pat::Ident(name) => Some((name.ident.to_string(), &*it.ty)),
            other => Some((text(other), &*it.ty)),
        },
        FnArg::Receiver(_) => None,
    })
}

/// The `X` of `of<X>`.
fn argument_of<'a>(kind: &'a Type, of: &str) -> Option<&'a Type> {
    let Type::Path(path) = kind else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == of)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match arguments.args.first() {
        Some(GenericArgument::Type(argument)) => Some(argument),
        _ => None,
    }
}

fn is_called(kind: &Type, name: &str) -> bool {
    matches!(kind, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == name))
}

/// A type without `Option`, and whether it had one.
fn maybe(kind: &str) -> (&str, bool) {
    let inner = kind.strip_prefix("Option<").and_then(|rest| rest.strip_suffix('>'));
    inner.map_or((kind, false), |inner| (inner, true))
}

/// Code as one writes it.
fn text(tokens: impl ToTokens) -> String {
    let spaced = tokens.to_token_stream().to_string();
    spaced.replace(" < ", "<").replace(" >", ">").replace("& ", "&").replace("' ", "'").replace(" , ", ", ")
}

fn doc(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter(|it| it.path().is_ident("doc")).filter_map(|it| match &it.meta {
        Meta::NameValue(it) => match &it.value {
            Expr::Lit(value) => match &value.lit {
                Lit::Str(text) => Some(text.value()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn is_hidden(attributes: &[Attribute]) -> bool {
    attributes
        .iter()
        .any(|it| it.path().is_ident("doc") && matches!(&it.meta, Meta::List(it) if text(&it.tokens) == "hidden"))
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// The names at the ends of a `use`.
fn leaves(tree: &UseTree, names: &mut BTreeSet<String>) {
    match tree {
        UseTree::Path(it) => leaves(&it.tree, names),
        UseTree::Group(it) => it.items.iter().for_each(|it| leaves(it, names)),
        UseTree::Name(it) => {
            names.insert(it.ident.to_string());
        }
        UseTree::Rename(it) => {
            names.insert(it.rename.to_string());
        }
        UseTree::Glob(_) => {
            names.insert("*".to_owned());
        }
    }
}

#[cfg(test)]
mod tests;
