//! What to do about a line of kube-apiserver's log: cause, check and cure for every text it has.

mod codes;
mod hazards;
mod loading;
mod plugin;
mod stored;

pub use codes::{ERROR_CODES, ErrorCode};
pub use hazards::{HAZARD_CODES, HazardCode};

/// Advice for one text.
#[derive(Debug)]
#[non_exhaustive]
pub struct ErrorAdvice {
    /// The text; `…` stands for what varies.
    pub text: &'static str,
    /// What has happened.
    pub cause: &'static str,
    /// How to make sure.
    pub check: &'static str,
    /// What to do.
    pub cure: &'static str,
}

const fn advice(
    text: &'static str,
    cause: &'static str,
    check: &'static str,
    cure: &'static str,
) -> ErrorAdvice {
    ErrorAdvice {
        text,
        cause,
        check,
        cure,
    }
}

/// All texts.
pub fn error_texts() -> impl Iterator<Item = &'static ErrorAdvice> {
    stored::TEXTS
        .iter()
        .chain(plugin::TEXTS)
        .chain(loading::TEXTS)
}

/// The advice for a pasted line: every known text that occurs in it, the most specific first.
#[must_use]
pub fn explain_error(line: &str) -> Vec<&'static ErrorAdvice> {
    // Log lines come with quotes escaped.
    let line = line.replace("\\\"", "\"").to_lowercase();
    let mut found: Vec<&ErrorAdvice> = error_texts().filter(|a| occurs(&line, a.text)).collect();
    found.sort_by_key(|a| core::cmp::Reverse(a.text.len()));
    found
}

/// Whether the fixed parts of a text occur in order.
fn occurs(line: &str, text: &str) -> bool {
    let mut rest = line;
    for part in text.split('…') {
        let part = part.to_lowercase();
        match rest.find(&part).and_then(|at| rest.get(at + part.len()..)) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    true
}
