//! Vectors to JSON.

use actix_web::HttpResponse;
use blindllama_engine::Embedding;
use data_encoding::BASE64;

use crate::{
    App,
    admission::Permit,
    openai::{
        embeddings::{EmbeddingList, EmbeddingObject, EmbeddingUsage, EncodedEmbedding, EncodingFormat},
        error::ApiError,
    },
    receipt::TokenCounts,
    whole_answer::{document, response},
};

/// The whole answer; its vectors are in the order of the inputs, which have `tokens` in all.
///
/// # Errors
/// 500 if a vector has something that is no number: JSON has no word for it.
pub(super) async fn answer(
    app: &App,
    vectors: Vec<Embedding>,
    encoding: EncodingFormat,
    tokens: usize,
    permit: Permit,
) -> Result<HttpResponse, ApiError> {
    let bytes = vectors.iter().map(|Embedding(numbers)| size_of_val(numbers.as_slice())).sum::<usize>();
    let model = app.model.name.clone();
    let write = move || write(&model, vectors, encoding, tokens);
    let body = app.writing.run_sized(bytes, write).await??;
    let counts = TokenCounts { prompt: u64::try_from(tokens).ok(), completion: None };
    Ok(response(body, counts, permit))
}

fn write(model: &str, vectors: Vec<Embedding>, encoding: EncodingFormat, tokens: usize) -> Result<Vec<u8>, ApiError> {
    let object = |(index, vector)| Ok(EmbeddingObject { object: "embedding", index, embedding: encoded(vector, encoding)? });
    let data = vectors.into_iter().enumerate().map(object).collect::<Result<_, ApiError>>()?;
    let usage = EmbeddingUsage { prompt_tokens: tokens, total_tokens: tokens };
    let list = EmbeddingList { object: "list", data, model, usage };
    document(&list)
}

fn encoded(Embedding(numbers): Embedding, encoding: EncodingFormat) -> Result<EncodedEmbedding, ApiError> {
    if !numbers.iter().all(|number| number.is_finite()) {
        return Err(ApiError::internal("the engine made a vector that is not of numbers"));
    }
    Ok(match encoding {
        EncodingFormat::Float => EncodedEmbedding::Float(numbers),
        EncodingFormat::Base64 => {
            let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            EncodedEmbedding::Base64(BASE64.encode(&bytes))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(numbers: &[f32], encoding: EncodingFormat) -> Result<String, ApiError> {
        write("m", vec![Embedding(numbers.to_vec())], encoding, 3).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn base64_is_little_endian_float32() {
        let answer = written(&[1.0, -2.5], EncodingFormat::Base64).unwrap();
        // 00 00 80 3f, 00 00 20 c0.
        assert!(answer.contains(r#""embedding":"AACAPwAAIMA=""#), "{answer}");
    }

    #[test]
    fn numbers_are_as_short_as_they_can_be() {
        let answer = written(&[0.1, -2.5, 1e-9], EncodingFormat::Float).unwrap();
        assert_eq!(
            answer,
            r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.1,-2.5,1e-9]}],"model":"m","usage":{"prompt_tokens":3,"total_tokens":3}}"#
        );
    }

    #[test]
    fn what_is_no_number_is_no_answer() {
        for number in [f32::NAN, f32::INFINITY] {
            for encoding in [EncodingFormat::Float, EncodingFormat::Base64] {
                assert!(written(&[number], encoding).is_err());
            }
        }
    }
}
