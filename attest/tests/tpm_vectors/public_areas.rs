//! Each field of a public area is checked.

use blindllama_attest::{
    hash::HashAlgorithm,
    tpm::{AkError, AttestationKey, Name, QuoteKey},
};

use crate::kit::{EC_256, EC_384, PublicArea, RSA_2048, RSA_3072, SHA256, Scheme, Unique, keys, tpm2b};

/// A change of one field and the code that refuses it.
type Case = (&'static str, fn(&mut PublicArea));

const ANY_KEY: &[Case] = &[
    ("ak_unsupported", |area| area.key_type = 0x0008), // KEYEDHASH
    ("ak_unsupported", |area| area.key_type = 0x0025), // SYMCIPHER
    ("ak_unsupported", |area| area.name_alg = 0x0004), // SHA-1
    ("ak_unsupported", |area| area.name_alg = 0x0010), // NULL
    ("ak_unsupported", |area| area.name_alg = 0x0012), // SM3
    ("ak_not_restricted_signing", |area| area.attributes ^= 1 << 1),
    ("ak_not_restricted_signing", |area| area.attributes ^= 1 << 4),
    ("ak_not_restricted_signing", |area| area.attributes ^= 1 << 5),
    ("ak_not_restricted_signing", |area| area.attributes ^= 1 << 16),
    ("ak_not_restricted_signing", |area| area.attributes ^= 1 << 17),
    ("ak_not_restricted_signing", |area| area.attributes ^= 1 << 18),
    ("ak_malformed", |area| area.auth_policy = vec![1; 31]),
    ("ak_malformed", |area| area.auth_policy = vec![1; 48]),
    ("ak_unsupported", |area| area.symmetric = 0x0006),   // AES
    ("ak_unsupported", |area| area.scheme = 0x0010),      // NULL
    ("ak_unsupported", |area| area.scheme = 0x001a),      // ECDAA
    ("ak_unsupported", |area| area.scheme_hash = 0x0004), // SHA-1
    ("ak_unsupported", |area| area.scheme_hash = 0x000d), // SHA-512
    ("ak_unsupported", |area| area.scheme_hash = 0x0010), // NULL
];

const RSA_KEY: &[Case] = &[
    ("ak_unsupported", |area| area.scheme = 0x0018), // ECDSA
    ("ak_unsupported", |area| area.scheme = 0x0015), // RSAES
    ("ak_weak_rsa_key", |area| *rsa(area).1 = 1),
    ("ak_weak_rsa_key", |area| *rsa(area).1 = 3),
    ("ak_weak_rsa_key", |area| *rsa(area).1 = 65_539),
    ("ak_weak_rsa_key", |area| *rsa(area).1 = 0x0100_0001),
    ("ak_weak_rsa_key", |area| resize(area, 128)),
    ("ak_weak_rsa_key", |area| resize(area, 255)),
    ("ak_weak_rsa_key", |area| resize(area, 513)),
    ("ak_weak_rsa_key", |area| resize(area, 0)),
    ("ak_weak_rsa_key", |area| rsa(area).2[0] &= 0x7f),
    ("ak_weak_rsa_key", |area| *rsa(area).2.last_mut().unwrap() &= 0xfe),
    ("ak_malformed", |area| *rsa(area).0 += 1),
    ("ak_malformed", |area| *rsa(area).0 -= 8),
    ("ak_malformed", |area| rsa(area).2.insert(0, 0)),
    ("ak_malformed", |area| _ = rsa(area).2.pop()),
];

const ECC_KEY: &[Case] = &[
    ("ak_unsupported", |area| area.scheme = 0x0014),  // RSASSA
    ("ak_unsupported", |area| area.scheme = 0x001b),  // SM2
    ("ak_unsupported", |area| *ecc(area).0 = 0x0001), // P-192
    ("ak_unsupported", |area| *ecc(area).0 = 0x0005), // P-521
    ("ak_unsupported", |area| *ecc(area).0 = 0x0020), // SM2
    ("ak_unsupported", |area| *ecc(area).1 = 0x0020), // KDF1 of SP 800-56A
    ("ak_not_on_curve", |area| ecc(area).2[0] ^= 1),
    ("ak_not_on_curve", |area| *ecc(area).3.last_mut().unwrap() ^= 1),
    ("ak_not_on_curve", |area| ecc(area).2.fill(0xff)),
    ("ak_not_on_curve", |area| ecc(area).2.clear()),
    ("ak_not_on_curve", |area| (*ecc(area).2, *ecc(area).3) = (Vec::new(), Vec::new())),
    ("ak_not_on_curve", |area| ecc(area).2.insert(0, 0)),
    ("ak_not_on_curve", |area| ecc(area).2.push(0)),
    ("ak_not_on_curve", |area| *ecc(area).0 ^= 0x0007), // P-256 and P-384 exchanged
];

fn rsa(area: &mut PublicArea) -> (&mut u16, &mut u32, &mut Vec<u8>) {
    match &mut area.unique {
        Unique::Rsa { bits, exponent, modulus } => (bits, exponent, modulus),
        Unique::Ecc { .. } => panic!("no RSA key"),
    }
}

fn ecc(area: &mut PublicArea) -> (&mut u16, &mut u16, &mut Vec<u8>, &mut Vec<u8>) {
    match &mut area.unique {
        Unique::Ecc { curve, kdf, x, y } => (curve, kdf, x, y),
        Unique::Rsa { .. } => panic!("no ECC key"),
    }
}

/// An odd modulus with its top bit set, of so many bytes.
fn resize(area: &mut PublicArea, bytes: usize) {
    let (bits, _, modulus) = rsa(area);
    *bits = u16::try_from(bytes * 8).unwrap();
    *modulus = vec![0xff; bytes];
}

#[test]
fn each_field_is_refused_with_its_code() {
    for key in keys() {
        let of_kind = if key.schemes().contains(&Scheme::Ecdsa) { ECC_KEY } else { RSA_KEY };
        for (number, (code, change)) in ANY_KEY.iter().chain(of_kind).enumerate() {
            let mut area = key.area(key.schemes()[0], SHA256);
            assert!(AttestationKey::parse(&area.sized()).is_ok());
            change(&mut area);
            assert_eq!(AttestationKey::parse(&area.sized()).unwrap_err().code(), *code, "{} {number}", key.name());
            assert_eq!(AttestationKey::parse_public_area(&area.to_bytes()).unwrap_err().code(), *code);
        }
    }
}

#[test]
fn what_may_vary_is_accepted() {
    let mut area = RSA_3072.area(Scheme::RsapssHashSalt, SHA256);
    *rsa(&mut area).1 = 65_537;
    area.attributes |= 1 << 10 | 1 << 2; // noDA, stClear
    assert!(AttestationKey::parse(&area.sized()).is_ok());
    for bytes in [256, 257, 384, 512] {
        resize(&mut area, bytes);
        let scheme = AttestationKey::parse(&area.sized()).unwrap().scheme().to_string();
        assert_eq!(scheme, format!("RSAPSS RSA-{} SHA-256", bytes * 8));
    }
}

#[test]
fn the_name_is_that_of_the_public_area_under_its_name_alg() {
    for (key, name_alg) in
        [(&EC_256, HashAlgorithm::Sha256), (&EC_384, HashAlgorithm::Sha384), (&RSA_2048, HashAlgorithm::Sha512)]
    {
        let mut area = key.area(key.schemes()[0], SHA256);
        area.name_alg = name_alg.tpm_id();
        area.auth_policy = vec![0x5a; name_alg.size()];
        let name = AttestationKey::parse(&area.sized()).unwrap().name();
        assert_eq!(name.to_string(), format!("{:04x}{}", name_alg.tpm_id(), name_alg.digest(&[&area.to_bytes()])));
        assert_eq!(name.to_string().parse::<Name>(), Ok(name));
    }
}

#[test]
fn areas_that_are_cut_or_extended_are_refused() {
    for key in keys() {
        let area = key.area(key.schemes()[0], SHA256).to_bytes();
        let sized = tpm2b(&area);
        for end in 0..area.len() {
            assert!(AttestationKey::parse_public_area(&area[..end]).is_err(), "{} {end}", key.name());
            assert!(AttestationKey::parse(&tpm2b(&area[..end])).is_err(), "{} {end}", key.name());
            assert!(QuoteKey::parse(&area[..end]).is_err(), "{} {end}", key.name());
        }
        for end in 0..sized.len() {
            assert!(AttestationKey::parse(&sized[..end]).is_err(), "{} {end}", key.name());
            assert!(QuoteKey::parse(&sized[..end]).is_err(), "{} {end}", key.name());
        }
        let longer = [&area[..], &[0]].concat();
        assert!(matches!(AttestationKey::parse_public_area(&longer), Err(AkError::Malformed(_))));
        assert!(matches!(AttestationKey::parse(&tpm2b(&longer)), Err(AkError::Malformed(_))));
        assert!(matches!(AttestationKey::parse(&[&sized[..], &[0]].concat()), Err(AkError::Malformed(_))));
        assert!(QuoteKey::parse(&[&sized[..], &[0]].concat()).is_err() && QuoteKey::parse(&longer).is_err());
    }
}
