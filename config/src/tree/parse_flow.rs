//! Collections in brackets and braces.

use super::parse::{Answer, Event, Parser, State, closing, empty};
use super::scan::Kind;
use super::yaml::YamlError;

impl Parser<'_> {
    pub(super) fn flow_sequence(&mut self, first: bool) -> Answer {
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

    pub(super) fn flow_pair_key(&mut self) -> Answer {
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

    pub(super) fn flow_pair_value(&mut self) -> Answer {
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

    pub(super) fn flow_mapping(&mut self, first: bool) -> Answer {
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

    pub(super) fn flow_mapping_value(&mut self) -> Answer {
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
