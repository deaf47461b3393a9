//! Flags of an API server, from a command line or from a mapping.

use super::documents::Document;
use super::{Flag, Form, Server};
use crate::span::Span;
use crate::tree::Node;
use crate::version::Version;

pub(super) const CONFIG: &str = "encryption-provider-config";
pub(super) const RELOAD: &str = "encryption-provider-config-automatic-reload";
const OLD: &str = "experimental-encryption-provider-config";
const GATES: &str = "feature-gates";

impl Server {
    pub(super) fn new(form: Form, what: String, span: Span) -> Self {
        Self {
            form,
            what,
            span,
            config: Vec::new(),
            old_flag: Vec::new(),
            reload: Vec::new(),
            misformed: Vec::new(),
            version: None,
            kmsv1: None,
            image: None,
            host_network: None,
            mounts: None,
            made: None,
            own_encryption: None,
        }
    }

    /// Takes one flag, if it is one that matters here.
    fn flag(&mut self, name: &str, value: &str, span: Span) {
        let flag = Flag {
            value: value.to_owned(),
            span,
        };
        match name {
            CONFIG => self.config.push(flag),
            OLD => self.old_flag.push(flag),
            RELOAD => self.reload.push(flag),
            GATES => {
                for gate in value.split(',') {
                    if let Some(on) = gate.trim().strip_prefix("KMSv1=") {
                        self.kmsv1 = on.to_ascii_lowercase().parse().ok();
                    }
                }
            }
            _ => {}
        }
    }

    /// The items of `command` and `args`: `--flag=value`, `--flag` and the value behind it, or a line for a shell.
    pub(super) fn command_line<'n>(
        &mut self,
        document: &Document,
        items: impl Iterator<Item = &'n Node>,
    ) {
        let mut open: Option<(String, Span)> = None;
        for item in items {
            let Some(text) = item.text() else { continue };
            let span = document.span(item.span);
            let inner = text.trim();
            let words: Vec<&str> = if inner.contains(char::is_whitespace) && inner.contains("--") {
                inner.split_whitespace().collect()
            } else {
                vec![inner]
            };
            for word in words {
                let word = word.trim_matches(['"', '\'', '\\']);
                let Some(flag) = word.strip_prefix("--") else {
                    if let Some((name, span)) = open.take() {
                        self.flag(&name, word, span);
                    }
                    continue;
                };
                if let Some((name, span)) = open.take() {
                    self.flag(&name, "", span);
                }
                match flag.split_once('=') {
                    Some((name, value)) => self.flag(name, value, span),
                    // A boolean flag takes no value from the next word.
                    None if flag == RELOAD => self.flag(flag, "", span),
                    None => open = Some((flag.to_owned(), span)),
                }
            }
        }
        if let Some((name, span)) = open {
            self.flag(&name, "", span);
        }
    }

    /// A mapping of names to values (a value may be a list), or a list of `name` and `value`.
    pub(super) fn extra_args(&mut self, document: &Document, args: &Node) {
        let mut found: Vec<(String, String, Span)> = Vec::new();
        for field in args.fields() {
            let values = match field.node.items() {
                [] => vec![&field.node],
                items => items.iter().collect(),
            };
            for value in values {
                let text = value.scalar().unwrap_or_default();
                found.push((
                    field.key.as_str().to_owned(),
                    text,
                    document.span(value.span),
                ));
            }
        }
        for item in args.items() {
            let (Some(name), Some(value)) = (item.word("name"), item.get("value")) else {
                continue;
            };
            let text = value.scalar().unwrap_or_default();
            found.push((name.to_owned(), text, document.span(item.span)));
        }
        for (name, value, span) in found {
            let bare = name.trim_start_matches('-');
            if bare != name && (bare == CONFIG || bare == RELOAD) {
                let message = format!("{name} has dashes: the flag becomes --{name}");
                self.misformed.push((span, message));
            } else {
                self.flag(&name, &value, span);
            }
        }
    }

    /// `name=value` in a list or alone, as k3s takes it.
    pub(super) fn assignments(&mut self, document: &Document, args: &Node) {
        let items = match args.items() {
            [] => vec![args],
            items => items.iter().collect(),
        };
        for item in items {
            let Some(text) = item.text() else { continue };
            let bare = text.trim_start_matches('-');
            let (name, value) = bare.split_once('=').unwrap_or((bare, ""));
            self.flag(name, value, document.span(item.span));
        }
    }

    pub(super) fn set_image(&mut self, document: &Document, image: &Node) {
        let Some(text) = image.text() else { return };
        if self.version.is_none() {
            self.version = tag(text).and_then(|t| t.parse::<Version>().ok());
        }
        self.image = Some((text.to_owned(), document.span(image.span)));
    }
}

/// The tag of an image; none when it has none or is named by its digest.
pub(super) fn tag(image: &str) -> Option<&str> {
    let name = image.split('@').next()?;
    let last = name.rsplit('/').next()?;
    last.split_once(':').map(|(_, tag)| tag)
}

/// Whether the image can be another one tomorrow.
pub(super) fn floats(image: &str) -> bool {
    !image.contains('@') && matches!(tag(image), None | Some("latest" | ""))
}
