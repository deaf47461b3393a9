//! Where documents begin and end, and their directives.

use super::parse::{Answer, Event, Parser, Placed, State, empty};
use super::reader::Mark;
use super::scan::Kind;
use super::yaml::YamlError;

impl Parser<'_> {
    pub(super) fn document_start(&mut self, implicit: bool) -> Answer {
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

    pub(super) fn document_content(&mut self) -> Answer {
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

    pub(super) fn document_end(&mut self) -> Answer {
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
}
