//! Evidence of what is running.
//!
//! The formats are those of `attest/`, which knows nothing of schemas: `docs/spec/evidence.md` is their specification.

use blindllama_attest::{credential::MAX_ACTIVATION_BYTES, evidence::VERSION};
use schemars::{Schema, json_schema};
use serde_json::{Value, json};

use super::{
    failures::Failure,
    operation::{Answer, Operation, Tag},
};

pub(super) fn get_evidence() -> Operation {
    Operation {
        id: "getEvidence",
        tag: Tag::Attestation,
        summary: "Proves what is running, to whoever holds the nonce",
        description: "A TPM quote with all that it takes to check it (docs/spec/evidence.md).",
        parameters: vec![json!({
            "name": "nonce",
            "in": "query",
            "required": true,
            "description": "16 to 64 fresh random bytes, in lower-case hexadecimal digits.",
            "schema": {"type": "string", "pattern": "^([0-9a-f]{2}){16,64}$"},
        })],
        body: None,
        answer: Answer::json("The evidence.", evidence()),
        failures: &[Failure::Invalid, Failure::Internal, Failure::Unavailable],
    }
}

pub(super) fn activate_credential() -> Operation {
    Operation {
        id: "activateCredential",
        tag: Tag::Attestation,
        summary: "Opens a credential, which only the TPM with both keys can",
        description: "TPM2_ActivateCredential: proves that attestation and endorsement key are in one TPM.",
        parameters: Vec::new(),
        body: Some(json_schema!({
            "type": "object",
            "properties": {
                "ak_name": {"type": "string", "pattern": "^[0-9a-f]+$", "description": "The attestation key's Name."},
                "id_object": base64("TPM2B_ID_OBJECT."),
                "encrypted_secret": base64("TPM2B_ENCRYPTED_SECRET."),
            },
            "required": ["ak_name", "id_object", "encrypted_secret"],
            "additionalProperties": false,
            "description": format!("A credential. The body may have {MAX_ACTIVATION_BYTES} bytes."),
        })),
        answer: Answer::json("The secret.", secret()),
        failures: &[
            Failure::Invalid,
            Failure::BodyTimeout,
            Failure::BodyTooLarge,
            Failure::NoJson,
            Failure::TooMany,
            Failure::Internal,
            Failure::Unavailable,
        ],
    }
}

pub(super) fn get_manifest() -> Operation {
    Operation {
        id: "getManifest",
        tag: Tag::Attestation,
        summary: "What a digest in the evidence stands for",
        description: "The list of files behind a digest that an event of the application's log has.",
        parameters: vec![json!({
            "name": "sha256",
            "in": "path",
            "required": true,
            "description": "The digest.",
            "schema": digest("In lower-case hexadecimal digits."),
        })],
        body: None,
        answer: Answer::json("The manifest, of exactly this digest.", json_schema!({"type": ["object", "array"]})),
        failures: &[Failure::Invalid, Failure::NotFound],
    }
}

fn secret() -> Schema {
    let secret = base64("What was in the credential.");
    json_schema!({"type": "object", "properties": {"secret": secret}, "required": ["secret"]})
}

fn evidence() -> Schema {
    let object = |properties: Value| {
        let required: Vec<_> = properties.as_object().into_iter().flat_map(|members| members.keys()).cloned().collect();
        json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
    };
    let list = |items: Value| json!({"type": "array", "items": items});
    let number = json!({"type": "integer", "minimum": 0});
    let log = |description: &str| json!({"type": ["string", "null"], "contentEncoding": "base64", "description": description});
    let values = json!({"type": "object", "additionalProperties": {"type": "string", "pattern": "^[0-9a-f]+$"}});
    let event = object(json!({
        "pcr": number, "type": {"type": "string"}, "digest": digest("What was extended."), "data": {"type": "object"},
    }));
    let evidence = object(json!({
        "version": {"type": "integer", "const": VERSION},
        "nonce": {"type": "string", "description": "The verifier's."},
        "binding": object(json!({
            "tls_spki_sha256": digest("Of the TLS key's SubjectPublicKeyInfo."),
            "receipt_public_key": base64("The Ed25519 key that signs receipts."),
            "hpke_public_key": {"type": "null"},
            "model_sha256": digest("Of the manifest of the model's weights."),
        })),
        "nonce_proof": object(json!({
            "leaf_index": number, "leaf_count": number, "siblings": list(digest("Of a node of the tree.")),
        })),
        "tpm": object(json!({
            "quote": base64("TPMS_ATTEST."),
            "signature": base64("TPMT_SIGNATURE."),
            "ak_public": base64("TPM2B_PUBLIC of the attestation key."),
            "ak_certificates": list(base64("DER, leaf first.")),
            "ek_certificates": list(base64("DER, leaf first.")),
            "pcrs": {"type": "object", "description": "Values by bank and index.", "additionalProperties": values},
        })),
        "event_log": object(json!({
            "firmware": log("The TCG PC Client log."), "systemd": log("systemd's log."), "application": list(event),
        })),
        "tee": {"type": "array", "maxItems": 0},
    }));
    Schema::try_from(evidence).unwrap_or_default()
}

fn digest(description: &str) -> Value {
    json!({"type": "string", "pattern": "^[0-9a-f]{64}$", "description": description})
}

fn base64(description: &str) -> Value {
    json!({"type": "string", "contentEncoding": "base64", "description": description})
}
