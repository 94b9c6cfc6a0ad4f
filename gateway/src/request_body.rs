//! From a request's bytes to a typed value: type of content, size, time, coding, syntax, types.

use std::time::Duration;

use actix_web::{
    HttpMessage as _, HttpRequest,
    http::header::CONTENT_LENGTH,
    web::{self, Payload},
};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{App, content_coding::ContentCoding, json_bounds::JsonBounds, openai::error::ApiError, receipt, remarks::Remarks};

/// A client that needs longer for its body keeps a place from others.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// Reads a JSON body of at most `limit` bytes, compressed or not, and makes of it what `prepare` does, which also leaves its
/// [`Remarks`]. What the head already tells is refused before anything is read.
///
/// All that comes after the body's last byte is one piece of work, so that it can be done away from the threads that serve
/// connections: it is if the body is large, or if its size does not tell how much there is to do.
///
/// # Errors
/// 415, 413, 408, 400 that names the place of the mistake, or whatever `prepare` refuses.
pub(crate) async fn read_json<T: DeserializeOwned, R: Send + 'static>(
    app: &web::Data<App>,
    request: &HttpRequest,
    body: Payload,
    limit: usize,
    prepare: impl FnOnce(&App, T, &mut Remarks) -> Result<R, ApiError> + Send + 'static,
) -> Result<R, ApiError> {
    if request.content_type() != "application/json" {
        return Err(ApiError::unsupported_media_type());
    }
    let coding = ContentCoding::of(request.headers())?;
    if announced_length(request).is_some_and(|length| length > limit as u64) {
        return Err(ApiError::body_too_large(limit));
    }
    let bytes = read(body, limit).await?;
    // A template is a program.
    let unpredictable = coding.is_some() || app.api.request_chat_template;
    let size = if unpredictable { usize::MAX } else { bytes.len() };
    let reading = web::Data::clone(app);
    let work = move || {
        let mut remarks = Remarks::default();
        let prepared = match coding {
            None => parse(&bytes),
            Some(coding) => coding.decode(&bytes, limit).and_then(|decoded| parse(&decoded)),
        };
        (prepared.and_then(|value| prepare(&reading, value, &mut remarks)), remarks)
    };
    let (prepared, remarks) = app.reading.run_sized(size, work).await?;
    if let Some(model) = &remarks.model {
        receipt::name_model(request, model);
    }
    request.extensions_mut().insert(remarks.ignored);
    prepared
}

fn announced_length(request: &HttpRequest) -> Option<u64> {
    request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn read(body: Payload, limit: usize) -> Result<Bytes, ApiError> {
    match tokio::time::timeout(BODY_TIMEOUT, body.to_bytes_limited(limit)).await {
        Ok(Ok(Ok(bytes))) => Ok(bytes),
        Ok(Ok(Err(_))) => Err(ApiError::invalid("The request body was cut off or is not well framed.")),
        Ok(Err(_)) => Err(ApiError::body_too_large(limit)),
        Err(_) => Err(ApiError::body_timeout()),
    }
}

/// Parses strictly; an error of type names the path of the value in `param`.
///
/// # Errors
/// 400.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    JsonBounds::new().check(bytes)?;
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| fault(&error))?;
    deserializer.end().map_err(|error| malformed(&error))?;
    Ok(value)
}

/// A typed value of an object that is parsed already.
///
/// # Errors
/// 400 that names the path of the value at fault.
pub(crate) fn typed<T: DeserializeOwned>(object: Map<String, Value>) -> Result<T, ApiError> {
    serde_path_to_error::deserialize(Value::Object(object)).map_err(|error| fault(&error))
}

fn fault(error: &serde_path_to_error::Error<serde_json::Error>) -> ApiError {
    let (path, reason) = (error.path().to_string(), error.inner());
    if !reason.is_data() {
        return malformed(reason);
    }
    if path == "." {
        return ApiError::invalid(reason.to_string());
    }
    ApiError::invalid(format!("Invalid value for `{path}`: {reason}")).param(path)
}

fn malformed(error: &serde_json::Error) -> ApiError {
    ApiError::invalid(format!("The request body is not valid JSON: {error}"))
}
