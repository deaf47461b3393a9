//! JSON text as events, keys in the order of the text.

use alloc::format;
use core::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::emit::Emit;
use crate::render::Unrendered;

/// Hands a whole JSON text on. serde_json bounds its own recursion.
pub(crate) fn replay(text: &[u8], out: &mut dyn Emit) -> Result<(), Unrendered> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    Replay(out)
        .deserialize(&mut reader)
        .and_then(|()| reader.end())
        .map_err(|_| Unrendered::Damaged("its JSON text is not well-formed"))
}

/// As Go writes floats where they are whole.
pub(crate) fn float(number: f64, out: &mut dyn Emit) -> fmt::Result {
    if number.abs() < 1e15 && number % 1.0 == 0.0 {
        return out.word(&format!("{number:.0}"));
    }
    out.word(&format!("{number:?}"))
}

struct Replay<'o>(&'o mut dyn Emit);

impl<'de> DeserializeSeed<'de> for Replay<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

fn done<E: Error>(written: fmt::Result) -> Result<(), E> {
    written.map_err(E::custom)
}

impl<'de> Visitor<'de> for Replay<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        done(self.0.word("null"))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        done(self.0.word(if value { "true" } else { "false" }))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        done(self.0.word(&format!("{value}")))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        done(self.0.word(&format!("{value}")))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        done(float(value, self.0))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        done(self.0.text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        done(self.0.begin_list())?;
        while list.next_element_seed(Replay(&mut *self.0))?.is_some() {}
        done(self.0.end_list())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        done(self.0.begin_map())?;
        while map.next_key_seed(Key(&mut *self.0))?.is_some() {
            map.next_value_seed(Replay(&mut *self.0))?;
        }
        done(self.0.end_map())
    }
}

struct Key<'o>(&'o mut dyn Emit);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<(), E> {
        done(self.0.key(key))
    }
}
