//! Certificates as they lie in NVRAM and in files. What is in them is for verifiers to judge.

/// One DER structure, complete by what its outermost length says (ITU-T X.690, section 8.1.3).
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate(Vec<u8>);

/// What may follow a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Padding {
    /// 00 and ff: an NV index is often larger than the certificate in it.
    Allowed,
    /// Nothing.
    Refused,
}

impl Certificate {
    /// A certificate by itself; `None` if `der` is no SEQUENCE, or shorter or longer than it says.
    #[must_use]
    pub fn from_der(der: Vec<u8>) -> Option<Self> {
        Self::parse(der, Padding::Refused)
    }

    pub(crate) fn parse(mut bytes: Vec<u8>, padding: Padding) -> Option<Self> {
        let size = sequence_size(&bytes)?;
        let (_, rest) = bytes.split_at_checked(size)?;
        let is_padding = |byte: &u8| padding == Padding::Allowed && matches!(byte, 0x00 | 0xff);
        if !rest.iter().all(is_padding) {
            return None;
        }
        bytes.truncate(size);
        Some(Self(bytes))
    }

    /// The DER bytes.
    #[must_use]
    pub fn as_der(&self) -> &[u8] {
        &self.0
    }

    /// Whether the certificate has these bytes anywhere, as it must have those of the key that it certifies. Good for a
    /// warning: it proves nothing.
    #[must_use]
    pub fn mentions(&self, key: &[u8]) -> bool {
        !key.is_empty() && self.0.windows(key.len()).any(|window| window == key)
    }
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Certificate({} bytes)", self.0.len())
    }
}

/// Size of a SEQUENCE with its header. DER writes lengths in as few bytes as possible (X.690, section 10.1).
fn sequence_size(bytes: &[u8]) -> Option<usize> {
    let (header, length) = match *bytes {
        [0x30, length, ..] if length < 0x80 => (2, usize::from(length)),
        [0x30, 0x81, length, ..] if length >= 0x80 => (3, usize::from(length)),
        [0x30, 0x82, high, low, ..] if high != 0 => (4, usize::from(u16::from_be_bytes([high, low]))),
        _ => return None,
    };
    Some(header + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A SEQUENCE with `length` bytes in it.
    fn sequence(length: usize) -> Vec<u8> {
        let header = match length {
            0..0x80 => vec![0x30, u8::try_from(length).unwrap()],
            0x80..0x100 => vec![0x30, 0x81, u8::try_from(length).unwrap()],
            _ => [&[0x30, 0x82][..], &u16::try_from(length).unwrap().to_be_bytes()].concat(),
        };
        [header, vec![7; length]].concat()
    }

    #[test]
    fn padding_is_trimmed_and_nothing_else_may_follow() {
        for length in [0, 1, 0x7f, 0x80, 0xff, 0x100, 1300, 0xffff] {
            let der = sequence(length);
            assert_eq!(Certificate::from_der(der.clone()).unwrap().as_der(), der);
            for padding in [[0x00; 3], [0xff; 3], [0x00, 0xff, 0x00]] {
                let padded = [&der[..], &padding].concat();
                assert_eq!(Certificate::parse(padded.clone(), Padding::Allowed).unwrap().as_der(), der, "{length}");
                assert_eq!(Certificate::from_der(padded), None, "{length}");
            }
            assert_eq!(Certificate::parse([&der[..], &[0, 1]].concat(), Padding::Allowed), None, "{length}");
            assert_eq!(Certificate::parse(der[..der.len() - 1].to_vec(), Padding::Allowed), None, "{length}");
        }
    }

    #[test]
    fn only_a_sequence_of_definite_minimal_length_is_one() {
        for wrong in
            [&[][..], &[0x30], &[0x30, 0x80, 0, 0], &[0x31, 0], &[0x30, 0x81, 0x01, 7], &[0x30, 0x82, 0, 1, 7], &[0xff; 9]]
        {
            assert_eq!(Certificate::parse(wrong.to_vec(), Padding::Allowed), None, "{wrong:02x?}");
        }
        let long = [&[0x30, 0x83, 0x01, 0x00, 0x00][..], &vec![7; 0x1_0000]].concat();
        assert_eq!(Certificate::from_der(long), None, "no certificate is that large");
    }
}
