//! The bytes of questions and answers.

/// A question that ends before its last part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Truncated;

/// Reads the parts of questions in order.
pub struct Questions<'a>(&'a [u8]);

impl<'a> Questions<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn byte(&mut self) -> Result<u8, Truncated> {
        let (&byte, rest) = self.0.split_first().ok_or(Truncated)?;
        self.0 = rest;
        Ok(byte)
    }

    pub fn flag(&mut self) -> Result<bool, Truncated> {
        Ok(self.byte()? != 0)
    }

    pub fn count(&mut self) -> Result<usize, Truncated> {
        let (number, rest) = self.0.split_first_chunk().ok_or(Truncated)?;
        self.0 = rest;
        Ok(u32::from_le_bytes(*number) as usize)
    }

    pub fn counter(&mut self) -> Result<u64, Truncated> {
        let (number, rest) = self.0.split_first_chunk().ok_or(Truncated)?;
        self.0 = rest;
        Ok(u64::from_le_bytes(*number))
    }

    pub fn bytes(&mut self) -> Result<&'a [u8], Truncated> {
        let length = self.count()?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(Truncated)?;
        self.0 = rest;
        Ok(bytes)
    }

    /// Names come out of parsed configurations, so they are UTF-8.
    pub fn text(&mut self) -> Result<&'a str, Truncated> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Truncated)
    }
}

/// Collects answers.
#[derive(Default)]
pub struct Answers(Vec<u8>);

impl Answers {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn truncate(&mut self, length: usize) {
        self.0.truncate(length);
    }

    pub fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    pub fn count(&mut self, count: usize) {
        self.0
            .extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    /// All answers behind their length.
    pub fn framed(&self) -> Vec<u8> {
        let mut out = Self::default();
        out.bytes(&self.0);
        out.0
    }
}
