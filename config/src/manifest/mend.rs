//! Changes of a configuration that stands within another file, as edits of that file.

use zeroize::Zeroizing;

use super::{Embedded, Manifest};
use crate::golang::base64_encode;
use crate::lint::{Edit, Fix};
use crate::span::Span;

/// How many bytes may be read again to try changes out, so that a file full of faults ends quickly.
const TRIAL_BYTES: usize = 4 << 20;

/// Turns changes of configurations into changes of the file that holds them.
pub(super) struct Mender<'m> {
    manifest: &'m Manifest,
    file: &'m str,
    left: usize,
}

impl<'m> Mender<'m> {
    pub(super) const fn new(manifest: &'m Manifest, file: &'m str) -> Self {
        Self {
            manifest,
            file,
            left: TRIAL_BYTES,
        }
    }

    /// The change as one of the file; none when the file, read again, would not hold exactly the changed configuration.
    pub(super) fn outer(&mut self, index: usize, fix: &Fix) -> Option<Fix> {
        let embedded = self.manifest.embedded.get(index)?;
        self.left = self.left.checked_sub(self.file.len())?;
        let wanted = Zeroizing::new(fix.apply(embedded.text())?);
        let edits = embedded.edits(fix, &wanted, self.file)?;
        let outer = Fix::new(&fix.title, fix.safety, edits);
        let changed = Zeroizing::new(outer.apply(self.file)?);
        let again = Manifest::read(changed.as_bytes(), &self.manifest.name)?;
        let same = again.embedded.len() == self.manifest.embedded.len()
            && again.embedded.get(index)?.text() == wanted.as_str();
        same.then_some(outer)
    }
}

impl Embedded {
    fn edits(&self, fix: &Fix, wanted: &str, file: &str) -> Option<Vec<Edit>> {
        if !self.is_verbatim() {
            return None;
        }
        if self.lines.is_empty() {
            return self.whole(wanted, file).map(|edit| vec![edit]);
        }
        let indent = self.indent(file)?;
        let edits = fix.edits.iter();
        edits.map(|edit| self.edit(edit, &indent, file)).collect()
    }

    /// The blanks before each line of it in the file.
    fn indent(&self, file: &str) -> Option<String> {
        let width = |at: usize| Some(at - line_begin(file, at)?);
        let first = self.lines.first()?.1;
        let others = self.lines.iter().skip(1);
        let widest = others.filter_map(|(_, at)| width(*at)).max();
        Some(" ".repeat(widest.or_else(|| width(first))?))
    }

    /// One edit, with the indent of the block that it stands in.
    fn edit(&self, edit: &Edit, indent: &str, file: &str) -> Option<Edit> {
        let Span { start, end } = edit.span;
        // Behind the last line end nothing of the block follows, not even its indent.
        let closes = end == self.text().len() && self.text().ends_with('\n');
        let beyond = self.beyond(file)?;
        let starts_line = self.lines.iter().any(|(from, _)| *from == start);
        let at = match self.at(start)? {
            _ if closes && start == end => beyond,
            at if closes && starts_line => line_begin(file, at)?,
            at => at,
        };
        // It may hold keys: enough room at once.
        let lines = edit.text.matches('\n').count().saturating_add(2);
        let room = edit
            .text
            .len()
            .saturating_add(lines.saturating_mul(indent.len()));
        let mut text = Zeroizing::new(String::with_capacity(room));
        let mut begins = closes && (start == end || starts_line);
        for line in edit.text.split_inclusive('\n') {
            if begins && line != "\n" {
                text.push_str(indent);
            }
            text.push_str(line);
            begins = line.ends_with('\n');
        }
        if begins && !closes && !edit.text.is_empty() {
            text.push_str(indent);
        }
        let until = if closes { beyond } else { self.at(end)? };
        Some(Edit {
            span: Span::new(at, until),
            text,
        })
    }

    /// Where the line behind its last one begins in the file.
    fn beyond(&self, file: &str) -> Option<usize> {
        let at = self.lines.last()?.1;
        let rest = file.get(at..)?;
        Some(at + rest.find('\n').map_or(rest.len(), |end| end + 1))
    }

    /// The scalar written anew: base64 in a Secret, otherwise in double quotes.
    fn whole(&self, wanted: &str, file: &str) -> Option<Edit> {
        let raw = self.span().of(file)?;
        let quoted = raw.starts_with(['"', '\'']);
        if raw.contains('\n') && !quoted {
            return None;
        }
        let mut text = Zeroizing::new(String::with_capacity(2 * wanted.len() + 2));
        if self.holder() == Some("Secret") && self.origin().starts_with("data.") {
            let coded = base64_encode(wanted.as_bytes());
            let quote = raw.get(..1).filter(|_| quoted).unwrap_or_default();
            for part in [quote, &coded, quote] {
                text.push_str(part);
            }
        } else {
            if !quoted {
                return None;
            }
            text.push('"');
            for c in wanted.chars() {
                match c {
                    '"' | '\\' => text.extend(['\\', c]),
                    '\n' => text.push_str("\\n"),
                    '\t' => text.push_str("\\t"),
                    c => text.push(c),
                }
            }
            text.push('"');
        }
        Some(Edit {
            span: self.span(),
            text,
        })
    }
}

/// Where the line begins that a place of the file is in.
fn line_begin(file: &str, at: usize) -> Option<usize> {
    Some(file.get(..at)?.rfind('\n').map_or(0, |end| end + 1))
}
