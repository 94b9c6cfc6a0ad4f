//! Reading binary structures from outside: every length is checked, and nothing may be left over.

/// A binary structure that is not what its specification says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The bytes end inside a field.
    #[error("it ends too early: {needed} bytes belong at offset {offset}, {left} are left")]
    Truncated {
        /// Where the field starts.
        offset: usize,
        /// The field's size in bytes.
        needed: usize,
        /// What there is.
        left: usize,
    },
    /// The structure is complete, and bytes follow it.
    #[error("{count} bytes follow its end at offset {offset}")]
    TrailingBytes {
        /// Where the structure ends.
        offset: usize,
        /// How many bytes follow.
        count: usize,
    },
    /// A field has a value that its specification does not allow there.
    #[error("{field} is {found:#x}; {expected}")]
    Field {
        /// The field's name in the specification.
        field: &'static str,
        /// What it holds.
        found: u64,
        /// What it may hold.
        expected: &'static str,
    },
}

/// A cursor over bytes that somebody else wrote.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, offset: 0 }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn bytes(&mut self, needed: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(needed).ok_or(Malformed::Truncated {
            offset: self.offset,
            needed,
            left: self.rest.len(),
        })?;
        self.rest = rest;
        self.offset = self.offset.saturating_add(needed);
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let truncated = Malformed::Truncated { offset: self.offset, needed: N, left: self.rest.len() };
        self.bytes(N)?.try_into().map_err(|_| truncated)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(u8::from_be_bytes)
    }

    pub(crate) fn u16_be(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32_be(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64_be(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn u16_le(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32_le(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }

    /// A TPM2B: a big-endian 16-bit size and that many bytes.
    pub(crate) fn tpm2b(&mut self) -> Result<&'a [u8], Malformed> {
        let size = self.u16_be()?;
        self.bytes(size.into())
    }

    /// Ends the reading; a byte that is left over is an error.
    pub(crate) const fn finish(self) -> Result<(), Malformed> {
        if self.rest.is_empty() { Ok(()) } else { Err(Malformed::TrailingBytes { offset: self.offset, count: self.rest.len() }) }
    }
}
