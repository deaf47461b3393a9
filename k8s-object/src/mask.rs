//! A document with its values masked: what an object is stays to be seen, what it holds does not.

use alloc::format;
use alloc::vec::Vec;
use core::fmt;

use crate::emit::Emit;

/// What an open map or list is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The object, or an item of a list of objects.
    Object,
    /// Its `metadata`.
    Metadata,
    /// Below something whose values are shown.
    Shown,
    /// Below something whose values are not.
    Hidden,
}

/// Hands on keys, and values of `apiVersion`, `kind`, `type` and `metadata` but for annotations, which often hold a copy of
/// the object. All other values become their sizes.
pub(crate) struct Masked<'o> {
    out: &'o mut dyn Emit,
    open: Vec<Place>,
    /// Where the value of the last key stands.
    next: Place,
}

impl<'o> Masked<'o> {
    pub(crate) fn new(out: &'o mut dyn Emit) -> Self {
        Self {
            out,
            open: Vec::new(),
            next: Place::Object,
        }
    }

    fn place(&self) -> Place {
        match self.open.last() {
            // A list has no keys: its elements stand where it stands.
            None => Place::Object,
            Some(_) => self.next,
        }
    }

    fn enter(&mut self) {
        let place = self.place();
        self.open.push(place);
        self.next = place;
    }

    fn leave(&mut self) {
        self.open.pop();
        self.next = self.open.last().copied().unwrap_or(Place::Object);
    }

    fn is_shown(&self) -> bool {
        !self.open.is_empty() && self.next == Place::Shown
    }
}

impl Emit for Masked<'_> {
    fn begin_map(&mut self) -> fmt::Result {
        self.enter();
        self.out.begin_map()
    }

    fn key(&mut self, key: &str) -> fmt::Result {
        let parent = self.open.last().copied().unwrap_or(Place::Object);
        self.next = match (parent, key) {
            (Place::Object, "metadata") => Place::Metadata,
            (Place::Object, "apiVersion" | "kind" | "type") => Place::Shown,
            (Place::Object, "items") => Place::Object,
            (Place::Object, _) | (Place::Metadata, "annotations") => Place::Hidden,
            (Place::Metadata, _) => Place::Shown,
            (inherited, _) => inherited,
        };
        self.out.key(key)
    }

    fn end_map(&mut self) -> fmt::Result {
        self.leave();
        self.out.end_map()
    }

    fn begin_list(&mut self) -> fmt::Result {
        self.enter();
        self.out.begin_list()
    }

    fn end_list(&mut self) -> fmt::Result {
        self.leave();
        self.out.end_list()
    }

    fn word(&mut self, word: &str) -> fmt::Result {
        if self.is_shown() || word == "null" {
            self.out.word(word)
        } else {
            self.out.text("(masked)")
        }
    }

    fn text(&mut self, text: &str) -> fmt::Result {
        if self.is_shown() {
            return self.out.text(text);
        }
        self.out
            .text(&format!("(masked, {} bytes of text)", text.len()))
    }

    fn bytes(&mut self, bytes: &[u8]) -> fmt::Result {
        if self.is_shown() {
            return self.out.bytes(bytes);
        }
        self.out.text(&format!("(masked, {} bytes)", bytes.len()))
    }
}
