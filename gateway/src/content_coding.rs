//! Content codings of request bodies (RFC 9110, section 8.4): what clients compressed is decompressed, up to a limit.

use std::io::{self, Read};

use actix_web::http::header::{CONTENT_ENCODING, HeaderMap};
use flate2::bufread::{GzDecoder, ZlibDecoder};
use ruzstd::decoding::StreamingDecoder;

use crate::openai::error::ApiError;

/// The names of all codings that are accepted, as in `Accept-Encoding`.
pub(crate) const ACCEPTED: &str = "gzip, deflate, zstd";

/// The window of Zstandard that RFC 8878, section 3.1.1.1.2, recommends every decoder to support. What is decompressed is kept
/// as long as the window says, so this bounds the memory beside the result.
const ZSTD_WINDOW_BYTES: u64 = 8 * 1024 * 1024;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ContentCoding {
    Gzip,
    Deflate,
    Zstd,
}

impl ContentCoding {
    /// The coding that the request's head names; `None` if the body is as it is.
    ///
    /// # Errors
    /// 415 for a coding that is unknown, and for several on top of each other.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Self>, ApiError> {
        let mut named = headers.get_all(CONTENT_ENCODING);
        let (coding, others) = (named.next().map(|coding| coding.as_bytes().trim_ascii()), named.next());
        match coding.map(<[u8]>::to_ascii_lowercase).as_deref() {
            _ if others.is_some() => Err(ApiError::unsupported_content_coding()),
            None | Some(b"" | b"identity") => Ok(None),
            Some(b"gzip" | b"x-gzip") => Ok(Some(Self::Gzip)),
            Some(b"deflate") => Ok(Some(Self::Deflate)),
            Some(b"zstd") => Ok(Some(Self::Zstd)),
            Some(_) => Err(ApiError::unsupported_content_coding()),
        }
    }

    /// What `encoded` was before it was compressed. A body that would become larger than `limit` bytes is given up there.
    ///
    /// # Errors
    /// 413 beyond the limit; 400 if `encoded` is damaged, cut off, or followed by anything else.
    pub(crate) fn decode(self, mut encoded: &[u8], limit: usize) -> Result<Vec<u8>, ApiError> {
        let rest = &mut encoded;
        let decoded = match self {
            Self::Gzip => read_limited(GzDecoder::new(&mut *rest), limit),
            Self::Deflate => read_limited(ZlibDecoder::new(&mut *rest), limit),
            Self::Zstd => zstd(rest, limit),
        };
        let decoded = decoded.map_err(|_| self.damaged())?;
        match decoded {
            decoded if decoded.len() > limit => Err(ApiError::decoded_body_too_large(limit)),
            _ if !rest.is_empty() => Err(self.damaged()),
            decoded => Ok(decoded),
        }
    }

    fn damaged(self) -> ApiError {
        let coding = match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Zstd => "zstd",
        };
        ApiError::invalid(format!("The request body is not valid {coding}, as the header content-encoding says it is."))
    }
}

fn zstd(encoded: &mut &[u8], limit: usize) -> io::Result<Vec<u8>> {
    let window = ZSTD_WINDOW_BYTES.max(limit as u64);
    let decoder = StreamingDecoder::new_with_max_window_size(encoded, window).map_err(io::Error::other)?;
    read_limited(decoder, limit)
}

/// Reads to the end, or one byte more than `limit`.
fn read_limited(decoder: impl Read, limit: usize) -> io::Result<Vec<u8>> {
    let mut decoded = Vec::new();
    decoder.take((limit as u64).saturating_add(1)).read_to_end(&mut decoded)?;
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use actix_web::http::{StatusCode, header::HeaderValue};
    use flate2::{
        Compression,
        write::{GzEncoder, ZlibEncoder},
    };
    use proptest::prelude::*;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    const ALL: [ContentCoding; 3] = [ContentCoding::Gzip, ContentCoding::Deflate, ContentCoding::Zstd];

    fn encode(coding: ContentCoding, plain: &[u8]) -> Vec<u8> {
        match coding {
            ContentCoding::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
                encoder.write_all(plain).unwrap();
                encoder.finish().unwrap()
            }
            ContentCoding::Deflate => {
                let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
                encoder.write_all(plain).unwrap();
                encoder.finish().unwrap()
            }
            ContentCoding::Zstd => compress_to_vec(plain, CompressionLevel::Fastest),
        }
    }

    fn status(result: Result<Vec<u8>, ApiError>) -> Option<StatusCode> {
        result.err().map(|error| actix_web::ResponseError::status_code(&error))
    }

    fn of(values: &[&str]) -> Option<Option<ContentCoding>> {
        let mut headers = HeaderMap::new();
        values.iter().for_each(|value| headers.append(CONTENT_ENCODING, HeaderValue::from_str(value).unwrap()));
        ContentCoding::of(&headers).ok()
    }

    #[test]
    fn codings_are_known_by_name() {
        for (values, coding) in [
            (&[][..], None),
            (&["identity"], None),
            (&["gzip"], Some(ContentCoding::Gzip)),
            (&["X-GZIP "], Some(ContentCoding::Gzip)),
            (&["deflate"], Some(ContentCoding::Deflate)),
            (&["zstd"], Some(ContentCoding::Zstd)),
        ] {
            assert_eq!(of(values), Some(coding), "{values:?}");
        }
        for unknown in [&["br"][..], &["gzip, gzip"], &["gzip", "gzip"], &["gzip;q=1"], &["aes128gcm"]] {
            assert_eq!(of(unknown), None, "{unknown:?}");
        }
    }

    #[test]
    fn the_limit_is_one_of_decoded_bytes() {
        for coding in ALL {
            let plain = vec![b' '; 100_000];
            let encoded = encode(coding, &plain);
            assert!(encoded.len() < 1000);
            assert_eq!(coding.decode(&encoded, plain.len()).ok(), Some(plain.clone()));
            assert_eq!(status(coding.decode(&encoded, plain.len() - 1)), Some(StatusCode::PAYLOAD_TOO_LARGE), "{coding:?}");
        }
    }

    #[test]
    fn what_is_cut_off_or_goes_on_is_damaged() {
        for coding in ALL {
            let encoded = encode(coding, b"{\"a\": 1}");
            for bad in [&encoded[..encoded.len() - 1], &encoded[..3], b"", b"{\"a\": 1}", &[encoded.as_slice(), b"x"].concat()] {
                assert_eq!(status(coding.decode(bad, 1000)), Some(StatusCode::BAD_REQUEST), "{coding:?} {bad:?}");
            }
        }
    }

    #[test]
    fn a_window_that_no_body_needs_is_refused() {
        // Magic number, no content size, a window of 2^31 bytes, one empty last block.
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3, 0x01, 0x00, 0x00];
        assert_eq!(status(ContentCoding::Zstd.decode(&frame, 1000)), Some(StatusCode::BAD_REQUEST));
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 13 << 3, 0x01, 0x00, 0x00];
        assert_eq!(ContentCoding::Zstd.decode(&frame, 1000).ok(), Some(Vec::new()));
    }

    proptest! {
        #[test]
        fn what_was_encoded_comes_back(plain in proptest::collection::vec(any::<u8>(), 0..5000)) {
            for coding in ALL {
                prop_assert_eq!(coding.decode(&encode(coding, &plain), 5000).ok(), Some(plain.clone()));
            }
        }

        #[test]
        fn nothing_panics_and_nothing_exceeds_the_limit(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), place: usize) {
            for coding in ALL {
                prop_assert!(coding.decode(&bytes, 100).map_or(0, |decoded| decoded.len()) <= 100);
                let mut valid = encode(coding, &bytes);
                let place = place % valid.len();
                valid[place] ^= bytes.pop().unwrap_or(1);
                prop_assert!(coding.decode(&valid, 100).map_or(0, |decoded| decoded.len()) <= 100);
            }
        }
    }
}
