//! Crate borders, read off the dependency graph (ADR 1).

use std::{collections::BTreeSet, process::Command};

use blindllama_tests::project;

/// The normal dependencies of `package`, all levels, by name.
fn dependencies(package: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .current_dir(project::root())
        .args(["tree", "--offline", "--locked", "-e", "normal", "--prefix", "none", "-f", "{p}", "-p", package])
        .output()
        .expect("cargo tree");
    assert!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

pub fn the_shim_knows_neither_python_nor_a_tpm_library() {
    let known = dependencies("blindllama-shim");
    assert!(known.contains("rustls"), "the list is empty or wrong: {known:?}");
    for foreign in ["pyo3", "pyo3-ffi", "tss-esapi", "tss-esapi-sys"] {
        assert!(!known.contains(foreign), "the shim depends on {foreign}");
    }
}

/// Python belongs to the engine bridge, the TPM library to the evidence producer; nobody else knows either.
pub fn python_and_the_tpm_library_have_one_owner_each() {
    let without_python =
        ["blindllama-attest", "blindllama-attest-tpm", "blindllama-engine", "blindllama-gateway", "blindllama-gateway-attester"];
    let without_tpm = ["blindllama-attest", "blindllama-engine", "blindllama-engine-vllm", "blindllama-gateway"];
    for (foreign, packages) in [("pyo3", &without_python[..]), ("tss-esapi", &without_tpm[..])] {
        for package in packages {
            assert!(!dependencies(package).contains(foreign), "{package} depends on {foreign}");
        }
    }
    assert!(dependencies("blindllama-engine-vllm").contains("pyo3"), "the list is empty or wrong");
    assert!(dependencies("blindllama-attest-tpm").contains("tss-esapi"), "the list is empty or wrong");
}

pub fn crates_depend_only_on_what_they_may() {
    let borders: [(&str, &[&str]); 8] = [
        ("blindllama-attest", &[]),
        ("blindllama-attest-tpm", &["blindllama-attest"]),
        ("blindllama-engine", &[]),
        ("blindllama-engine-vllm", &["blindllama-engine"]),
        ("blindllama-gateway", &["blindllama-attest", "blindllama-engine"]),
        (
            "blindllama-gateway-attester",
            &["blindllama-attest", "blindllama-attest-tpm", "blindllama-engine", "blindllama-gateway"],
        ),
        (
            "blindllama-gateway-server",
            &[
                "blindllama-attest",
                "blindllama-attest-tpm",
                "blindllama-engine",
                "blindllama-engine-vllm",
                "blindllama-gateway",
                "blindllama-gateway-attester",
            ],
        ),
        ("blindllama-shim", &["blindllama-attest"]),
    ];
    for (package, allowed) in borders {
        let ours: BTreeSet<String> =
            dependencies(package).into_iter().filter(|name| name.starts_with("blindllama-") && name != package).collect();
        let allowed: BTreeSet<String> = allowed.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(ours, allowed, "{package} depends on other parts than it may");
    }
    let verifier = dependencies("blindllama-attest");
    for impure in ["tokio", "hyper", "rustls", "ring", "getrandom", "libc"] {
        assert!(!verifier.contains(impure), "the pure verifier depends on {impure}");
    }
}

pub fn there_is_one_cryptographic_provider() {
    for package in ["blindllama-shim", "blindllama-gateway-server"] {
        let known = dependencies(package);
        assert!(known.contains("ring"), "{package} has lost its provider");
        for other in ["aws-lc-rs", "aws-lc-sys", "openssl-sys", "native-tls"] {
            assert!(!known.contains(other), "{package} depends on {other}");
        }
    }
}
