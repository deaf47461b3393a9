//! YAML events from tokens: libyaml's state machine, as go-yaml v2 has it.

use super::Text;
use super::reader::Mark;
use super::scan::{Kind, Scanner, Token};
use super::yaml::YamlError;

/// What an event is.
#[derive(Debug)]
pub(super) enum Event {
    StreamStart,
    StreamEnd,
    DocumentStart,
    DocumentEnd,
    Alias(String),
    Scalar {
        anchor: Option<String>,
        tag: Option<String>,
        value: Text,
        plain: bool,
    },
    SequenceStart {
        anchor: Option<String>,
    },
    MappingStart {
        anchor: Option<String>,
    },
    SequenceEnd,
    MappingEnd,
}

/// An event and its place.
#[derive(Debug)]
pub(super) struct Placed {
    pub event: Event,
    pub start: Mark,
    pub end: Mark,
}

#[derive(Clone, Copy, Debug)]
enum State {
    StreamStart,
    ImplicitDocumentStart,
    DocumentStart,
    DocumentContent,
    DocumentEnd,
    BlockNode,
    BlockSequenceFirst,
    BlockSequence,
    IndentlessSequence,
    BlockMappingFirst,
    BlockMapping,
    BlockMappingValue,
    FlowSequenceFirst,
    FlowSequence,
    FlowPairKey,
    FlowPairValue,
    FlowPairEnd,
    FlowMappingFirst,
    FlowMapping,
    FlowMappingValue,
    FlowMappingEmptyValue,
    End,
}

pub(super) struct Parser<'t> {
    scanner: Scanner<'t>,
    state: State,
    states: Vec<State>,
    /// Where the open collections began.
    marks: Vec<Mark>,
    tags: Vec<(String, String)>,
}

type Answer = Result<Placed, YamlError>;

fn empty(mark: Mark) -> Placed {
    let event = Event::Scalar {
        anchor: None,
        tag: None,
        value: Text::default(),
        plain: true,
    };
    Placed {
        event,
        start: mark,
        end: mark,
    }
}

fn closing(event: Event, token: &Token) -> Placed {
    Placed {
        event,
        start: token.start,
        end: token.end,
    }
}

impl<'t> Parser<'t> {
    pub(super) fn new(text: &'t [u8]) -> Self {
        Self {
            scanner: Scanner::new(text),
            state: State::StreamStart,
            states: Vec::new(),
            marks: Vec::new(),
            tags: Vec::new(),
        }
    }

    fn pop(&mut self) {
        self.state = self.states.pop().unwrap_or(State::End);
    }

    /// The next event.
    pub(super) fn next(&mut self) -> Answer {
        match self.state {
            State::StreamStart => {
                let token = self.scanner.take()?;
                self.state = State::ImplicitDocumentStart;
                Ok(closing(Event::StreamStart, &token))
            }
            State::ImplicitDocumentStart => self.document_start(true),
            State::DocumentStart => self.document_start(false),
            State::DocumentContent => self.document_content(),
            State::DocumentEnd => self.document_end(),
            State::BlockNode => self.node(true, false),
            State::BlockSequenceFirst => {
                self.open()?;
                self.block_sequence()
            }
            State::BlockSequence => self.block_sequence(),
            State::IndentlessSequence => self.indentless_sequence(),
            State::BlockMappingFirst => {
                self.open()?;
                self.block_mapping()
            }
            State::BlockMapping => self.block_mapping(),
            State::BlockMappingValue => self.block_mapping_value(),
            State::FlowSequenceFirst => {
                self.open()?;
                self.flow_sequence(true)
            }
            State::FlowSequence => self.flow_sequence(false),
            State::FlowPairKey => self.flow_pair_key(),
            State::FlowPairValue => self.flow_pair_value(),
            State::FlowPairEnd => {
                let mark = self.scanner.peek()?.start;
                self.state = State::FlowSequence;
                Ok(Placed {
                    event: Event::MappingEnd,
                    start: mark,
                    end: mark,
                })
            }
            State::FlowMappingFirst => {
                self.open()?;
                self.flow_mapping(true)
            }
            State::FlowMapping => self.flow_mapping(false),
            State::FlowMappingValue => self.flow_mapping_value(),
            State::FlowMappingEmptyValue => {
                let mark = self.scanner.peek()?.start;
                self.state = State::FlowMapping;
                Ok(empty(mark))
            }
            State::End => Ok(Placed {
                event: Event::StreamEnd,
                start: Mark::default(),
                end: Mark::default(),
            }),
        }
    }

    /// Takes the token that opens a collection.
    fn open(&mut self) -> Result<(), YamlError> {
        let token = self.scanner.take()?;
        self.marks.push(token.start);
        Ok(())
    }

    fn close(&mut self, event: Event) -> Answer {
        let token = self.scanner.take()?;
        self.pop();
        self.marks.pop();
        Ok(closing(event, &token))
    }

    fn document_start(&mut self, implicit: bool) -> Answer {
        if !implicit {
            while matches!(self.scanner.peek()?.kind, Kind::DocumentEnd) {
                self.scanner.take()?;
            }
        }
        let token = self.scanner.peek()?;
        let (start, end) = (token.start, token.end);
        match token.kind {
            Kind::StreamEnd => {
                self.scanner.take()?;
                self.state = State::End;
                Ok(Placed {
                    event: Event::StreamEnd,
                    start,
                    end,
                })
            }
            Kind::Version(..) | Kind::TagDirective { .. } | Kind::DocumentStart => {
                self.explicit_document(start)
            }
            _ if !implicit => self.explicit_document(start),
            _ => {
                self.directives()?;
                self.states.push(State::DocumentEnd);
                self.state = State::BlockNode;
                Ok(Placed {
                    event: Event::DocumentStart,
                    start,
                    end,
                })
            }
        }
    }

    fn explicit_document(&mut self, start: Mark) -> Answer {
        self.directives()?;
        let token = self.scanner.peek()?;
        if !matches!(token.kind, Kind::DocumentStart) {
            return Err(YamlError::parser(
                "did not find expected <document start>",
                token.start,
                None,
            ));
        }
        let token = self.scanner.take()?;
        self.states.push(State::DocumentEnd);
        self.state = State::DocumentContent;
        Ok(Placed {
            event: Event::DocumentStart,
            start,
            end: token.end,
        })
    }

    fn directives(&mut self) -> Result<(), YamlError> {
        let mut versioned = false;
        loop {
            let token = self.scanner.peek()?;
            let start = token.start;
            match &token.kind {
                Kind::Version(..) if versioned => {
                    return Err(YamlError::parser(
                        "found duplicate %YAML directive",
                        start,
                        None,
                    ));
                }
                Kind::Version(1, 1) => versioned = true,
                Kind::Version(..) => {
                    return Err(YamlError::parser(
                        "found incompatible YAML document",
                        start,
                        None,
                    ));
                }
                Kind::TagDirective { handle, prefix } => {
                    if self.tags.iter().any(|(known, _)| known == handle) {
                        return Err(YamlError::parser(
                            "found duplicate %TAG directive",
                            start,
                            None,
                        ));
                    }
                    self.tags.push((handle.clone(), prefix.clone()));
                }
                _ => break,
            }
            self.scanner.take()?;
        }
        for (handle, prefix) in [("!", "!"), ("!!", "tag:yaml.org,2002:")] {
            if !self.tags.iter().any(|(known, _)| known == handle) {
                self.tags.push((handle.to_owned(), prefix.to_owned()));
            }
        }
        Ok(())
    }

    fn document_content(&mut self) -> Answer {
        let token = self.scanner.peek()?;
        let start = token.start;
        match token.kind {
            Kind::Version(..)
            | Kind::TagDirective { .. }
            | Kind::DocumentStart
            | Kind::DocumentEnd
            | Kind::StreamEnd => {
                self.pop();
                Ok(empty(start))
            }
            _ => self.node(true, false),
        }
    }

    fn document_end(&mut self) -> Answer {
        let token = self.scanner.peek()?;
        let (start, mut end) = (token.start, token.start);
        if matches!(token.kind, Kind::DocumentEnd) {
            end = token.end;
            self.scanner.take()?;
        }
        self.tags.clear();
        self.state = State::DocumentStart;
        Ok(Placed {
            event: Event::DocumentEnd,
            start,
            end,
        })
    }

    fn node(&mut self, block: bool, indentless: bool) -> Answer {
        if matches!(self.scanner.peek()?.kind, Kind::Alias(_)) {
            let Token {
                kind: Kind::Alias(name),
                start,
                end,
            } = self.scanner.take()?
            else {
                return Err(YamlError::reader("unexpected token"));
            };
            self.pop();
            return Ok(Placed {
                event: Event::Alias(name),
                start,
                end,
            });
        }
        let start = self.scanner.peek()?.start;
        let mut end = start;
        let mut anchor = None;
        let mut tag = None;
        // One of each, in any order.
        loop {
            match &self.scanner.peek()?.kind {
                Kind::Anchor(_) if anchor.is_none() => {}
                Kind::Tag { .. } if tag.is_none() => {}
                _ => break,
            }
            let token = self.scanner.take()?;
            end = token.end;
            match token.kind {
                Kind::Anchor(name) => anchor = Some(name),
                Kind::Tag { handle, suffix } => tag = Some((handle, suffix, token.start)),
                _ => {}
            }
        }
        let tag = match tag {
            None => None,
            Some((handle, suffix, _)) if handle.is_empty() => Some(suffix),
            Some((handle, suffix, mark)) => {
                match self.tags.iter().find(|(known, _)| *known == handle) {
                    Some((_, prefix)) => Some(format!("{prefix}{suffix}")),
                    None => {
                        return Err(YamlError::parser(
                            "found undefined tag handle",
                            mark,
                            Some(start),
                        ));
                    }
                }
            }
        };
        self.content(
            Properties {
                start,
                end,
                anchor,
                tag,
            },
            block,
            indentless,
        )
    }

    fn content(&mut self, node: Properties, block: bool, indentless: bool) -> Answer {
        let Properties {
            start,
            end,
            anchor,
            tag,
        } = node;
        let token = self.scanner.peek()?;
        let token_end = token.end;
        let sequence = match token.kind {
            Kind::BlockEntry if indentless => Some(State::IndentlessSequence),
            Kind::FlowSequenceStart => Some(State::FlowSequenceFirst),
            Kind::BlockSequenceStart if block => Some(State::BlockSequenceFirst),
            _ => None,
        };
        if let Some(state) = sequence {
            self.state = state;
            return Ok(Placed {
                event: Event::SequenceStart { anchor },
                start,
                end: token_end,
            });
        }
        let mapping = match token.kind {
            Kind::FlowMappingStart => Some(State::FlowMappingFirst),
            Kind::BlockMappingStart if block => Some(State::BlockMappingFirst),
            _ => None,
        };
        if let Some(state) = mapping {
            self.state = state;
            return Ok(Placed {
                event: Event::MappingStart { anchor },
                start,
                end: token_end,
            });
        }
        if matches!(token.kind, Kind::Scalar { .. }) {
            let Token {
                kind: Kind::Scalar { value, plain },
                end,
                ..
            } = self.scanner.take()?
            else {
                return Err(YamlError::reader("unexpected token"));
            };
            self.pop();
            let plain = (tag.is_none() && plain) || tag.as_deref() == Some("!");
            return Ok(Placed {
                event: Event::Scalar {
                    anchor,
                    tag,
                    value,
                    plain,
                },
                start,
                end,
            });
        }
        if anchor.is_some() || tag.is_some() {
            self.pop();
            let plain = tag.is_none();
            return Ok(Placed {
                event: Event::Scalar {
                    anchor,
                    tag,
                    value: Text::default(),
                    plain,
                },
                start,
                end,
            });
        }
        Err(YamlError::parser(
            "did not find expected node content",
            token.start,
            Some(start),
        ))
    }

    /// A node, or an empty scalar when the next token belongs to the collection around.
    fn node_or_empty(
        &mut self,
        here: State,
        mark: Mark,
        block: bool,
        ends: fn(&Kind) -> bool,
    ) -> Answer {
        if ends(&self.scanner.peek()?.kind) {
            self.state = here;
            return Ok(empty(mark));
        }
        self.states.push(here);
        self.node(block, false)
    }

    fn block_sequence(&mut self) -> Answer {
        let token = self.scanner.peek()?;
        match token.kind {
            Kind::BlockEntry => {
                let mark = self.scanner.take()?.end;
                self.node_or_empty(State::BlockSequence, mark, true, |k| {
                    matches!(k, Kind::BlockEntry | Kind::BlockEnd)
                })
            }
            Kind::BlockEnd => self.close(Event::SequenceEnd),
            _ => {
                let mark = token.start;
                Err(YamlError::parser(
                    "did not find expected '-' indicator",
                    mark,
                    self.marks.pop(),
                ))
            }
        }
    }

    fn indentless_sequence(&mut self) -> Answer {
        let token = self.scanner.peek()?;
        let mark = token.start;
        if matches!(token.kind, Kind::BlockEntry) {
            let mark = self.scanner.take()?.end;
            return self.node_or_empty(State::IndentlessSequence, mark, true, |k| {
                matches!(
                    k,
                    Kind::BlockEntry | Kind::Key | Kind::Value | Kind::BlockEnd
                )
            });
        }
        self.pop();
        Ok(Placed {
            event: Event::SequenceEnd,
            start: mark,
            end: mark,
        })
    }

    fn block_mapping(&mut self) -> Answer {
        let token = self.scanner.peek()?;
        match token.kind {
            Kind::Key => {
                let mark = self.scanner.take()?.end;
                if matches!(
                    self.scanner.peek()?.kind,
                    Kind::Key | Kind::Value | Kind::BlockEnd
                ) {
                    self.state = State::BlockMappingValue;
                    return Ok(empty(mark));
                }
                self.states.push(State::BlockMappingValue);
                self.node(true, true)
            }
            Kind::BlockEnd => self.close(Event::MappingEnd),
            _ => {
                let mark = token.start;
                Err(YamlError::parser(
                    "did not find expected key",
                    mark,
                    self.marks.pop(),
                ))
            }
        }
    }

    fn block_mapping_value(&mut self) -> Answer {
        let token = self.scanner.peek()?;
        let mark = token.start;
        self.state = State::BlockMapping;
        if !matches!(token.kind, Kind::Value) {
            return Ok(empty(mark));
        }
        let mark = self.scanner.take()?.end;
        if matches!(
            self.scanner.peek()?.kind,
            Kind::Key | Kind::Value | Kind::BlockEnd
        ) {
            return Ok(empty(mark));
        }
        self.states.push(State::BlockMapping);
        self.node(true, true)
    }

    fn flow_sequence(&mut self, first: bool) -> Answer {
        if !matches!(self.scanner.peek()?.kind, Kind::FlowSequenceEnd) {
            if !first {
                self.flow_entry("did not find expected ',' or ']'")?;
            }
            let token = self.scanner.peek()?;
            match token.kind {
                Kind::Key => {
                    let token = self.scanner.take()?;
                    self.state = State::FlowPairKey;
                    return Ok(closing(Event::MappingStart { anchor: None }, &token));
                }
                Kind::FlowSequenceEnd => {}
                _ => {
                    self.states.push(State::FlowSequence);
                    return self.node(false, false);
                }
            }
        }
        self.close(Event::SequenceEnd)
    }

    fn flow_entry(&mut self, problem: &'static str) -> Result<(), YamlError> {
        let token = self.scanner.peek()?;
        if !matches!(token.kind, Kind::FlowEntry) {
            let mark = token.start;
            return Err(YamlError::parser(problem, mark, self.marks.pop()));
        }
        self.scanner.take().map(drop)
    }

    fn flow_pair_key(&mut self) -> Answer {
        if matches!(
            self.scanner.peek()?.kind,
            Kind::Value | Kind::FlowEntry | Kind::FlowSequenceEnd
        ) {
            // Upstream takes the token here, whatever it is.
            let mark = self.scanner.take()?.end;
            self.state = State::FlowPairValue;
            return Ok(empty(mark));
        }
        self.states.push(State::FlowPairValue);
        self.node(false, false)
    }

    fn flow_pair_value(&mut self) -> Answer {
        let mark = self.scanner.peek()?.start;
        if matches!(self.scanner.peek()?.kind, Kind::Value) {
            self.scanner.take()?;
            if !matches!(
                self.scanner.peek()?.kind,
                Kind::FlowEntry | Kind::FlowSequenceEnd
            ) {
                self.states.push(State::FlowPairEnd);
                return self.node(false, false);
            }
        }
        self.state = State::FlowPairEnd;
        Ok(empty(mark))
    }

    fn flow_mapping(&mut self, first: bool) -> Answer {
        if !matches!(self.scanner.peek()?.kind, Kind::FlowMappingEnd) {
            if !first {
                self.flow_entry("did not find expected ',' or '}'")?;
            }
            match self.scanner.peek()?.kind {
                Kind::Key => {
                    self.scanner.take()?;
                    let mark = self.scanner.peek()?.start;
                    return self.node_or_empty(State::FlowMappingValue, mark, false, |k| {
                        matches!(k, Kind::Value | Kind::FlowEntry | Kind::FlowMappingEnd)
                    });
                }
                Kind::FlowMappingEnd => {}
                _ => {
                    self.states.push(State::FlowMappingEmptyValue);
                    return self.node(false, false);
                }
            }
        }
        self.close(Event::MappingEnd)
    }

    fn flow_mapping_value(&mut self) -> Answer {
        if matches!(self.scanner.peek()?.kind, Kind::Value) {
            self.scanner.take()?;
            let mark = self.scanner.peek()?.start;
            return self.node_or_empty(State::FlowMapping, mark, false, |k| {
                matches!(k, Kind::FlowEntry | Kind::FlowMappingEnd)
            });
        }
        let mark = self.scanner.peek()?.start;
        self.state = State::FlowMapping;
        Ok(empty(mark))
    }
}

/// What stands before a node's content.
struct Properties {
    start: Mark,
    end: Mark,
    anchor: Option<String>,
    tag: Option<String>,
}
