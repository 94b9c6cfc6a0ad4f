//! Reads what one engine step hands over: a flat array of 64-bit integers, for one crossing per step.
//!
//! Most requests have one token more and nothing else to tell. The array begins with their number, their requests, and their
//! tokens. The rest is a row of records, each `request, cached prompt tokens or -1, finish reason or -1, stop token or -1,
//! token count, tokens …, logprobs, logprobs of the prompt`, in native byte order. Logprobs are `rows, columns`, and unless
//! `rows` is 0 then `rows × columns` token ids, `rows × columns` logprobs as the bits of 64-bit floats, and `rows` ranks, those
//! of each row's first token.
//!
//! The record of a vector is `request, -2, dimensions`, and the numbers as 32-bit floats, two to a word, the last word filled
//! up.

use blindllama_engine::{Embedding, FinishReason, Finished, TokenLogprob, TokenOutput};

use crate::open_request::Output;

/// What stands in the place of the cached prompt tokens in the record of a vector.
const VECTOR: i64 = -2;

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
pub(crate) fn parse(bytes: &[u8]) -> Result<Vec<(RequestId, Output)>, ProtocolError> {
    let (words, rest) = bytes.as_chunks::<8>();
    if !rest.is_empty() {
        return Err(ProtocolError::Truncated);
    }
    let mut words = words.iter().map(|word| i64::from_ne_bytes(*word));
    let count = words.next().ok_or(ProtocolError::Truncated)?;
    let count = usize::try_from(count).map_err(|_| ProtocolError::OutOfRange("output count"))?;
    let requests = take(&mut words, count)?.map(request).collect::<Result<Vec<_>, _>>()?;
    let tokens = take(&mut words, count)?;
    let mut outputs = requests.into_iter().zip(tokens).map(plain).collect::<Result<Vec<_>, _>>()?;
    while let Some(id) = words.next() {
        outputs.push((request(id)?, record(&mut words)?));
    }
    Ok(outputs)
}

fn request(id: i64) -> Result<RequestId, ProtocolError> {
    u64::try_from(id).map_err(|_| ProtocolError::OutOfRange("request"))
}

fn plain((request, id): (RequestId, i64)) -> Result<(RequestId, Output), ProtocolError> {
    Ok((request, Output::Tokens(TokenOutput { token_ids: vec![token(id, "token")?], ..TokenOutput::default() })))
}

fn record(words: &mut impl ExactSizeIterator<Item = i64>) -> Result<Output, ProtocolError> {
    match words.next().ok_or(ProtocolError::Truncated)? {
        VECTOR => embedding(words).map(Output::Embedding),
        cached => tokens(cached, words).map(Output::Tokens),
    }
}

fn embedding(words: &mut impl ExactSizeIterator<Item = i64>) -> Result<Embedding, ProtocolError> {
    let dimensions = words.next().ok_or(ProtocolError::Truncated)?;
    let dimensions = usize::try_from(dimensions).map_err(|_| ProtocolError::OutOfRange("dimensions"))?;
    let numbers = take(words, dimensions.div_ceil(2))?.flat_map(|word| {
        let [a, b, c, d, e, f, g, h] = word.to_ne_bytes();
        [[a, b, c, d], [e, f, g, h]].map(f32::from_ne_bytes)
    });
    Ok(Embedding(numbers.take(dimensions).collect()))
}

fn tokens(cached: i64, words: &mut impl ExactSizeIterator<Item = i64>) -> Result<TokenOutput, ProtocolError> {
    let mut next = || words.next().ok_or(ProtocolError::Truncated);
    let (reason, stop, count) = (next()?, next()?, next()?);
    let count = usize::try_from(count).map_err(|_| ProtocolError::OutOfRange("token count"))?;
    Ok(TokenOutput {
        token_ids: take(words, count)?.map(|id| token(id, "token")).collect::<Result<_, _>>()?,
        finished: finished(reason, stop)?,
        cached_prompt_tokens: optional(cached)
            .map(|count| usize::try_from(count).map_err(|_| ProtocolError::OutOfRange("cached prompt tokens")))
            .transpose()?,
        logprobs: logprobs(words)?,
        prompt_logprobs: logprobs(words)?,
    })
}

/// The next `count` words; whether they are there is known before anything is allocated for them.
fn take<W: ExactSizeIterator<Item = i64>>(words: &mut W, count: usize) -> Result<std::iter::Take<&mut W>, ProtocolError> {
    if words.len() < count { Err(ProtocolError::Truncated) } else { Ok(words.take(count)) }
}

/// Rows of the same length: a token with its rank first, then the most likely ones, which are ranked by their place.
fn logprobs(words: &mut impl ExactSizeIterator<Item = i64>) -> Result<Option<Vec<Vec<TokenLogprob>>>, ProtocolError> {
    let mut size = |name| {
        let size = words.next().ok_or(ProtocolError::Truncated)?;
        usize::try_from(size).map_err(|_| ProtocolError::OutOfRange(name))
    };
    let (rows, columns) = (size("logprob rows")?, size("logprob columns")?);
    if rows == 0 {
        return Ok(None);
    }
    if columns == 0 {
        return Err(ProtocolError::OutOfRange("logprob columns"));
    }
    let cells = rows.checked_mul(columns).ok_or(ProtocolError::Truncated)?;
    let ids: Vec<_> = take(words, cells)?.map(|id| token(id, "logprob token")).collect::<Result<_, _>>()?;
    let values: Vec<_> = take(words, cells)?.map(|bits| f64::from_bits(bits.cast_unsigned())).collect();
    let ranks: Vec<_> = take(words, rows)?.map(|rank| token(rank, "rank")).collect::<Result<_, _>>()?;
    let row = |((ids, values), rank): ((&[u32], &[f64]), u32)| {
        let ranks = std::iter::once(rank).chain(1..);
        let cells = ids.iter().zip(values).zip(ranks);
        cells.map(|((id, logprob), rank)| TokenLogprob { token_id: *id, logprob: *logprob, rank }).collect()
    };
    Ok(Some(ids.chunks(columns).zip(values.chunks(columns)).zip(ranks).map(row).collect()))
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
    let stop_token = optional(stop).map(|id| token(id, "stop token")).transpose()?;
    Ok(Some(Finished { reason, stop_token }))
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
    fn single_tokens_come_first() {
        let output = |id, token| (id, Output::Tokens(TokenOutput { token_ids: vec![token], ..TokenOutput::default() }));
        let words = [2, 7, 8, 10, 11, 9, -1, -1, -1, 1, 12, 0, 0, 0, 0];
        assert_eq!(parse(&bytes(&words)), Ok(vec![output(7, 10), output(8, 11), output(9, 12)]));
        for end in 0..5 {
            assert_eq!(parse(&bytes(&words[..end])), Err(ProtocolError::Truncated), "{end} words");
        }
    }

    #[test]
    fn records_follow_one_another() {
        let words = [0, 7, 16, -1, -1, 2, 10, 11, 0, 0, 0, 0, 8, -1, 0, 2, 1, 2, 0, 0, 0, 0, 9, -1, 1, -1, 0, 0, 0, 0, 0];
        let expected = vec![
            (7, TokenOutput { token_ids: vec![10, 11], cached_prompt_tokens: Some(16), ..TokenOutput::default() }),
            (
                8,
                TokenOutput {
                    token_ids: vec![2],
                    finished: Some(Finished { reason: FinishReason::Stop, stop_token: Some(2) }),
                    ..TokenOutput::default()
                },
            ),
            (
                9,
                TokenOutput {
                    finished: Some(Finished { reason: FinishReason::Length, stop_token: None }),
                    ..TokenOutput::default()
                },
            ),
        ];
        assert_eq!(parse(&bytes(&words)), Ok(expected.into_iter().map(|(id, output)| (id, Output::Tokens(output))).collect()));
    }

    #[test]
    fn a_vector_is_two_numbers_to_a_word() {
        let word = |first: f32, second: f32| {
            let [a, b, c, d] = first.to_ne_bytes();
            let [e, f, g, h] = second.to_ne_bytes();
            i64::from_ne_bytes([a, b, c, d, e, f, g, h])
        };
        let words = [0, 7, -2, 3, word(0.5, -1.5), word(f32::MAX, 0.0), 8, -2, 2, word(1.0, 2.0), 9, -1, -1, -1, 0, 0, 0, 0, 0];
        let expected = vec![
            (7, Output::Embedding(Embedding(vec![0.5, -1.5, f32::MAX]))),
            (8, Output::Embedding(Embedding(vec![1.0, 2.0]))),
            (9, Output::Tokens(TokenOutput::default())),
        ];
        let parsed = parse(&bytes(&words)).unwrap();
        assert!(parsed == expected, "{parsed:?}");
        for end in 2..6 {
            assert_eq!(parse(&bytes(&words[..end])), Err(ProtocolError::Truncated), "{end} words");
        }
    }

    #[test]
    fn logprobs_are_rows_of_a_token_and_the_likeliest() {
        let bits = |value: f64| value.to_bits().cast_signed();
        let sampled = [1, 2, 10, 12, bits(-2.5), bits(-0.25), 4];
        let prompt = [2, 1, 20, 21, bits(-1.0), bits(f64::NEG_INFINITY), 9, 8];
        let words = [&[0, 7, -1, -1, -1, 1, 10][..], &sampled, &prompt].concat();
        let logprob = |token_id, logprob, rank| TokenLogprob { token_id, logprob, rank };
        let expected = TokenOutput {
            token_ids: vec![10],
            logprobs: Some(vec![vec![logprob(10, -2.5, 4), logprob(12, -0.25, 1)]]),
            prompt_logprobs: Some(vec![vec![logprob(20, -1.0, 9)], vec![logprob(21, f64::NEG_INFINITY, 8)]]),
            ..TokenOutput::default()
        };
        assert_eq!(parse(&bytes(&words)), Ok(vec![(7, Output::Tokens(expected))]));
        for end in 2..words.len() {
            assert_eq!(parse(&bytes(&words[..end])), Err(ProtocolError::Truncated), "{end} words");
        }
    }

    #[test]
    fn a_step_without_outputs_is_empty() {
        assert_eq!(parse(&bytes(&[0])), Ok(vec![]));
    }

    #[test]
    fn what_is_cut_or_out_of_range_is_refused() {
        let cases: [(&[i64], ProtocolError); 13] = [
            (&[1], ProtocolError::Truncated),
            (&[1, -1, -1, -1], ProtocolError::Truncated),
            (&[1, -1, -1, -1, 2, 5], ProtocolError::Truncated),
            (&[1, -1, -1, -1, i64::MAX], ProtocolError::Truncated),
            (&[-1, -1, -1, -1, 0], ProtocolError::OutOfRange("request")),
            (&[1, -1, -1, -1, -1], ProtocolError::OutOfRange("token count")),
            (&[1, -1, -1, -1, 1, 1 << 32], ProtocolError::OutOfRange("token")),
            (&[1, -1, 5, -1, 0], ProtocolError::FinishReason(5)),
            (&[1, -1, -1, -1, 0, 1, 0], ProtocolError::OutOfRange("logprob columns")),
            (&[1, -1, -1, -1, 0, -1, 1], ProtocolError::OutOfRange("logprob rows")),
            (&[1, -1, -1, -1, 0, i64::MAX, i64::MAX], ProtocolError::Truncated),
            (&[1, -2, i64::MAX], ProtocolError::Truncated),
            (&[1, -2, -1], ProtocolError::OutOfRange("dimensions")),
        ];
        for (words, error) in cases {
            assert_eq!(parse(&bytes(&[&[0], words].concat())), Err(error), "{words:?}");
        }
        let beginnings: [(&[i64], ProtocolError); 4] = [
            (&[-1], ProtocolError::OutOfRange("output count")),
            (&[i64::MAX, 1], ProtocolError::Truncated),
            (&[1, -1, 5], ProtocolError::OutOfRange("request")),
            (&[1, 1, 1 << 32], ProtocolError::OutOfRange("token")),
        ];
        for (words, error) in beginnings {
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
        fn any_small_numbers_are_parsed_or_refused(words in prop::collection::vec(-2_i64..4, 0..64)) {
            let cells = |logprobs: &Option<Vec<Vec<TokenLogprob>>>| {
                let rows = logprobs.as_deref().unwrap_or_default();
                2 + rows.iter().map(|row| 2 * row.len() + 1).sum::<usize>()
            };
            if let Ok(outputs) = parse(&bytes(&words)) {
                let record = |output: &Output| match output {
                    Output::Tokens(tokens) => {
                        5 + tokens.token_ids.len() + cells(&tokens.logprobs) + cells(&tokens.prompt_logprobs)
                    }
                    Output::Embedding(Embedding(numbers)) => 3 + numbers.len().div_ceil(2),
                };
                let singles = usize::try_from(words[0]).unwrap();
                let records: usize = outputs[singles..].iter().map(|(_, output)| record(output)).sum();
                prop_assert_eq!(1 + 2 * singles + records, words.len());
            }
        }
    }
}
