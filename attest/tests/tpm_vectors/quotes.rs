//! Raw quotes made here, one thing wrong in each.

use blindllama_attest::{
    hash::{Digest, HashAlgorithm},
    pcr_banks::PcrBanks,
    tpm::{CheckedQuote, NotChecked, QuoteKey, RawQuote, check_quote},
};

use crate::kit::{EC_256, EC_384, Key, RSA_2048, RSA_3072, SHA1, SHA256, SHA384, SHA512, Scheme, keys, tpm2b};

/// An honest quote over two banks, to be bent.
struct Quoter {
    key: &'static Key,
    scheme: Scheme,
    hash: HashAlgorithm,
    magic: u32,
    kind: u16,
    extra_data: Vec<u8>,
    safe: u8,
    /// Algorithm and selected PCRs, in the quote's order.
    selections: Vec<(u16, Vec<u8>)>,
    /// The values over which the TPM makes its digest, in its order.
    quoted: Vec<Digest>,
    digest_hash: HashAlgorithm,
    trailing: Vec<u8>,
    nonce: Option<Vec<u8>>,
    given: Option<PcrBanks>,
    allow_sha1: bool,
}

fn value(bank: HashAlgorithm, pcr: u8) -> Digest {
    bank.digest(&[&[pcr]])
}

impl Quoter {
    fn honest(key: &'static Key, scheme: Scheme, hash: HashAlgorithm) -> Self {
        Self {
            key,
            scheme,
            hash,
            magic: 0xff54_4347,
            kind: 0x8018,
            extra_data: vec![0x55; 32],
            safe: 1,
            selections: Vec::new(),
            quoted: Vec::new(),
            digest_hash: hash,
            trailing: Vec::new(),
            nonce: Some(vec![0x55; 32]),
            given: None,
            allow_sha1: false,
        }
        .quoting(&[(SHA384, &[0, 23]), (SHA256, &[0, 7, 8, 16])])
    }

    fn p256() -> Self {
        Self::honest(&EC_256, Scheme::Ecdsa, SHA256)
    }

    /// Quotes these PCRs, and gives their values.
    fn quoting(mut self, banks: &[(HashAlgorithm, &[u8])]) -> Self {
        self.selections = banks.iter().map(|(bank, pcrs)| (bank.tpm_id(), pcrs.to_vec())).collect();
        let values: Vec<(u8, Digest)> =
            banks.iter().flat_map(|(bank, pcrs)| pcrs.iter().map(|pcr| (*pcr, value(*bank, *pcr)))).collect();
        self.quoted = values.iter().map(|(_, value)| *value).collect();
        self.given = Some(values.into_iter().collect());
        self
    }

    /// TPMS_ATTEST.
    fn attest(&self) -> Vec<u8> {
        let selections: Vec<u8> = self.selections.iter().flat_map(|(hash, pcrs)| selection(*hash, pcrs)).collect();
        let values: Vec<&[u8]> = self.quoted.iter().map(Digest::as_bytes).collect();
        [
            &self.magic.to_be_bytes()[..],
            &self.kind.to_be_bytes(),
            &tpm2b(&[0x0b; 34]),
            &tpm2b(&self.extra_data),
            &5000_u64.to_be_bytes(),
            &3_u32.to_be_bytes(),
            &1_u32.to_be_bytes(),
            &[self.safe],
            &0x2019_1023_u64.to_be_bytes(),
            &u32::try_from(self.selections.len()).unwrap().to_be_bytes(),
            &selections,
            &tpm2b(self.digest_hash.digest(&values).as_bytes()),
            &self.trailing,
        ]
        .concat()
    }

    fn check(&self) -> Result<CheckedQuote, &'static str> {
        let attest = self.attest();
        let signature = self.key.sign(self.scheme, self.hash, &attest);
        let ak = QuoteKey::parse(&self.key.area(self.scheme, self.hash).sized()).unwrap();
        let (nonce, pcrs, allow_sha1) = (self.nonce.as_deref(), self.given.as_ref(), self.allow_sha1);
        let raw = RawQuote { attest: &attest, signature: &signature, ak: &ak, nonce, pcrs, allow_sha1 };
        check_quote(&raw).map_err(|error| error.code())
    }

    fn bent(mut self, bend: impl FnOnce(&mut Self)) -> Result<CheckedQuote, &'static str> {
        bend(&mut self);
        self.check()
    }
}

/// TPMS_PCR_SELECTION with three bytes.
fn selection(hash: u16, pcrs: &[u8]) -> Vec<u8> {
    let mut bits = [0_u8; 3];
    for pcr in pcrs {
        bits[usize::from(pcr / 8)] |= 1 << (pcr % 8);
    }
    [&hash.to_be_bytes()[..], &[3], &bits].concat()
}

#[test]
fn honest_quotes_of_every_key_hold() {
    for key in keys() {
        for scheme in key.schemes() {
            for hash in [SHA256, SHA384] {
                let checked = Quoter::honest(key, *scheme, hash).check().unwrap();
                assert_eq!((checked.not_checked, checked.uses_sha1), (vec![], false));
                assert!(checked.scheme.to_string().contains(&key.name()));
                assert_eq!(checked.quote.pcrs(SHA256), Some(&[0, 7, 8, 16].into()));
                assert_eq!(checked.quote.pcrs(SHA384), Some(&[0, 23].into()));
                assert_eq!((checked.quote.pcrs(SHA1), checked.quote.sha256_pcrs()), (None, None));
            }
        }
    }
}

#[test]
fn a_bare_key_verifies_the_scheme_that_the_signature_names() {
    for (key, scheme) in [(&RSA_2048, Scheme::Rsassa), (&RSA_2048, Scheme::RsapssMaxSalt), (&EC_384, Scheme::Ecdsa)] {
        let quoter = Quoter::honest(key, scheme, SHA384);
        let attest = quoter.attest();
        let signature = key.sign(scheme, SHA384, &attest);
        let area = QuoteKey::parse(&key.area(scheme, SHA384).to_bytes()).unwrap();
        let ak = QuoteKey::Bare(area.public_key().clone());
        let pcrs = quoter.given.as_ref();
        let raw = RawQuote { attest: &attest, signature: &signature, ak: &ak, nonce: None, pcrs, allow_sha1: false };
        assert_eq!(check_quote(&raw).unwrap().not_checked, [NotChecked::KeyAttributes, NotChecked::Nonce]);
        let sha1 = key.sign(scheme, SHA1, &attest);
        assert_eq!(check_quote(&RawQuote { signature: &sha1, ..raw }).unwrap_err().code(), "sha1_signature");
        let allowed = check_quote(&RawQuote { signature: &sha1, pcrs: None, allow_sha1: true, ..raw });
        assert!(allowed.unwrap().uses_sha1);
    }
}

#[test]
fn a_restricted_key_verifies_only_its_own_scheme() {
    let quoter = Quoter::honest(&RSA_2048, Scheme::Rsassa, SHA256);
    let attest = quoter.attest();
    let ak = QuoteKey::parse(&RSA_2048.area(Scheme::Rsassa, SHA256).sized()).unwrap();
    for (scheme, hash, allow_sha1) in
        [(Scheme::RsapssHashSalt, SHA256, false), (Scheme::Rsassa, SHA384, false), (Scheme::Rsassa, SHA1, true)]
    {
        let signature = RSA_2048.sign(scheme, hash, &attest);
        let raw = RawQuote { attest: &attest, signature: &signature, ak: &ak, nonce: None, pcrs: None, allow_sha1 };
        assert_eq!(check_quote(&raw).unwrap_err().code(), "signature_scheme_mismatch");
    }
}

#[test]
fn a_signed_structure_that_is_no_quote_is_refused() {
    let quoter = Quoter::p256;
    assert_eq!(quoter().bent(|q| q.magic = 0xff54_4348).unwrap_err(), "quote_not_made_by_tpm");
    assert_eq!(quoter().bent(|q| q.kind = 0x8017).unwrap_err(), "not_a_quote"); // CERTIFY
    assert_eq!(quoter().bent(|q| q.kind = 0x801a).unwrap_err(), "not_a_quote"); // CREATION
    assert_eq!(quoter().bent(|q| q.trailing.push(0)).unwrap_err(), "quote_malformed");
    assert_eq!(quoter().bent(|q| q.safe = 2).unwrap_err(), "quote_malformed");
    assert_eq!(quoter().bent(|q| q.selections.resize(17, (0x000b, vec![]))).unwrap_err(), "quote_malformed");
}

#[test]
fn the_nonce_is_compared_in_full() {
    let zeros = || Quoter { extra_data: [vec![0x55; 30], vec![0; 2]].concat(), ..Quoter::p256() };
    let nonce = |nonce: &[u8]| zeros().bent(|q| q.nonce = Some(nonce.to_vec())).map(|checked| checked.not_checked);
    let sent = zeros().extra_data;
    assert_eq!(nonce(&sent), Ok(vec![]));
    let longer = [&sent[..], &[0]].concat();
    for wrong in [&sent[..31], &sent[..30], &longer, &[], &[0x55; 32]] {
        assert_eq!(nonce(wrong), Err("nonce_mismatch"), "{} bytes", wrong.len());
    }
    let empty = || Quoter { extra_data: Vec::new(), ..Quoter::p256() };
    assert!(empty().bent(|q| q.nonce = Some(Vec::new())).is_ok());
    assert_eq!(empty().check().unwrap_err(), "nonce_mismatch");
    assert_eq!(empty().bent(|q| q.nonce = None).unwrap().not_checked, [NotChecked::Nonce]);
}

#[test]
fn the_pcr_digest_is_under_the_signature_schemes_hash() {
    for (bank, hash) in [(SHA256, SHA384), (SHA384, SHA256), (SHA512, SHA256)] {
        let quoter = || Quoter::honest(&RSA_3072, Scheme::Rsassa, hash).quoting(&[(bank, &[1, 2, 9])]);
        assert!(quoter().check().is_ok());
        assert_eq!(quoter().bent(|q| q.digest_hash = bank).unwrap_err(), "pcr_digest_mismatch");
    }
}

#[test]
fn banks_and_pcrs_are_hashed_in_the_selections_order() {
    let quoter = || Quoter::p256().quoting(&[(SHA384, &[5]), (SHA256, &[3, 4])]);
    assert!(quoter().check().is_ok());
    assert_eq!(quoter().bent(|q| q.selections.swap(0, 1)).unwrap_err(), "pcr_digest_mismatch");
    assert_eq!(quoter().bent(|q| q.quoted.swap(1, 2)).unwrap_err(), "pcr_digest_mismatch");
}

#[test]
fn exactly_the_quoted_values_are_given() {
    let quoter = || Quoter::p256().quoting(&[(SHA256, &[0, 7])]);
    let given = |values: &[(HashAlgorithm, u8)]| {
        let values: PcrBanks = values.iter().map(|(bank, pcr)| (*pcr, value(*bank, *pcr))).collect();
        quoter().bent(|q| q.given = Some(values)).map(|_| ())
    };
    assert_eq!(given(&[(SHA256, 0), (SHA256, 7)]), Ok(()));
    assert_eq!(given(&[(SHA256, 0)]), Err("pcr_selection_mismatch"));
    assert_eq!(given(&[]), Err("pcr_selection_mismatch"));
    assert_eq!(given(&[(SHA256, 0), (SHA256, 7), (SHA256, 8)]), Err("pcr_selection_mismatch"));
    assert_eq!(given(&[(SHA256, 0), (SHA256, 7), (SHA384, 0)]), Err("pcr_selection_mismatch"));
    assert_eq!(given(&[(SHA384, 0), (SHA384, 7)]), Err("pcr_selection_mismatch"));
    assert_eq!(quoter().bent(|q| q.quoted[1] = value(SHA256, 9)).unwrap_err(), "pcr_digest_mismatch");
    assert_eq!(quoter().bent(|q| q.given = None).unwrap().not_checked, [NotChecked::PcrValues]);
}

#[test]
fn a_bank_that_is_named_twice_is_refused() {
    let twice = || Quoter::p256().quoting(&[(SHA256, &[0]), (SHA256, &[7])]);
    assert_eq!(twice().check().unwrap_err(), "quote_malformed");
    let with_empty = Quoter::p256().quoting(&[(SHA256, &[0]), (SHA256, &[])]);
    assert_eq!(with_empty.check().unwrap_err(), "quote_malformed");
}

#[test]
fn a_sha1_bank_is_refused_unless_it_is_allowed() {
    let quoter = || Quoter::p256().quoting(&[(SHA1, &[0, 1]), (SHA256, &[0])]);
    assert_eq!(quoter().check().unwrap_err(), "sha1_bank");
    assert_eq!(quoter().bent(|q| q.given = None).unwrap_err(), "sha1_bank");
    assert!(quoter().bent(|q| q.allow_sha1 = true).unwrap().uses_sha1);
    let empty = Quoter::p256().quoting(&[(SHA1, &[]), (SHA256, &[0])]);
    assert!(!empty.check().unwrap().uses_sha1, "no PCR of that bank is quoted");
}

#[test]
fn a_bank_of_an_unknown_hash_is_refused_where_values_are_given() {
    let sm3 = || Quoter::p256().quoting(&[(SHA256, &[0])]).bent(|q| q.selections.push((0x0012, vec![1])));
    assert_eq!(sm3().unwrap_err(), "pcr_bank_not_supported");
    let empty = Quoter::p256().quoting(&[(SHA256, &[0])]).bent(|q| q.selections.push((0x0012, vec![])));
    assert!(empty.is_ok());
}
