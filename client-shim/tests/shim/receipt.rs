//! `blindllama receipt verify`, with the known answers of `docs/spec/vectors` and evidence of the software TPM.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Output},
};

use blindllama_attest::{
    evidence::EvidenceDocument,
    receipt::{CompactReceipt, Receipt},
};
use rustls::{SignatureScheme, crypto::ring::sign::any_eddsa_type, pki_types::PrivatePkcs8KeyDer};
use serde_json::Value;
use tempfile::{NamedTempFile, TempDir};

use crate::soft_tpm::Scenario;

/// The digest of `b"a binding"`, which the vectors are bound to.
const BINDING: &str = "743583a8842e5e6bdec013275fbcafd386ea86014f93a30dc41ba99121a9d589";

fn vector(name: &str) -> Value {
    let vectors: Value = serde_json::from_str(include_str!("../../../docs/spec/vectors/receipt.json")).unwrap();
    vectors["vectors"].as_array().unwrap().iter().find(|vector| vector["name"] == name).unwrap().clone()
}

fn file(content: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(content).unwrap();
    file
}

fn text<'a>(vector: &'a Value, key: &str) -> &'a str {
    vector[key].as_str().unwrap()
}

fn blindllama(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_blindllama")).args(["receipt", "verify"]).args(arguments).env_clear().output().unwrap()
}

/// Verifies with these bodies, the vector's key and its binding.
fn verify(vector: &Value, request: &str, response: &str, more: &[&str]) -> Output {
    let (request, response) = (file(request.as_bytes()), file(response.as_bytes()));
    let files = ["--request", request.path().to_str().unwrap(), "--response", response.path().to_str().unwrap()];
    let key = ["--public-key", text(vector, "public_key"), "--binding", BINDING];
    blindllama(&[&files, &key, more].concat())
}

/// The exit status, and what is printed.
fn told(output: &Output) -> (i32, String) {
    let printed = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    (output.status.code().unwrap(), String::from_utf8(printed).unwrap())
}

fn code(output: &Output) -> (i32, String) {
    let verdict: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {:?}", told(output)));
    assert_eq!(verdict["verified"], output.status.success());
    (output.status.code().unwrap(), verdict["code"].as_str().unwrap().to_owned())
}

#[test]
fn a_whole_response_is_verified_with_its_receipt() {
    let vector = vector("whole");
    let (request, response, jws) = (text(&vector, "request"), text(&vector, "response"), text(&vector, "receipt"));
    let saved = file(format!("{jws}\n").as_bytes());
    for receipt in [jws, saved.path().to_str().unwrap()] {
        let (status, printed) = told(&verify(&vector, request, response, &["--receipt", receipt]));
        assert_eq!(status, 0, "{printed}");
        for words in ["Verified:", "POST /v1/chat/completions, sha256:", "org/Modèle", "prompt 11, completion 2", BINDING] {
            assert!(printed.contains(words), "{words:?} in {printed}");
        }
    }
    let output =
        verify(&vector, request, response, &["--receipt", jws, "--json", "--request-id", "req-000102030405060708090a0b0c0d0e0f"]);
    assert_eq!(code(&output), (0, "verified".to_owned()));
    let verdict: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(verdict["receipt"], serde_json::from_str::<Value>(text(&vector, "payload")).unwrap());
}

#[test]
fn a_streamed_response_has_its_receipt_inside() {
    let vector = vector("stream");
    let (request, response) = (text(&vector, "request"), text(&vector, "response"));
    let path = ["--path", "/v1/chat/completions?a=\\b", "--json"];
    assert_eq!(code(&verify(&vector, request, response, &path)), (0, "verified".to_owned()));
    let cut = response.strip_suffix("[DONE]\n\n").unwrap();
    assert_eq!(code(&verify(&vector, request, cut, &path)), (1, "receipt_missing".to_owned()));
    let altered = response.replacen("hi", "ho", 1);
    assert_eq!(code(&verify(&vector, request, &altered, &path)), (1, "receipt_response_mismatch".to_owned()));
}

#[test]
fn an_error_may_have_left_the_request_unread() {
    let vector = vector("unread");
    let more = ["--receipt", text(&vector, "receipt"), "--status", "413"];
    let (status, printed) = told(&verify(&vector, "anything", text(&vector, "response"), &more));
    assert!(status == 0 && printed.contains("its body was not read"), "{status} {printed}");
}

#[test]
fn what_differs_is_refused_by_name() {
    let vector = vector("whole");
    let (request, response, jws) = (text(&vector, "request"), text(&vector, "response"), text(&vector, "receipt"));
    let with = |request: &str, response: &str, more: &[&str]| {
        code(&verify(&vector, request, response, &[&["--receipt", jws, "--json"], more].concat()))
    };
    let altered = jws.replacen("eyJiaW5", "eyJiaW4", 1);
    for (refused, expected) in [
        (with("{}", response, &[]), "receipt_request_mismatch"),
        (with(request, "{}", &[]), "receipt_response_mismatch"),
        (with(request, response, &["--method", "GET"]), "receipt_method_mismatch"),
        (with(request, response, &["--path", "/v1/completions"]), "receipt_path_mismatch"),
        (with(request, response, &["--status", "201"]), "receipt_status_mismatch"),
        (with(request, response, &["--request-id", "req-1"]), "receipt_request_id_mismatch"),
        (code(&verify(&vector, request, response, &["--json"])), "receipt_missing"),
        (code(&verify(&vector, request, response, &["--json", "--receipt", &altered])), "receipt_signature_invalid"),
    ] {
        assert_eq!(refused, (1, expected.to_owned()));
    }
    let (status, printed) = told(&verify(&vector, "{}", response, &["--receipt", jws]));
    assert!(status == 1 && printed.contains("Not verified:") && printed.contains("(receipt_request_mismatch)"), "{printed}");
}

/// The public key of RFC 8037, appendix A.2.
const OTHER_KEY: &str = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

/// Signs with the vectors' key, whose seed is the bytes 0 to 31; in PKCS #8 as in RFC 8410, section 10.3.
fn sign(receipt: &Receipt, public_key: &[u8; 32]) -> CompactReceipt {
    let pkcs8_head = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    let key = [&pkcs8_head[..], &std::array::from_fn::<u8, 32, _>(|index| u8::try_from(index).unwrap())].concat();
    let key = any_eddsa_type(&PrivatePkcs8KeyDer::from(key)).unwrap();
    let signer = key.choose_scheme(&[SignatureScheme::ED25519]).unwrap();
    let input = receipt.signing_input(public_key).unwrap();
    let signature = signer.sign(input.as_bytes()).unwrap().try_into().unwrap();
    input.attach_signature(&signature)
}

#[test]
fn key_and_binding_come_from_evidence() {
    let vector = vector("whole");
    let mut document: Value = serde_json::from_slice(&Scenario::honest().document()).unwrap();
    document["binding"]["receipt_public_key"] = vector["public_key"].clone();
    let binding = EvidenceDocument::parse(document.to_string().as_bytes()).unwrap().binding;
    let claims: Receipt = serde_json::from_str(text(&vector, "payload")).unwrap();
    let receipt = Receipt { binding_digest: binding.digest().digest(), ..claims.clone() };
    let (bound, unbound) = [receipt, claims].map(|receipt| sign(&receipt, binding.receipt_public_key.as_bytes())).into();
    assert_eq!(unbound.as_str(), text(&vector, "receipt"));

    let (request, response) = (file(text(&vector, "request").as_bytes()), file(text(&vector, "response").as_bytes()));
    let with = |document: &Value, receipt: &CompactReceipt| {
        let evidence = file(document.to_string().as_bytes());
        let [request, response, evidence] = [&request, &response, &evidence].map(|file| file.path().to_str().unwrap());
        let arguments = ["--request", request, "--response", response, "--evidence", evidence, "--receipt", receipt.as_str()];
        blindllama(&[&arguments[..], &["--json"]].concat())
    };
    assert_eq!(code(&with(&document, &bound)), (0, "verified".to_owned()));
    assert_eq!(code(&with(&document, &unbound)), (1, "receipt_binding_mismatch".to_owned()));
    let (status, printed) = told(&with(&Value::Null, &bound));
    assert!(status == 5 && printed.contains("the evidence is malformed"), "{status} {printed}");
    document["binding"]["receipt_public_key"] = Value::from(OTHER_KEY);
    assert_eq!(code(&with(&document, &bound)), (1, "receipt_header".to_owned()));
}

#[test]
fn wrong_usage_and_files_that_are_not_there_are_told_apart() {
    let vector = vector("whole");
    let key = text(&vector, "public_key");
    let folder = TempDir::new().unwrap();
    let nothing = folder.path().join("nothing");
    let files = ["--request", nothing.to_str().unwrap(), "--response", "x", "--receipt", "eyJ"];
    for (more, status, words) in [
        (&["--public-key", key, "--binding", BINDING][..], 5, "No such file"),
        (&["--evidence", nothing.to_str().unwrap()], 5, "No such file"),
        (&["--public-key", key], 2, "--binding"),
        (&["--binding", BINDING], 2, "--public-key"),
        (&[], 2, "--evidence"),
        (&["--evidence", "x", "--public-key", key, "--binding", BINDING], 2, "cannot be used with"),
        (&["--public-key", "AAAA", "--binding", BINDING], 2, "expected 32 bytes"),
        (&["--public-key", key, "--binding", "sha256:00"], 2, "64 lower-case"),
    ] {
        let (found, printed) = told(&blindllama(&[&files[..], more].concat()));
        assert!(found == status && printed.contains(words), "{found}, not {status}: {printed}");
    }
    assert!(!Path::new("x").exists());
}
