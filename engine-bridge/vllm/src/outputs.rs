//! Reads what one engine step hands over: a flat array of 64-bit integers, for one crossing per step.
//!
//! The array is a row of records, each `request, cached prompt tokens or -1, finish reason or -1, stop token or -1,
//! token count, tokens …`, in native byte order.

use blindllama_engine::{FinishReason, Finished, StopReason, TokenOutput};

/// Our number of a request.
pub(crate) type RequestId = u64;

/// The engine handed over something that this version does not understand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProtocolError {
    #[error("the step's outputs end inside a record")]
    Truncated,
    #[error("the step's outputs have a value out of range in `{0}`")]
    OutOfRange(&'static str),
    #[error("the engine gave the unknown finish reason {0}")]
    FinishReason(i64),
    #[error("the engine has no work left but owes answers to {0} requests")]
    LostRequests(usize),
}

/// Parses all records of one step.
pub(crate) fn parse(bytes: &[u8]) -> Result<Vec<(RequestId, TokenOutput)>, ProtocolError> {
    let (words, rest) = bytes.as_chunks::<8>();
    if !rest.is_empty() {
        return Err(ProtocolError::Truncated);
    }
    let mut words = words.iter().map(|word| i64::from_ne_bytes(*word));
    let mut outputs = Vec::new();
    while let Some(request) = words.next() {
        let request = u64::try_from(request).map_err(|_| ProtocolError::OutOfRange("request"))?;
        outputs.push((request, record(&mut words)?));
    }
    Ok(outputs)
}

fn record(words: &mut impl ExactSizeIterator<Item = i64>) -> Result<TokenOutput, ProtocolError> {
    let mut next = || words.next().ok_or(ProtocolError::Truncated);
    let (cached, reason, stop, count) = (next()?, next()?, next()?, next()?);
    let count = usize::try_from(count).map_err(|_| ProtocolError::OutOfRange("token count"))?;
    // Before anything is allocated for it.
    if words.len() < count {
        return Err(ProtocolError::Truncated);
    }
    Ok(TokenOutput {
        token_ids: words.take(count).map(|id| token(id, "token")).collect::<Result<_, _>>()?,
        finished: finished(reason, stop)?,
        cached_prompt_tokens: optional(cached)
            .map(|count| usize::try_from(count).map_err(|_| ProtocolError::OutOfRange("cached prompt tokens")))
            .transpose()?,
        // No request can ask for them yet.
        logprobs: None,
    })
}

fn finished(reason: i64, stop: i64) -> Result<Option<Finished>, ProtocolError> {
    // `vllm.v1.engine.FinishReason`.
    let reason = match reason {
        -1 => return Ok(None),
        0 => FinishReason::Stop,
        1 => FinishReason::Length,
        2 => FinishReason::Abort,
        3 => FinishReason::Error,
        4 => FinishReason::Repetition,
        unknown => return Err(ProtocolError::FinishReason(unknown)),
    };
    let stop = optional(stop).map(|id| token(id, "stop token")).transpose()?;
    Ok(Some(Finished { reason, stop: stop.map(StopReason::Token) }))
}

fn optional(value: i64) -> Option<i64> {
    (value != -1).then_some(value)
}

fn token(id: i64, field: &'static str) -> Result<u32, ProtocolError> {
    u32::try_from(id).map_err(|_| ProtocolError::OutOfRange(field))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes(words: &[i64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    #[test]
    fn records_follow_one_another() {
        let words = [7, 16, -1, -1, 2, 10, 11, 8, -1, 0, 2, 1, 2, 9, -1, 1, -1, 0];
        let expected = vec![
            (7, TokenOutput { token_ids: vec![10, 11], finished: None, cached_prompt_tokens: Some(16), logprobs: None }),
            (
                8,
                TokenOutput {
                    token_ids: vec![2],
                    finished: Some(Finished { reason: FinishReason::Stop, stop: Some(StopReason::Token(2)) }),
                    cached_prompt_tokens: None,
                    logprobs: None,
                },
            ),
            (
                9,
                TokenOutput {
                    token_ids: vec![],
                    finished: Some(Finished { reason: FinishReason::Length, stop: None }),
                    cached_prompt_tokens: None,
                    logprobs: None,
                },
            ),
        ];
        assert_eq!(parse(&bytes(&words)), Ok(expected));
    }

    #[test]
    fn a_step_without_outputs_is_empty() {
        assert_eq!(parse(&[]), Ok(vec![]));
    }

    #[test]
    fn what_is_cut_or_out_of_range_is_refused() {
        let cases: [(&[i64], ProtocolError); 8] = [
            (&[1], ProtocolError::Truncated),
            (&[1, -1, -1, -1], ProtocolError::Truncated),
            (&[1, -1, -1, -1, 2, 5], ProtocolError::Truncated),
            (&[1, -1, -1, -1, i64::MAX], ProtocolError::Truncated),
            (&[-1, -1, -1, -1, 0], ProtocolError::OutOfRange("request")),
            (&[1, -1, -1, -1, -1], ProtocolError::OutOfRange("token count")),
            (&[1, -1, -1, -1, 1, 1 << 32], ProtocolError::OutOfRange("token")),
            (&[1, -1, 5, -1, 0], ProtocolError::FinishReason(5)),
        ];
        for (words, error) in cases {
            assert_eq!(parse(&bytes(words)), Err(error), "{words:?}");
        }
        assert_eq!(parse(&[0; 7]), Err(ProtocolError::Truncated));
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn any_small_numbers_are_parsed_or_refused(words in prop::collection::vec(-2_i64..9, 0..64)) {
            if let Ok(outputs) = parse(&bytes(&words)) {
                let parsed: usize = outputs.iter().map(|(_, output)| 5 + output.token_ids.len()).sum();
                prop_assert_eq!(parsed, words.len());
            }
        }
    }
}
