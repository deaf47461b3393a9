//! Stored values as people have them at hand: what etcdctl printed, the dump of some tool, hex, base64, or the bytes.
//!
//! One reader for the command and the page. It would rather recognise nothing than a wrong value: a dump has to be whole and
//! in order, and where it has a column of text, that has to fit the bytes.

mod dump;
mod etcdctl;

use base64ct::{Base64, Encoding};

use dump::Dump;

/// No stored value is larger than what etcd takes in a request; a dump may claim more in a line.
const MOST: usize = 64 << 20;

/// How a value was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Form {
    /// The bytes themselves.
    Raw,
    /// Hexadecimal digits, as they are or as a shell, C, PostgreSQL or MySQL writes them.
    Hex,
    /// `xxd`, `hexdump` or `od`.
    Hexdump,
    /// Standard base64.
    Base64,
    /// `etcdctl get -w json`, or etcd's JSON gateway.
    EtcdctlJson,
    /// `etcdctl get -w fields`.
    EtcdctlFields,
    /// `etcdctl get --hex`.
    EtcdctlHex,
    /// `etcdctl get` of one key.
    Etcdctl,
}

impl Form {
    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Hex => "hex",
            Self::Hexdump => "hexdump",
            Self::Base64 => "base64",
            Self::EtcdctlJson => "etcdctl-json",
            Self::EtcdctlFields => "etcdctl-fields",
            Self::EtcdctlHex => "etcdctl --hex",
            Self::Etcdctl => "etcdctl",
        }
    }
}

/// A stored value, and how it was given.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pasted {
    /// The value.
    pub stored: Vec<u8>,
    /// How it was written.
    pub form: Form,
    /// Its etcd key, where that was given too.
    pub etcd_key: Option<Vec<u8>>,
    /// The revision that wrote it, where that was given too.
    pub mod_revision: Option<i64>,
}

/// A stored value may be plaintext: only sizes are shown.
impl core::fmt::Debug for Pasted {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (form, length) = (self.form.name(), self.stored.len());
        write!(f, "Pasted({form}, {length} bytes)")
    }
}

impl Pasted {
    /// The bytes themselves.
    #[must_use]
    pub fn raw(stored: Vec<u8>) -> Self {
        Self::new(stored, Form::Raw)
    }

    fn new(stored: Vec<u8>, form: Form) -> Self {
        Self {
            stored,
            form,
            etcd_key: None,
            mod_revision: None,
        }
    }
}

/// The stored values in a text. `None` when it is of no known form, which may be a value in raw bytes; an empty list when
/// etcdctl found no key.
#[must_use]
pub fn pasted(data: &[u8]) -> Option<Vec<Pasted>> {
    if let Some(answered) = etcdctl::json(data).or_else(|| etcdctl::fields(data)) {
        return Some(answered);
    }
    match dump::read(data) {
        Dump::Whole(bytes) => return Some(dumped(bytes)),
        // Offsets would be taken for bytes.
        Dump::Broken => return None,
        Dump::None => {}
    }
    if let Some(values) = etcdctl::hex(data) {
        return Some(values);
    }
    if let Some(found) = hex(data) {
        // No value of Kubernetes begins with a zero byte: more likely a dump whose first lines are missing.
        return one(Some(found).filter(|found| found.stored.first() != Some(&0)));
    }
    // What begins with a slash is an etcd key rather than base64.
    let found = base64(data).filter(|_| !data.trim_ascii_start().starts_with(b"/"));
    one(found.or_else(|| etcdctl::plain(data)))
}

/// The stored values in a text that somebody says is of this form; `None` when it is not. Hexadecimal digits and dumps go by
/// the same name.
#[must_use]
pub fn pasted_as(data: &[u8], form: Form) -> Option<Vec<Pasted>> {
    match form {
        Form::Raw => Some(vec![Pasted::raw(data.to_vec())]),
        Form::Hex | Form::Hexdump | Form::EtcdctlHex => match dump::read(data) {
            Dump::Whole(bytes) => Some(dumped(bytes)),
            Dump::Broken => None,
            Dump::None => etcdctl::hex(data).or_else(|| one(hex(data))),
        },
        Form::Base64 => one(base64(data)),
        Form::EtcdctlJson => etcdctl::json(data),
        Form::Etcdctl | Form::EtcdctlFields => {
            etcdctl::fields(data).or_else(|| one(etcdctl::plain(data)))
        }
    }
}

fn one(found: Option<Pasted>) -> Option<Vec<Pasted>> {
    found.map(|found| vec![found])
}

/// What was dumped is a value, or the key's line and the value that `etcdctl get` prints.
fn dumped(bytes: Vec<u8>) -> Vec<Pasted> {
    vec![etcdctl::plain(&bytes).unwrap_or_else(|| Pasted::new(bytes, Form::Hexdump))]
}

/// Digits with white space between bytes; `0x…`, `\x…` of PostgreSQL, `X'…'` of SQL; the bytes of a C array.
fn hex(data: &[u8]) -> Option<Pasted> {
    let text = data.trim_ascii();
    let bare = [
        text.strip_prefix(b"0x"),
        text.strip_prefix(b"\\x"),
        quoted(text),
    ];
    let bare = bare.into_iter().flatten().next().unwrap_or(text);
    let bytes = digits(bare).or_else(|| array(text))?;
    Some(Pasted::new(bytes, Form::Hex))
}

fn quoted(text: &[u8]) -> Option<&[u8]> {
    let inner = text
        .strip_prefix(b"X'")
        .or_else(|| text.strip_prefix(b"x'"))?;
    inner.strip_suffix(b"'")
}

fn digits(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 2);
    let mut rest = text.iter().filter(|b| !b.is_ascii_whitespace());
    while let Some(high) = rest.next() {
        out.push(byte(*high, *rest.next()?)?);
    }
    // Between the two digits of a byte stands nothing.
    let apart = text
        .split(u8::is_ascii_whitespace)
        .all(|part| part.len().is_multiple_of(2));
    (apart && !out.is_empty()).then_some(out)
}

/// What `xxd -i` prints, with or without the lines around it.
fn array(text: &[u8]) -> Option<Vec<u8>> {
    let inner = match text.iter().position(|b| *b == b'{') {
        Some(start) => text
            .get(start + 1..)?
            .split(|b| *b == b'}')
            .next()
            .unwrap_or_default(),
        None => text,
    };
    let parts = inner.split(|b| *b == b',').map(<[u8]>::trim_ascii);
    let bytes = parts.filter(|part| !part.is_empty()).map(|part| {
        let [high, low] = part.strip_prefix(b"0x")? else {
            return None;
        };
        byte(*high, *low)
    });
    bytes
        .collect::<Option<Vec<u8>>>()
        .filter(|bytes| !bytes.is_empty())
}

/// In lines of any length; a space inside a line would make base64 of much else.
fn base64(data: &[u8]) -> Option<Pasted> {
    let lines = data.split(|b| *b == b'\n').map(<[u8]>::trim_ascii);
    let packed: Vec<u8> = lines.flatten().copied().collect();
    let bytes = Base64::decode_vec(core::str::from_utf8(&packed).ok()?).ok()?;
    (!bytes.is_empty()).then(|| Pasted::new(bytes, Form::Base64))
}

/// Of two hexadecimal digits.
fn byte(high: u8, low: u8) -> Option<u8> {
    let digit = |b: u8| char::from(b).to_digit(16);
    u8::try_from(digit(high)? << 4 | digit(low)?).ok()
}
