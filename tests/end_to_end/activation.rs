//! Endorsement keys, their certificates, and credentials that tpm2-tools make for them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use blindllama_attest::{
    certificate::Certificate,
    credential::{CredentialRandomness, EndorsementKey, make_credential},
    digest::Sha256Digest,
};
use blindllama_attest_tpm::{AkKind, EkKind, Tpm, TpmError, TpmSettings};
use blindllama_tests::software_tpm::SoftwareTpm;
use data_encoding::HEXLOWER;

const SECRET: &[u8] = b"a secret of 32 bytes, not longer";

/// An endorsement key by our name and by that of tpm2_createek.
const KINDS: [(EkKind, &str); 3] = [(EkKind::Rsa2048, "rsa"), (EkKind::EccP256, "ecc"), (EkKind::EccP384, "ecc384")];

const BLOB_HEADER: [u8; 8] = [0xba, 0xdc, 0xc0, 0xde, 0, 0, 0, 1];

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

    /// The endorsement key, in a certificate made for this: swtpm has none for P-256.
    fn certified_key(&self, ek: &str) -> EndorsementKey {
        let openssl = |arguments: &str| {
            let mut command = Command::new("openssl");
            let output = command.current_dir(self.folder.path()).args(arguments.split(' ')).output().expect("is installed");
            assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        };
        let pem =
            Command::new("tpm2_print").args(["-t", "TPM2B_PUBLIC", "-f", "pem"]).arg(self.path(&format!("{ek}.pub"))).output();
        fs::write(self.path("ek.pem"), pem.expect("is installed").stdout).expect("writes");
        openssl("ecparam -name prime256v1 -genkey -noout -out authority.key");
        openssl("x509 -new -subj /CN=ek -force_pubkey ek.pem -signkey authority.key -outform der -out ek.der");
        let certificate = fs::read(self.path("ek.der")).expect("is written");
        let certificate = Certificate::parse_der(&certificate).expect("a certificate");
        EndorsementKey::from_certificate(&certificate).expect("an endorsement key")
    }

    /// TPM2_ActivateCredential, by tpm2-tools, for their own `ak.context`; `None` if the TPM refuses.
    fn opened_by_tools(&self, ek: EkKind, credential: &Credential) -> Option<Vec<u8>> {
        fs::write(self.path("blob"), credential.to_blob()).expect("writes");
        let mut command = self.tpm.tool("tpm2_activatecredential");
        command.current_dir(self.folder.path());
        command.args(["-c", "ak.context", "-C", "ek.context", "-i", "blob", "-o", "opened"]);
        // Template H-3 lets its owner authorise with an empty password; L-1 and L-2 want a policy session.
        let with_policy = ek != EkKind::EccP384;
        if with_policy {
            self.tool("tpm2_startauthsession", &["--policy-session", "-S", "session"]);
            self.tool("tpm2_policysecret", &["-S", "session", "-c", "e"]);
            command.args(["-P", "session:session"]);
        }
        let output = command.output().expect("is installed");
        if with_policy {
            self.tool("tpm2_flushcontext", &["session"]);
        }
        self.tool("tpm2_flushcontext", &["-t"]);
        output.status.success().then(|| fs::read(self.path("opened")).expect("is written"))
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
    fn to_blob(&self) -> Vec<u8> {
        [&BLOB_HEADER, self.id_object.as_slice(), &self.encrypted_secret].concat()
    }

    fn parse(blob: &[u8]) -> Self {
        let structures = blob.strip_prefix(&BLOB_HEADER).expect("the header");
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

/// The other direction: what our verifier makes, for an endorsement key as a certificate has it, tpm2_activatecredential opens
/// for a key that tpm2-tools made; and a credential for another key's name it does not.
pub fn our_credentials_are_opened_by_tpm2_tools() {
    let machine = Machine::new();
    for (kind, name) in KINDS {
        let ek = machine.certified_key(name);
        machine.tool("tpm2_createek", &["-G", name, "-c", "ek.context"]);
        machine.tool("tpm2_flushcontext", &["-t"]);
        let signing = ["-G", "ecc", "-g", "sha256", "-s", "ecdsa"];
        machine.tool("tpm2_createak", &[&["-C", "ek.context", "-c", "ak.context", "-n", "ak.name"], &signing[..]].concat());
        machine.tool("tpm2_flushcontext", &["-t"]);
        let ak_name = fs::read(machine.path("ak.name")).expect("is written");
        assert_eq!(machine.opened_by_tools(kind, &make(&ek, &ak_name)).expect("is opened"), SECRET, "{name}");
        let mut foreign = ak_name;
        *foreign.last_mut().expect("has bytes") ^= 1;
        assert_eq!(machine.opened_by_tools(kind, &make(&ek, &foreign)), None, "{name}");
    }
}

/// A credential for `SECRET`, as a verifier makes it.
fn make(ek: &EndorsementKey, ak_name: &[u8]) -> Credential {
    let random = || {
        let mut bytes = [0; CredentialRandomness::PART_BYTES];
        getrandom::fill(&mut bytes).expect("random bytes");
        bytes.into()
    };
    let made = make_credential(ek, ak_name, SECRET, CredentialRandomness::new(random(), random())).expect("a credential");
    Credential { id_object: made.id_object, encrypted_secret: made.encrypted_secret }
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
