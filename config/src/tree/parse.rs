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
pub(super) enum State {
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
    pub(super) scanner: Scanner<'t>,
    pub(super) state: State,
    pub(super) states: Vec<State>,
    /// Where the open collections began.
    pub(super) marks: Vec<Mark>,
    pub(super) tags: Vec<(String, String)>,
}

pub(super) type Answer = Result<Placed, YamlError>;

pub(super) fn empty(mark: Mark) -> Placed {
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

pub(super) fn closing(event: Event, token: &Token) -> Placed {
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

    pub(super) fn pop(&mut self) {
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

    pub(super) fn close(&mut self, event: Event) -> Answer {
        let token = self.scanner.take()?;
        self.pop();
        self.marks.pop();
        Ok(closing(event, &token))
    }

    pub(super) fn node(&mut self, block: bool, indentless: bool) -> Answer {
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
    pub(super) fn node_or_empty(
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
}

/// What stands before a node's content.
struct Properties {
    start: Mark,
    end: Mark,
    anchor: Option<String>,
    tag: Option<String>,
}
