//! Each kind of key verifies what it signed with its own scheme, and nothing else.

use blindllama_attest::{
    hash::HashAlgorithm,
    tpm::{AkError, AttestationKey, RestrictedSigningKey, Signature, SignatureError},
};

use crate::kit::{EC_256, EC_384, Key, RSA_2048, RSA_2048_OTHER, SHA1, SHA256, SHA384, Scheme, keys, tpm2b};

const MESSAGE: &[u8] = b"\xff\x54\x43\x47 what a TPM signs";

/// Every key with each scheme and each hash that an attestation key may have.
fn combinations() -> impl Iterator<Item = (&'static Key, Scheme, HashAlgorithm)> {
    keys()
        .into_iter()
        .flat_map(|key| key.schemes().iter().flat_map(move |scheme| [SHA256, SHA384].map(|hash| (key, *scheme, hash))))
}

fn ak(key: &Key, scheme: Scheme, hash: HashAlgorithm) -> AttestationKey {
    AttestationKey::parse(&key.area(scheme, hash).sized()).unwrap()
}

#[test]
fn every_scheme_verifies_what_its_key_signed() {
    let mut count = 0;
    for (key, scheme, hash) in combinations() {
        let ak = ak(key, scheme, hash);
        let signature = Signature::parse(&key.sign(scheme, hash, MESSAGE)).unwrap();
        assert_eq!(ak.verify(MESSAGE, &signature), Ok(()), "{}", ak.scheme());
        assert_eq!(ak.verify(b"another message", &signature), Err(SignatureError::Invalid), "{}", ak.scheme());
        assert_eq!(ak.verify(b"", &signature), Err(SignatureError::Invalid), "{}", ak.scheme());
        assert_eq!(ak.scheme().hash(), hash);
        count += 1;
    }
    assert_eq!(count, 2 * (3 + 3 + 1 + 1));
}

#[test]
fn a_scheme_reads_as_algorithm_key_and_hash() {
    let text = |key: &Key, scheme, hash| ak(key, scheme, hash).scheme().to_string();
    assert_eq!(text(&RSA_2048, Scheme::Rsassa, SHA256), "RSASSA RSA-2048 SHA-256");
    assert_eq!(text(&EC_384, Scheme::Ecdsa, SHA384), "ECDSA P-384 SHA-384");
    for (key, scheme, hash) in combinations() {
        assert!(text(key, scheme, hash).contains(&key.name()));
    }
}

#[test]
fn no_flipped_byte_of_a_signature_is_accepted() {
    for (key, scheme, hash) in combinations() {
        let ak = ak(key, scheme, hash);
        let signature = key.sign(scheme, hash, MESSAGE);
        for offset in 0..signature.len() {
            let mut mutant = signature.clone();
            mutant[offset] ^= if offset % 2 == 0 { 0x01 } else { 0x80 };
            let verdict = Signature::parse(&mutant).and_then(|mutant| ak.verify(MESSAGE, &mutant));
            assert!(verdict.is_err(), "{} {offset}", ak.scheme());
        }
    }
}

#[test]
fn another_key_of_the_same_kind_is_refused() {
    for scheme in RSA_2048.schemes() {
        let signature = Signature::parse(&RSA_2048_OTHER.sign(*scheme, SHA256, MESSAGE)).unwrap();
        assert_eq!(ak(&RSA_2048, *scheme, SHA256).verify(MESSAGE, &signature), Err(SignatureError::Invalid));
    }
    let other = Key::P384(p384::ecdsa::SigningKey::from_slice(&[8; 48]).unwrap());
    let signature = Signature::parse(&other.sign(Scheme::Ecdsa, SHA384, MESSAGE)).unwrap();
    assert_eq!(ak(&EC_384, Scheme::Ecdsa, SHA384).verify(MESSAGE, &signature), Err(SignatureError::Invalid));
}

/// The key itself would verify each of these; that its scheme forbids them is the only reason to refuse.
#[test]
fn another_scheme_than_the_keys_is_refused() {
    let rsa = |scheme, hash| (&*RSA_2048, scheme, hash);
    let cases = [
        (rsa(Scheme::Rsassa, SHA256), (Scheme::Rsassa, SHA384)),
        (rsa(Scheme::Rsassa, SHA256), (Scheme::RsapssHashSalt, SHA256)),
        (rsa(Scheme::RsapssHashSalt, SHA256), (Scheme::Rsassa, SHA256)),
        (rsa(Scheme::RsapssHashSalt, SHA384), (Scheme::RsapssHashSalt, SHA256)),
        (rsa(Scheme::Rsassa, SHA256), (Scheme::Rsassa, SHA1)),
        ((&EC_256, Scheme::Ecdsa, SHA256), (Scheme::Ecdsa, SHA384)),
        ((&EC_256, Scheme::Ecdsa, SHA256), (Scheme::Ecdsa, SHA1)),
        ((&EC_384, Scheme::Ecdsa, SHA384), (Scheme::Ecdsa, SHA256)),
    ];
    for ((key, scheme, hash), (signed_scheme, signed_hash)) in cases {
        let ak = ak(key, scheme, hash);
        let signature = Signature::parse(&key.sign(signed_scheme, signed_hash, MESSAGE)).unwrap();
        assert!(ak.public_key().verify(MESSAGE, &signature).is_ok(), "{}", signature.scheme());
        let error = ak.verify(MESSAGE, &signature).unwrap_err();
        assert_eq!(error, SignatureError::SchemeMismatch { key: ak.scheme(), signature: signature.scheme() });
    }
}

#[test]
fn a_key_that_signs_with_sha1_is_no_attestation_key() {
    for (key, scheme) in [(&RSA_2048, Scheme::Rsassa), (&RSA_2048, Scheme::RsapssHashSalt), (&EC_256, Scheme::Ecdsa)] {
        let area = key.area(scheme, SHA1);
        let unsupported = AkError::Unsupported { field: "scheme.hashAlg", found: 0x0004 };
        assert_eq!(AttestationKey::parse(&area.sized()).unwrap_err(), unsupported);
        assert_eq!(AttestationKey::parse_public_area(&area.to_bytes()).unwrap_err(), unsupported);
        let signature = Signature::parse(&key.sign(scheme, SHA1, MESSAGE)).unwrap();
        assert_eq!(RestrictedSigningKey::parse(&area.sized()).unwrap().verify(MESSAGE, &signature), Ok(()));
    }
}

/// The signature is as long as the modulus: neither stripped of a leading zero byte nor padded.
#[test]
fn an_rsa_signature_has_exactly_the_modulus_size() {
    let ak = ak(&RSA_2048, Scheme::Rsassa, SHA256);
    let (message, signature) = (0..u32::MAX)
        .map(|counter| (counter.to_be_bytes(), RSA_2048.sign(Scheme::Rsassa, SHA256, &counter.to_be_bytes())))
        .find(|(_, signature)| signature[6] == 0)
        .unwrap();
    let (header, value) = (&signature[..4], &signature[6..]);
    let verify = |value: &[u8]| ak.verify(&message, &Signature::parse(&[header, &tpm2b(value)].concat()).unwrap());
    assert_eq!(verify(value), Ok(()));
    let padded = [&[0], value].concat();
    let appended = [value, &[0]].concat();
    for wrong in [&value[1..], &value[..255], &padded, &appended, &[]] {
        assert_eq!(verify(wrong), Err(SignatureError::Invalid), "{} bytes", wrong.len());
    }
}

/// `s + n` is the same number modulo `n`, and no signature.
#[test]
fn an_rsa_signature_is_less_than_the_modulus() {
    let Key::Rsa(key) = &*RSA_2048 else { panic!() };
    let modulus = rsa::traits::PublicKeyParts::n_bytes(&**key);
    let ak = ak(&RSA_2048, Scheme::Rsassa, SHA256);
    let (message, sum) = (0_u32..)
        .find_map(|counter| {
            let message = counter.to_be_bytes();
            let signature = RSA_2048.sign(Scheme::Rsassa, SHA256, &message);
            Some((message, add(&signature[6..], &modulus)?))
        })
        .unwrap();
    let signature = Signature::parse(&[&[0x00, 0x14, 0x00, 0x0b][..], &tpm2b(&sum)].concat()).unwrap();
    assert_eq!(ak.verify(&message, &signature), Err(SignatureError::Invalid));
}

/// The sum of two big-endian numbers of one size; `None` if it is larger.
fn add(a: &[u8], b: &[u8]) -> Option<Vec<u8>> {
    let mut carry = 0;
    let mut sum: Vec<u8> = a
        .iter()
        .zip(b)
        .rev()
        .map(|(a, b)| {
            carry += u16::from(*a) + u16::from(*b);
            let byte = carry as u8;
            carry >>= 8;
            byte
        })
        .collect();
    sum.reverse();
    (carry == 0).then_some(sum)
}

#[test]
fn ecdsa_numbers_of_zero_or_beyond_the_order_are_refused() {
    for (key, hash, size) in [(&EC_256, SHA256, 32), (&EC_384, SHA384, 48)] {
        let ak = ak(key, Scheme::Ecdsa, hash);
        let signature = key.sign(Scheme::Ecdsa, hash, MESSAGE);
        let (r, s) = (&signature[6..6 + size], &signature[8 + size..]);
        let verify = |r: &[u8], s: &[u8]| {
            let signature = Signature::parse(&[&signature[..4], &tpm2b(r), &tpm2b(s)].concat())?;
            ak.verify(MESSAGE, &signature)
        };
        assert_eq!(verify(r, s), Ok(()));
        let (zero, ones) = (vec![0; size], vec![0xff; size]);
        for (r, s) in [(&zero[..], s), (r, &zero), (&ones, s), (r, &ones), (&[], s), (r, &[]), (s, r)] {
            assert_eq!(verify(r, s), Err(SignatureError::Invalid));
        }
        for longer in [[&[0], r].concat(), [r, &[0]].concat()] {
            assert!(verify(&longer, s).is_err(), "a number longer than the curve's order");
        }
    }
}

#[test]
fn signatures_that_are_cut_extended_or_unknown_are_refused() {
    for (key, scheme, hash) in combinations() {
        let signature = key.sign(scheme, hash, MESSAGE);
        for end in 0..signature.len() {
            assert!(matches!(Signature::parse(&signature[..end]), Err(SignatureError::Malformed(_))), "{end}");
        }
        assert!(matches!(Signature::parse(&[&signature[..], &[0]].concat()), Err(SignatureError::Malformed(_))));
        for (offset, id, field) in [(0, 0x001a, "sigAlg"), (0, 0x0005, "sigAlg"), (0, 0x0010, "sigAlg"), (2, 0x000d, "hash")] {
            let mut unsupported = signature.clone();
            unsupported[offset..offset + 2].copy_from_slice(&u16::to_be_bytes(id));
            assert_eq!(Signature::parse(&unsupported).unwrap_err(), SignatureError::Unsupported { field, found: id });
        }
    }
    let too_long = [&[0x00, 0x14, 0x00, 0x0b][..], &tpm2b(&[1; 513])].concat();
    assert!(matches!(Signature::parse(&too_long), Err(SignatureError::Malformed(_))));
}
