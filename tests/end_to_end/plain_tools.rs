//! Evidence of the running gateway, checked with tools that know nothing of BlindLlama, and with our own for raw quotes.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use blindllama_attest::{
    evidence::EvidenceDocument,
    nonce::{Nonce, leaf, qualifying_data},
};
use blindllama_tests::shim;
use data_encoding::BASE64;
use serde_json::Value;

use crate::world::World;

/// A quote in files, as tpm2_quote writes them.
struct RawQuote {
    folder: tempfile::TempDir,
    nonce: String,
}

impl RawQuote {
    /// Takes the quote out of what `blindllama evidence fetch` saves.
    fn fetch(world: &World) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let bundle = folder.path().join("evidence.json");
        let bundle = save_evidence(world, bundle);
        let saved: Value = serde_json::from_slice(&std::fs::read(bundle).expect("is written")).expect("JSON");
        let document = BASE64.decode(saved["evidence"].as_str().expect("base64").as_bytes()).expect("base64");
        let document = EvidenceDocument::parse(&document).expect("evidence");
        let nonce = Nonce::from_hex(saved["nonce"].as_str().expect("a nonce")).expect("a nonce");
        let leaf = leaf(&nonce, document.binding.digest());
        // Nobody else waits for a quote, so this nonce has one for itself.
        let nonce = qualifying_data(1, leaf).to_hex();
        let quote = Self { folder, nonce };
        quote.write("attest", &document.tpm.quote.0);
        quote.write("signature", &document.tpm.signature.0);
        quote.write("ak.pub", &document.tpm.ak_public.0);
        quote.write("pcrs", &serde_json::to_vec(&document.tpm.pcrs).expect("JSON"));
        quote
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).expect("writes");
    }

    /// tpm2_checkquote, which shares no code with us.
    fn passes_tpm2_tools(&self) -> bool {
        let mut command = Command::new("tpm2_checkquote");
        command.args(["-u", "ak.pub", "-m", "attest", "-s", "signature", "-g", "sha256", "-q", &self.nonce]);
        command.current_dir(self.folder.path()).output().expect("tpm2-tools are there").status.success()
    }

    /// `blindllama quote check`: its exit status and code.
    fn checked(&self, more: &[&str]) -> (Option<i32>, Value) {
        let files = ["attest", "signature", "pcrs"].map(|name| (format!("--{name}"), self.path(name)));
        let files = files.into_iter().flat_map(|(option, path)| [option.into(), path]);
        let rest = ["--ak".into(), self.path("ak.pub"), "--nonce".into(), self.nonce.clone().into()];
        let arguments = ["quote".into(), "check".into()].into_iter().chain(files).chain(rest);
        shim::told(arguments.chain(more.iter().map(PathBuf::from)))
    }
}

/// Saves evidence of the world's gateway with the shim's command.
pub fn save_evidence(world: &World, file: PathBuf) -> PathBuf {
    let output = shim::run(["evidence", "fetch", "--gateway", &world.machine.url(), "--output", text(&file)]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    file
}

/// A path as an argument.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("a path of ours is text")
}

pub fn quotes_pass_the_tools_of_the_tpm_and_ours(world: &World) {
    let quote = RawQuote::fetch(world);
    assert!(quote.passes_tpm2_tools());
    let (status, told) = quote.checked(&["--eventlog", text(&world.firmware_log)]);
    assert_eq!((status, &told["accepted"]), (Some(0), &Value::from(true)), "{told}");
    // Who holds the key is the only thing that nobody said.
    assert_eq!(told["not_checked"], serde_json::json!(["certificate"]), "{told}");

    for (file, byte) in [("attest", 60), ("signature", 30)] {
        let honest = std::fs::read(quote.path(file)).expect("is there");
        let mut flipped = honest.clone();
        flipped[byte] ^= 1;
        quote.write(file, &flipped);
        assert!(!quote.passes_tpm2_tools(), "{file}");
        let (status, told) = quote.checked(&[]);
        assert_eq!((status, told["code"].as_str()), (Some(1), Some("signature_invalid")), "{file}: {told}");
        quote.write(file, &honest);
    }
    let other = RawQuote { nonce: "11".repeat(32), ..quote };
    assert!(!other.passes_tpm2_tools());
    assert_eq!(other.checked(&[]).1["code"], "nonce_mismatch");
}
