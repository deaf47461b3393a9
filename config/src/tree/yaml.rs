//! From bytes to YAML nodes: libyaml's events, the first document only, with the refusals libyaml-safer lacks.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::BufReader;

use libyaml_safer::{
    Error, ErrorKind, EventData, MappingStyle, Mark, Parser, ScalarStyle, SequenceStyle,
};
use zeroize::Zeroize as _;

use super::compose::compose;
use super::{MAX_DEPTH, SyntaxError, Text, Tree};
use crate::span::Span;

/// go-yaml reads its input in pieces of this size, so a bad byte further on in the file goes unseen.
const READ_AHEAD: usize = 512;

/// One YAML node as parsed, before anything is resolved. Children are indexes into [`Document::nodes`].
pub(super) struct Parsed {
    pub kind: Kind,
    pub span: Span,
    /// From 0.
    pub line: u64,
    pub tag: Option<String>,
    pub value: Text,
    /// libyaml's "implicit".
    pub plain: bool,
    pub children: Vec<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Scalar,
    Sequence,
    Mapping,
    Alias(usize),
}

/// The first document of a file.
#[derive(Default)]
pub(super) struct Document {
    pub nodes: Vec<Parsed>,
    /// Index of the root.
    pub root: usize,
    pub second_document: Option<usize>,
}

pub(super) fn read(bytes: &[u8]) -> Result<Tree, SyntaxError> {
    let text = decode_utf16(bytes)?;
    let (body, offset) = match text.strip_prefix(b"\xef\xbb\xbf") {
        Some(body) => (body, 3),
        None => (&*text, 0),
    };
    if let Some(at) = tag_before_comma(body) {
        let span = Span::new(at + offset, at + offset + 1);
        return Err(failure(
            "did not find expected whitespace or line break".to_owned(),
            span,
            false,
        ));
    }
    let mut hidden = Hidden::new(body);
    let mut document = loop {
        match Events::new(&hidden.body, offset).document() {
            Err(error) if hidden.colon(&error, offset) => {}
            done => break done?,
        }
    };
    hidden.reveal(&mut document);
    compose(&document)
}

/// libyaml-safer panics on a tag with a comma after it in a flow collection, so none gets there.
fn tag_before_comma(body: &[u8]) -> Option<usize> {
    let mut before = b'\n';
    let mut rest = body;
    let mut at = 0;
    while let [byte, after @ ..] = rest {
        if *byte == b'!'
            && matches!(
                before,
                b' ' | b'\t' | b'\n' | b'\r' | b'[' | b'{' | b',' | b':'
            )
        {
            let tag = after
                .iter()
                .take_while(|b| b.is_ascii_alphanumeric() || b"-_;/?:@&=+$.~*'()%!<>".contains(b))
                .count();
            if after.get(tag) == Some(&b',') {
                return Some(at);
            }
        }
        before = *byte;
        rest = after;
        at += 1;
    }
    None
}

/// Characters that libyaml treats otherwise than go-yaml, with stand-ins of the same length that the text does
/// not use: a byte order mark at the start of a line, which libyaml skips, and a colon within a plain scalar of
/// a flow collection before one of `,?[]{}`, which libyaml refuses.
struct Hidden<'t> {
    body: Cow<'t, [u8]>,
    mark: Option<char>,
    colon: Option<char>,
    colons: usize,
}

/// Each colon costs another reading.
const MAX_COLONS: usize = 32;

impl<'t> Hidden<'t> {
    fn new(body: &'t [u8]) -> Self {
        let (body, mark) = hide_marks(body);
        let unused = "^;$~()=+_/"
            .chars()
            .find(|c| u8::try_from(*c).is_ok_and(|b| !body.contains(&b)));
        Self {
            body,
            mark,
            colon: unused,
            colons: 0,
        }
    }

    /// Hides the colon that an error is about, if it is about one.
    fn colon(&mut self, error: &SyntaxError, offset: usize) -> bool {
        let Some(stand_in) = self.colon.and_then(|c| u8::try_from(c).ok()) else {
            return false;
        };
        if !error.upstream.ends_with("found unexpected ':'") || self.colons >= MAX_COLONS {
            return false;
        }
        self.colons += 1;
        match self
            .body
            .to_mut()
            .get_mut(error.span.start.saturating_sub(offset))
        {
            Some(byte) if *byte == b':' => {
                *byte = stand_in;
                true
            }
            _ => false,
        }
    }

    fn reveal(&self, document: &mut Document) {
        let colon = self.colon.filter(|_| self.colons > 0);
        for (stand_in, real) in [(self.mark, BYTE_ORDER_MARK), (colon, ":")] {
            let Some(stand_in) = stand_in else { continue };
            for node in document
                .nodes
                .iter_mut()
                .filter(|n| n.value.contains(stand_in))
            {
                node.value = Text::new(node.value.replace(stand_in, real));
            }
        }
    }
}

const BYTE_ORDER_MARK: &str = "\u{feff}";

fn hide_marks(body: &[u8]) -> (Cow<'_, [u8]>, Option<char>) {
    let has = |c: &str| body.windows(3).any(|w| w == c.as_bytes());
    if !has(BYTE_ORDER_MARK) {
        return (Cow::Borrowed(body), None);
    }
    let Some(stand_in) = ('\u{e000}'..'\u{e400}').find(|c| !has(c.encode_utf8(&mut [0; 4]))) else {
        return (Cow::Borrowed(body), None);
    };
    let mut bytes = body.to_vec();
    let mut at = 0;
    while let Some(window) = bytes.get_mut(at..at + 3) {
        if window == BYTE_ORDER_MARK.as_bytes() {
            stand_in.encode_utf8(window);
        }
        at += 1;
    }
    (Cow::Owned(bytes), Some(stand_in))
}

/// go-yaml takes UTF-16 with a byte order mark.
fn decode_utf16(bytes: &[u8]) -> Result<Cow<'_, [u8]>, SyntaxError> {
    let big = bytes.starts_with(b"\xfe\xff");
    if !big && !bytes.starts_with(b"\xff\xfe") {
        return Ok(Cow::Borrowed(bytes));
    }
    let refuse = |problem: &str| failure(problem.to_owned(), Span::default(), false);
    let (pairs, rest) = bytes.get(2..).unwrap_or_default().as_chunks::<2>();
    if !rest.is_empty() {
        return Err(refuse("incomplete UTF-16 character"));
    }
    let units = pairs.iter().map(|pair| {
        if big {
            u16::from_be_bytes(*pair)
        } else {
            u16::from_le_bytes(*pair)
        }
    });
    let text: Result<String, _> = char::decode_utf16(units).collect();
    text.map(|text| Cow::Owned(text.into_bytes()))
        .map_err(|_| refuse("unexpected low surrogate area"))
}

/// A go-yaml error: its text with the prefix that it always has.
pub(super) fn failure(problem: String, span: Span, exact: bool) -> SyntaxError {
    SyntaxError {
        upstream: format!("yaml: {problem}"),
        exact,
        redacted: false,
        span,
    }
}

struct Events<'t> {
    parser: Parser<BufReader<&'t [u8]>>,
    text: &'t [u8],
    /// Bytes of the file before `text`.
    offset: usize,
}

/// A collection whose end has not been met.
struct Open {
    node: usize,
    flow: bool,
}

impl<'t> Events<'t> {
    fn new(text: &'t [u8], offset: usize) -> Self {
        let mut parser = Parser::new();
        parser.set_input(BufReader::with_capacity(READ_AHEAD, text));
        Self {
            parser,
            text,
            offset,
        }
    }

    fn at(&self, mark: Mark) -> usize {
        usize::try_from(mark.index)
            .unwrap_or(usize::MAX)
            .min(self.text.len())
            + self.offset
    }

    fn refuse(&self, problem: &str, mark: Mark) -> SyntaxError {
        let at = self.at(mark);
        let line = if mark.line == 0 {
            String::new()
        } else {
            format!("line {}: ", mark.line + 1)
        };
        failure(format!("{line}{problem}"), Span::new(at, at), false)
    }

    /// go-yaml's own way of naming the line, which is sometimes one short.
    fn error(&self, error: &Error) -> SyntaxError {
        let line = match (error.problem_mark(), error.context_mark()) {
            (Some(mark), _) if mark.line != 0 => Some(if error.kind() == ErrorKind::Scanner {
                mark.line + 1
            } else {
                mark.line
            }),
            (_, Some(mark)) if mark.line != 0 => Some(mark.line),
            _ => None,
        };
        let place = line.map_or_else(String::new, |line| format!("line {line}: "));
        let at = error
            .problem_mark()
            .map_or(self.offset, |mark| self.at(mark));
        failure(
            format!("{place}{}", error.problem()),
            Span::new(at, at),
            true,
        )
    }

    fn document(mut self) -> Result<Document, SyntaxError> {
        let mut document = Document::default();
        let mut anchors: BTreeMap<String, usize> = BTreeMap::new();
        let mut open: Vec<Open> = Vec::new();
        loop {
            let event = self.parser.parse().map_err(|e| self.error(&e))?;
            let span = Span::new(self.at(event.start_mark), self.at(event.end_mark));
            let line = event.start_mark.line;
            let mut node = Parsed {
                kind: Kind::Scalar,
                span,
                line,
                tag: None,
                value: Text::default(),
                plain: false,
                children: Vec::new(),
            };
            let mut opens = None;
            let anchor = match event.data {
                EventData::StreamEnd => return Ok(document),
                EventData::DocumentStart {
                    version_directive, ..
                } => {
                    if version_directive.is_some_and(|v| (v.major, v.minor) != (1, 1)) {
                        return Err(
                            self.refuse("found incompatible YAML document", event.start_mark)
                        );
                    }
                    continue;
                }
                EventData::StreamStart { .. } => continue,
                EventData::DocumentEnd { .. } => {
                    document.second_document = self.another_document();
                    return Ok(document);
                }
                EventData::SequenceEnd | EventData::MappingEnd => {
                    let Some(done) = open.pop() else { continue };
                    if let Some(node) = document.nodes.get_mut(done.node) {
                        node.span.end = span.end.max(node.span.start);
                    }
                    if done.node == 1 && done.flow && self.is_lost_key(&document) {
                        document.root = 1;
                        return Ok(document);
                    }
                    continue;
                }
                EventData::Alias { anchor } => {
                    let Some(target) = anchors.get(&anchor) else {
                        return Err(failure(
                            format!("unknown anchor '{anchor}' referenced"),
                            span,
                            true,
                        ));
                    };
                    node.kind = Kind::Alias(*target);
                    node.value = Text::new(anchor);
                    None
                }
                EventData::Scalar {
                    anchor,
                    tag,
                    mut value,
                    plain_implicit,
                    style,
                    ..
                } => {
                    let in_flow = open.last().is_some_and(|o| o.flow);
                    self.check_scalar(&value, style, in_flow, (event.start_mark, event.end_mark))?;
                    node.value.push_str(&value);
                    value.zeroize();
                    node.tag = tag;
                    node.plain = plain_implicit;
                    anchor
                }
                EventData::SequenceStart { anchor, style, .. } => {
                    node.kind = Kind::Sequence;
                    opens = Some(style == SequenceStyle::Flow);
                    anchor
                }
                EventData::MappingStart { anchor, style, .. } => {
                    node.kind = Kind::Mapping;
                    opens = Some(style == MappingStyle::Flow);
                    anchor
                }
            };
            let index = document.nodes.len();
            if let Some(anchor) = anchor {
                anchors.insert(anchor, index);
            }
            document.nodes.push(node);
            if let Some(parent) = open.last().and_then(|o| document.nodes.get_mut(o.node)) {
                parent.children.push(index);
            }
            if let Some(flow) = opens {
                if open.len() >= MAX_DEPTH {
                    return Err(self.refuse(
                        &format!("nesting deeper than {MAX_DEPTH} levels"),
                        event.start_mark,
                    ));
                }
                open.push(Open { node: index, flow });
            }
        }
    }

    /// go-yaml forgets that a flow collection at the very start could be a key when no simple key follows its
    /// bracket: of `[]: 1` it reads `[]`.
    fn is_lost_key(&self, document: &Document) -> bool {
        let [root, key, ..] = document.nodes.as_slice() else {
            return false;
        };
        let at = key.span.start.saturating_sub(self.offset);
        let Some((before, [b'[' | b'{', inside @ ..])) = self.text.split_at_checked(at) else {
            return false;
        };
        let next = inside.iter().find(|b| !b.is_ascii_whitespace());
        root.kind == Kind::Mapping
            && root.span.start == key.span.start
            && !before.contains(&b'?')
            && matches!(next, Some(b']' | b'}' | b'?'))
    }

    /// Looks one event further for the advice that later documents are ignored; upstream never looks.
    fn another_document(&mut self) -> Option<usize> {
        let event = self.parser.parse().ok()?;
        matches!(event.data, EventData::DocumentStart { .. }).then(|| self.at(event.start_mark))
    }

    /// go-yaml refuses `\/` in double quotes and `?` inside a plain scalar of a flow collection.
    fn check_scalar(
        &self,
        value: &str,
        style: ScalarStyle,
        in_flow: bool,
        marks: (Mark, Mark),
    ) -> Result<(), SyntaxError> {
        let (start, end) = marks;
        if style == ScalarStyle::Plain && in_flow && value.contains('?') {
            return Err(self.refuse("did not find expected ',' or ']'", start));
        }
        if style == ScalarStyle::DoubleQuoted && value.contains('/') {
            let place = self.at(start).saturating_sub(self.offset)
                ..self.at(end).saturating_sub(self.offset);
            let mut raw = self.text.get(place).unwrap_or_default().iter();
            while let Some(byte) = raw.next() {
                if *byte == b'\\' && raw.next() == Some(&b'/') {
                    return Err(self.refuse("found unknown escape character", start));
                }
            }
        }
        Ok(())
    }
}
