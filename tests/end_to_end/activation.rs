//! Endorsement keys, their certificates, and credentials that tpm2-tools make for them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use blindllama_attest::digest::Sha256Digest;
use blindllama_attest_tpm::{AkKind, EkKind, Tpm, TpmError, TpmSettings};
use blindllama_tests::software_tpm::SoftwareTpm;
use data_encoding::HEXLOWER;

const SECRET: &[u8] = b"a secret of 32 bytes, not longer";

/// An endorsement key by our name and by that of tpm2_createek.
const KINDS: [(EkKind, &str); 3] = [(EkKind::Rsa2048, "rsa"), (EkKind::EccP256, "ecc"), (EkKind::EccP384, "ecc384")];

/// A TPM with the public parts of its endorsement keys, as tpm2-tools see them.
struct Machine {
    folder: tempfile::TempDir,
    tpm: SoftwareTpm,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let tpm = SoftwareTpm::start(&folder.path().join("tpm"));
        let machine = Self { folder, tpm };
        for (_, name) in KINDS {
            machine.tool("tpm2_createek", &["-G", name, "-c", "ek.context", "-u", &format!("{name}.pub")]);
            machine.tool("tpm2_flushcontext", &["-t"]);
        }
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn tool(&self, program: &str, arguments: &[&str]) {
        let output = self.tpm.tool(program).current_dir(self.folder.path()).args(arguments).output().expect("is installed");
        assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn open(&self, ek: EkKind, ak: AkKind) -> Tpm {
        let settings = TpmSettings {
            tcti: self.tpm.tcti(),
            state_dir: self.path(&ak.to_string()),
            pcrs: vec![14],
            ak,
            ek,
            max_waiting_nonces: 1,
        };
        Tpm::open(settings).expect("the TPM opens")
    }

    /// TPM2_MakeCredential, in software.
    fn credential(&self, ek: &str, ak_name: &[u8]) -> Credential {
        Credential::make(&self.path(&format!("{ek}.pub")), ak_name)
    }
}

#[derive(Clone)]
struct Credential {
    id_object: Vec<u8>,
    encrypted_secret: Vec<u8>,
}

impl Credential {
    fn make(ek: &Path, ak_name: &[u8]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("secret"), SECRET).expect("writes");
        let mut command = Command::new("tpm2_makecredential");
        command.current_dir(folder.path()).args(["-T", "none", "-s", "secret", "-o", "blob"]);
        command.arg("-u").arg(ek).args(["-n", &HEXLOWER.encode(ak_name)]);
        let output = command.output().expect("is installed");
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        Self::parse(&fs::read(folder.path().join("blob")).expect("is written"))
    }

    /// The file of tpm2_makecredential: a magic number, a version, TPM2B_ID_OBJECT, TPM2B_ENCRYPTED_SECRET.
    fn parse(blob: &[u8]) -> Self {
        let structures = blob.strip_prefix(&[0xba, 0xdc, 0xc0, 0xde, 0, 0, 0, 1]).expect("the header");
        let size = 2 + usize::from(u16::from_be_bytes([structures[0], structures[1]]));
        Self { id_object: structures[..size].to_vec(), encrypted_secret: structures[size..].to_vec() }
    }
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

fn activate(tpm: &Tpm, credential: &Credential) -> Result<Vec<u8>, TpmError> {
    let opened = wait(tpm.activate(tpm.ak_name(), &credential.id_object, &credential.encrypted_secret));
    opened.map(|secret| secret.to_vec())
}

/// What tpm2_makecredential made for each kind of endorsement key and each kind of attestation key is opened, again and
/// again, with quotes in between.
pub fn credentials_of_tpm2_tools_are_opened() {
    let machine = Machine::new();
    for ((ek, name), ak) in KINDS.into_iter().zip([AkKind::EcdsaP256, AkKind::Rsassa2048, AkKind::EcdsaP384]) {
        let tpm = machine.open(ek, ak);
        let credential = machine.credential(name, tpm.ak_name());
        // More often than the TPM has room for objects or sessions that somebody forgot.
        for _ in 0..5 {
            assert_eq!(activate(&tpm, &credential).expect("is opened"), SECRET, "{name}");
            wait(tpm.quote(Sha256Digest::ZERO)).expect("quotes");
        }
    }
}

/// A credential for another AK, for another EK, or with a bit flipped anywhere that matters: refused by the TPM. Another name
/// than the AK's is refused before. Neither keeps the next from its secret.
pub fn other_credentials_are_refused() {
    let (machine, other) = (Machine::new(), Machine::new());
    for (ek, name) in KINDS {
        let tpm = machine.open(ek, AkKind::EcdsaP256);
        let honest = machine.credential(name, tpm.ak_name());
        let mut foreign = tpm.ak_name().to_vec();
        *foreign.last_mut().expect("has bytes") ^= 1;
        let flipped = |credential: &mut Vec<u8>, byte: usize| credential[byte] ^= 1;
        let mut wrong = vec![machine.credential(name, &foreign), other.credential(name, tpm.ak_name())];
        for byte in [2, 20, honest.id_object.len() - 1] {
            wrong.push(honest.clone());
            flipped(&mut wrong.last_mut().expect("just pushed").id_object, byte);
        }
        for byte in [2, 20, honest.encrypted_secret.len() - 1] {
            wrong.push(honest.clone());
            flipped(&mut wrong.last_mut().expect("just pushed").encrypted_secret, byte);
        }
        for id_object in [vec![], vec![0, 0], vec![0, 3, 1, 2, 3], honest.id_object[..9].to_vec()] {
            wrong.push(Credential { id_object, ..honest.clone() });
        }
        for encrypted_secret in [vec![], vec![0, 0], vec![0, 3, 1, 2, 3], [&honest.encrypted_secret[..], &[0]].concat()] {
            wrong.push(Credential { encrypted_secret, ..honest.clone() });
        }
        for (number, credential) in wrong.iter().enumerate() {
            let error = activate(&tpm, credential).expect_err("refused");
            assert!(matches!(error, TpmError::CredentialRefused), "{name} {number}: {error:?}");
        }
        let renamed = wait(tpm.activate(&foreign, &honest.id_object, &honest.encrypted_secret)).expect_err("refused");
        assert!(matches!(renamed, TpmError::ForeignName), "{renamed:?}");
        assert_eq!(activate(&tpm, &honest).expect("is opened"), SECRET, "{name}");
    }
}

/// What swtpm_setup left in NVRAM, without padding, is for the endorsement key of the same template. It leaves none for P-256.
pub fn certificates_in_nvram_are_those_of_the_endorsement_keys() {
    let machine = Machine::new();
    for (ek, name) in KINDS {
        let tpm = machine.open(ek, AkKind::EcdsaP256);
        let certificate = tpm.read_ek_certificate_blocking().expect("reads");
        let Some(certificate) = certificate else {
            assert_eq!(ek, EkKind::EccP256);
            continue;
        };
        assert_ne!(ek, EkKind::EccP256);
        assert!(certificate.mentions(tpm.ek_public_key()), "{name}");
        assert!(!certificate.mentions(tpm.ak_name()), "{name}");
        fs::write(machine.path("ek.der"), certificate.as_der()).expect("writes");
        let print = ["x509", "-inform", "der", "-noout", "-text", "-in", "ek.der"];
        let text = Command::new("openssl").args(print).current_dir(machine.folder.path()).output().expect("is installed");
        assert!(text.status.success() && String::from_utf8_lossy(&text.stdout).contains("2.23.133.8.1"), "{name}");
    }
}

/// Something else than a certificate in the index is named, with what to do about it.
pub fn a_damaged_certificate_in_nvram_is_named() {
    let machine = Machine::new();
    fs::write(machine.path("garbage"), [0x30, 0x82, 0xff, 0xff, 1, 2, 3, 0]).expect("writes");
    let attributes = "ownerwrite|ownerread|authread|no_da";
    machine.tool("tpm2_nvdefine", &["0x01c0000a", "-C", "o", "-s", "8", "-a", attributes]);
    machine.tool("tpm2_nvwrite", &["0x01c0000a", "-C", "o", "-i", "garbage"]);
    let error = machine.open(EkKind::EccP256, AkKind::EcdsaP256).read_ek_certificate_blocking().expect_err("refused");
    assert!(matches!(error, TpmError::MalformedEkCertificate { index: 0x01c0_000a, .. }), "{error:?}");
    assert!(error.to_string().contains("0x01c0000a") && error.to_string().contains("ek_certificates"), "{error}");
}
