//! SubjectPublicKeyInfo: one encoding of one key.

use blindllama_attest::tpm::{
    AttestationKey, KeyType, PublicKey, QuoteKey,
    public_key::{InvalidRsaKey, PublicKeyError},
};
use data_encoding::BASE64;

use crate::{
    kit::{EC_256, EC_384, Key, RSA_2048, SHA256, SHA384, Scheme, keys},
    vector::{ALL, read},
};

/// RFC 3279, section 2.3.1 and RFC 5480, section 2.1.1: what comes before the key's own bits.
fn spki(key: &Key) -> Vec<u8> {
    let ak = AttestationKey::parse(&key.area(key.schemes()[0], SHA256).sized()).unwrap();
    ak.public_key().spki_der().unwrap()
}

#[test]
fn recorded_keys_are_encoded_as_openssl_does() {
    for id in ALL {
        let pem = String::from_utf8(read(id, "ak_public.pem")).unwrap();
        let der = BASE64.decode(pem.lines().filter(|line| !line.starts_with('-')).collect::<String>().as_bytes()).unwrap();
        let key = PublicKey::from_spki_der(&der).unwrap();
        assert_eq!((key.spki_der().unwrap(), key.key_type()), (der, KeyType::Rsa { bits: 2048 }), "{id}");
    }
    let area = read("keylime-simulator-3pcr", "ak_public.tpmt");
    let QuoteKey::Bare(pem) = QuoteKey::parse(&read("keylime-simulator-3pcr", "ak_public.pem")).unwrap() else { panic!() };
    assert_eq!(AttestationKey::parse_public_area(&area).unwrap().public_key(), &pem);
}

#[test]
fn points_are_encoded_with_a_named_curve_and_uncompressed() {
    let p256 = "3059301306072a8648ce3d020106082a8648ce3d03010703420004";
    let p384 = "3076301006072a8648ce3d020106052b8104002203620004";
    for (key, prefix) in [(&EC_256, p256), (&EC_384, p384)] {
        let der = spki(key);
        let prefix = data_encoding::HEXLOWER.decode(prefix.as_bytes()).unwrap();
        assert_eq!(der[..prefix.len()], prefix);
        let area = key.area(Scheme::Ecdsa, SHA384).to_bytes();
        let point: Vec<u8> = der[prefix.len()..].to_vec();
        let (x, y) = point.split_at(point.len() / 2);
        assert!(area.windows(x.len()).any(|window| window == x) && area.ends_with(y));
        assert_eq!(PublicKey::from_spki_der(&der).unwrap().spki_der().unwrap(), der);
    }
}

#[test]
fn cut_extended_and_flipped_encodings_are_another_key_or_none() {
    for key in keys() {
        let der = spki(key);
        let honest = PublicKey::from_spki_der(&der).unwrap();
        for end in 0..der.len() {
            assert!(PublicKey::from_spki_der(&der[..end]).is_err(), "{} {end}", key.name());
        }
        assert!(PublicKey::from_spki_der(&[&der[..], &[0]].concat()).is_err());
        for offset in 0..der.len() {
            let mut mutant = der.clone();
            mutant[offset] ^= 0x01;
            assert_ne!(PublicKey::from_spki_der(&mutant).as_ref(), Ok(&honest), "{} {offset}", key.name());
        }
    }
}

#[test]
fn other_encodings_of_the_same_key_are_refused() {
    let compressed = |der: &[u8], size: usize| {
        let mut der = [&der[..der.len() - 2 * size - 1], &[0x02], &der[der.len() - 2 * size..der.len() - size]].concat();
        der[1] -= u8::try_from(size).unwrap();
        let bits = der.len() - size - 3;
        der[bits] -= u8::try_from(size).unwrap();
        der
    };
    let mut p256 = compressed(&spki(&EC_256), 32);
    let even = PublicKey::from_spki_der(&p256);
    let point = p256.len() - 33;
    p256[point] = 0x03;
    let odd = PublicKey::from_spki_der(&p256);
    assert_eq!((even.unwrap_err(), odd.unwrap_err()), (PublicKeyError::NotCanonical, PublicKeyError::NotCanonical));

    // rsaEncryption without its NULL.
    let rsa = spki(&RSA_2048);
    let mut without_null = [&rsa[..17], &rsa[19..]].concat();
    without_null[3] -= 2;
    without_null[5] -= 2;
    assert_eq!(PublicKey::from_spki_der(&without_null).unwrap_err(), PublicKeyError::NotCanonical);
}

#[test]
fn weak_and_unknown_keys_are_refused() {
    let rsa = spki(&RSA_2048);
    let mut exponent_3 = rsa.clone();
    *exponent_3.last_mut().unwrap() = 3;
    let weak = PublicKeyError::Rsa(InvalidRsaKey::Exponent { big_endian: vec![1, 0, 3] });
    assert_eq!(PublicKey::from_spki_der(&exponent_3).unwrap_err(), weak);
    let mut even = rsa.clone();
    let last = even.len() - 6;
    even[last] &= 0xfe;
    assert_eq!(PublicKey::from_spki_der(&even).unwrap_err(), PublicKeyError::Rsa(InvalidRsaKey::EvenModulus));
    let mut ed25519 = data_encoding::HEXLOWER.decode(b"302a300506032b6570032100").unwrap();
    ed25519.extend([7; 32]);
    assert!(matches!(PublicKey::from_spki_der(&ed25519), Err(PublicKeyError::Unsupported { .. })));
    // openssl genrsa 1024 | openssl rsa -pubout
    let rsa_1024 = "-----BEGIN PUBLIC KEY-----\nMIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDMewHmXscGuOYnofVgrRdP9KdG\n\
         4vpoblNMPiq1Kxx8t/q/CFtv7u5/x/T1m3tJoUS0bum8sv6dWgDmrl7lbUxIe+mR\n\
         sU3WJ7U2TFl7CWGtxUfC5ak6mHgxIUg689Xp4kh/4f7bBvVD2BP4mbWlzkxITLZE\n\
         aO0I5+gU8UFHtoBaiwIDAQAB\n-----END PUBLIC KEY-----\n";
    assert_eq!(QuoteKey::parse(rsa_1024.as_bytes()).unwrap_err().code(), "ak_weak_rsa_key");
}

#[test]
fn only_a_public_key_in_pem_is_read() {
    let pem = String::from_utf8(read("keylime-simulator-3pcr", "ak_public.pem")).unwrap();
    assert!(QuoteKey::parse(pem.replace('\n', "\r\n").as_bytes()).is_ok());
    let wrong = [
        pem.replace("PUBLIC KEY", "CERTIFICATE"),
        pem.replace("PUBLIC KEY", "RSA PUBLIC KEY"),
        pem.replacen("PUBLIC KEY", "PRIVATE KEY", 1),
        pem.replace("-----END PUBLIC KEY-----", ""),
        pem.replace("MIIB", "MIIC"),
        format!("{pem}{pem}"),
        "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n".to_owned(),
        "-----BEGIN ".to_owned(),
    ];
    for text in wrong {
        assert_eq!(QuoteKey::parse(text.as_bytes()).unwrap_err().code(), "ak_malformed", "{text}");
    }
}
