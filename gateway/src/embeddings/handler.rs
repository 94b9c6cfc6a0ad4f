//! The handler: one step after the other.

use actix_web::{HttpRequest, HttpResponse, web};
use blindllama_engine::{EmbedRequest, Embedding};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::{answer::answer, tokens::tokenise, valid::ValidEmbeddings};
use crate::{
    App,
    openai::{
        embeddings::{EmbeddingsRequest, EncodingFormat},
        error::ApiError,
    },
    remarks::Remarks,
    request_body::read_json,
};

/// Inputs of one request that the engine works on at a time, so that others get their turn.
const AT_A_TIME: usize = 64;

/// `POST /v1/embeddings`.
///
/// If the client goes away, the server drops this future, and with it go the engine's requests.
pub(crate) async fn create_embeddings(
    app: web::Data<App>,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let mut permit = app.admission.admit()?;
    let (requests, encoding) = read_json(&app, &request, body, app.max_body_bytes, prepare).await?;
    let tokens = requests.iter().map(|request| request.prompt.len()).sum();
    permit.running().prompt(tokens);
    let vectors = embed_all(&app, requests).await?;
    answer(&app, vectors, encoding, tokens, permit).await
}

/// Checks and tokenises what was asked.
pub(crate) fn prepare(
    app: &App,
    asked: EmbeddingsRequest,
    remarks: &mut Remarks,
) -> Result<(Vec<EmbedRequest>, EncodingFormat), ApiError> {
    let ValidEmbeddings { inputs, max_tokens, encoding, dimensions, priority, cache_salt } =
        ValidEmbeddings::new(asked, app, remarks)?;
    let prompts = tokenise(app, inputs, max_tokens)?;
    let request = |prompt| EmbedRequest { prompt, dimensions, priority, cache_salt: cache_salt.clone() };
    Ok((prompts.into_iter().map(request).collect(), encoding))
}

/// The vectors in the order of the requests.
async fn embed_all(app: &App, requests: Vec<EmbedRequest>) -> Result<Vec<Embedding>, ApiError> {
    let embed = async |request| {
        let _place = app.admission.place_for_input().await?;
        Ok::<_, ApiError>(app.engine.embed(request)?.await?)
    };
    stream::iter(requests.into_iter().map(embed)).buffered(AT_A_TIME).try_collect().await
}
