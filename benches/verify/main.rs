//! How long one verdict takes, from the bytes of the evidence to a `VerifiedPeer`, and where the time goes.

// A benchmark fails by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod case;
#[path = "../../attest/tests/tpm_vectors/kit.rs"]
#[allow(dead_code, reason = "the verifier's own tests need more of it")]
mod keys;
#[path = "../../attest/tests/kit/mod.rs"]
#[allow(dead_code, reason = "the verifier's own tests need more of it")]
mod soft_tpm;

use std::hint::black_box;

use blindllama_attest::{
    certificate::{Certificate, Role, verify_chain},
    evidence::EvidenceDocument,
    firmware::FirmwareLog,
    tpm::{AttestationKey, Signature},
};
use criterion::{Criterion, criterion_group, criterion_main};

use case::{Case, NOW};

fn verdicts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("verify");
    for case in Case::all() {
        case.verify().unwrap_or_else(|error| panic!("{}: {error}", case.name));
        group.bench_function(case.name, |bencher| bencher.iter(|| case.verify().is_ok()));
    }
}

/// The parts of the verdict on a P-256 chain; what is not here (replay of the PCRs, comparisons) is small.
fn parts(criterion: &mut Criterion) {
    let case = Case::p256_chain();
    let document = EvidenceDocument::parse(&case.document).unwrap();
    let tpm = &document.tpm;
    let key = AttestationKey::parse(&tpm.ak_public.0).unwrap();
    let signature = Signature::parse(&tpm.signature.0).unwrap();
    let chain: Vec<_> = tpm.ak_certificates.iter().map(|der| Certificate::parse_der(&der.0).unwrap()).collect();
    let log = &document.event_log.firmware.as_ref().unwrap().0;

    let mut group = criterion.benchmark_group("parts");
    group.bench_function("document", |bencher| bencher.iter(|| EvidenceDocument::parse(black_box(&case.document))));
    group.bench_function("firmware log", |bencher| bencher.iter(|| FirmwareLog::parse(black_box(log))));
    group.bench_function("certificate, read", |bencher| {
        bencher.iter(|| Certificate::parse_der(black_box(&tpm.ak_certificates[0].0)));
    });
    group.bench_function("certificate chain, checked", |bencher| {
        bencher.iter(|| verify_chain(black_box(&chain), case.roots(), NOW, Role::AttestationKey).is_ok());
    });
    group.bench_function("attestation key, read", |bencher| {
        bencher.iter(|| AttestationKey::parse(black_box(&tpm.ak_public.0)));
    });
    group.bench_function("quote's signature", |bencher| bencher.iter(|| key.verify(black_box(&tpm.quote.0), &signature)));
}

criterion_group!(benches, verdicts, parts);
criterion_main!(benches);
