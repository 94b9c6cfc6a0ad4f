//! The TPM's side on a real (software) TPM: quotes, the attestation key, the application log and launches.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::{
    collections::HashMap,
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    pin::Pin,
    process::Command,
    sync::{Arc, Mutex, mpsc},
    task::{self, Waker},
};

use blindllama_attest::{
    application::{APPLICATION_PCR, Event, IDENTITY_PCR, LaunchPcr, LaunchPcrs, LoggedEvent, MeasuredManifest},
    digest::Sha256Digest,
    nonce::{NonceProof, qualifying_data},
};
use blindllama_attest_tpm::{
    AkKind, ApplicationLog, EkKind, LogError, Quote, Tpm, TpmError, TpmSettings,
    launch::{Code, Launch, LaunchError},
    measure::measure_document,
};
use blindllama_tests::{software_tpm::SoftwareTpm, tpm_proxy::TpmProxy};

/// A fresh TPM and the folder that everything of one test lives in.
struct Machine {
    folder: tempfile::TempDir,
    tpm: SoftwareTpm,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let tpm = SoftwareTpm::start(&folder.path().join("tpm"));
        Self { folder, tpm }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn settings(&self) -> TpmSettings {
        TpmSettings {
            tcti: self.tpm.tcti(),
            state_dir: self.path("state"),
            pcrs: (0..16).collect(),
            ak: AkKind::EcdsaP256,
            ek: EkKind::Rsa2048,
            max_waiting_nonces: 1024,
        }
    }

    fn open(&self) -> Tpm {
        Tpm::open(self.settings()).expect("the TPM opens")
    }

    fn log(&self) -> Result<ApplicationLog, LogError> {
        ApplicationLog::open(&self.log_path(), self.open(), LAUNCH_PCRS)
    }

    fn log_path(&self) -> PathBuf {
        self.path("run/application.log")
    }

    fn tool(&self, program: &str, arguments: &[&str]) -> Vec<u8> {
        run(self.tpm.tool(program).current_dir(self.folder.path()).args(arguments))
    }
}

fn run(command: &mut Command) -> Vec<u8> {
    let output = command.output().expect("the program is installed");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

/// A quote over one leaf alone.
fn quote(tpm: &Tpm, leaf: Sha256Digest) -> Result<Quote, TpmError> {
    let (quote, proof) = wait(tpm.quote(leaf))?;
    assert_eq!(proof, NonceProof::single());
    Ok(Quote::clone(&quote))
}

/// Checks a quote over one leaf with tpm2-tools, which shares no code with us above the TSS libraries.
fn check_quote(folder: &Path, ak_public: &[u8], quote: &Quote, leaf: Sha256Digest) -> bool {
    check_signature(folder, ak_public, quote, qualifying_data(1, leaf), "sha256")
}

/// The same for any signed data and hash of the signature.
fn check_signature(folder: &Path, ak_public: &[u8], quote: &Quote, data: Sha256Digest, hash: &str) -> bool {
    for (name, bytes) in [("ak.pub", ak_public), ("attest", &quote.attest), ("signature", &quote.signature)] {
        fs::write(folder.join(name), bytes).expect("writes");
    }
    let arguments = ["-u", "ak.pub", "-m", "attest", "-s", "signature", "-g", hash, "-q", &data.to_hex()];
    Command::new("tpm2_checkquote").args(arguments).current_dir(folder).output().expect("is installed").status.success()
}

/// Checks an RSASSA-PSS signature with OpenSSL: tpm2_checkquote knows RSASSA-PKCS1-v1_5 alone.
fn check_pss(folder: &Path, ak_public: &[u8], quote: &Quote, data: Sha256Digest) -> bool {
    // sigAlg, hash and size come before the signature itself.
    for (name, bytes) in [("ak.pub", ak_public), ("attest", &quote.attest), ("signature", &quote.signature[6..])] {
        fs::write(folder.join(name), bytes).expect("writes");
    }
    let pem = run(Command::new("tpm2_print").args(["-t", "TPM2B_PUBLIC", "-f", "pem", "ak.pub"]).current_dir(folder));
    fs::write(folder.join("ak.pem"), pem).expect("writes");
    let mut openssl = Command::new("openssl");
    openssl.args(["dgst", "-sha256", "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:auto"]);
    openssl.args(["-verify", "ak.pem", "-signature", "signature", "attest"]).current_dir(folder);
    let is_signed = openssl.output().expect("is installed").status.success();
    is_signed && quote.attest.windows(32).any(|bytes| bytes == data.as_bytes())
}

/// A quote's raw bytes carry the AK's signature, and its PCR digest is that of the values beside it.
pub fn a_quote_is_what_the_tpm_signed() {
    let machine = Machine::new();
    let tpm = machine.open();
    tpm.extend_blocking(APPLICATION_PCR, Sha256Digest::of(&[b"something"])).expect("extends");
    let data = Sha256Digest::of(&[b"nonce"]);
    let mut quoted = quote(&tpm, data).expect("quotes");

    assert!(check_quote(machine.folder.path(), tpm.ak_public(), &quoted, data));
    assert!(!check_quote(machine.folder.path(), tpm.ak_public(), &quoted, Sha256Digest::ZERO), "another nonce is refused");
    let values: Vec<&[u8]> = quoted.pcrs.values().map(|value| value.as_bytes().as_slice()).collect();
    assert!(quoted.attest.ends_with(Sha256Digest::of(&values).as_bytes()));
    assert_eq!(quoted.pcrs.len(), 16);
    assert_eq!(quoted.pcrs[&APPLICATION_PCR], Sha256Digest::ZERO.extended_with(Sha256Digest::of(&[b"something"])));

    *quoted.attest.last_mut().expect("has bytes") ^= 1;
    assert!(!check_quote(machine.folder.path(), tpm.ak_public(), &quoted, data), "a flipped bit is refused");
}

/// 256 nonces that wait at the same time: a handful of quotes, and each client can prove that its nonce was signed.
pub fn many_nonces_share_few_quotes() {
    const NONCES: u32 = 256;
    let machine = Machine::new();
    let tpm = machine.open();
    let leaf = |number: u32| Sha256Digest::of(&[&number.to_be_bytes()]);
    let answers = wait(async {
        let ask = |number: u32| {
            let tpm = tpm.clone();
            async move { (number, tpm.quote(leaf(number)).await.expect("quotes")) }
        };
        (0..NONCES).map(ask).collect::<tokio::task::JoinSet<_>>().join_all().await
    });
    let mut signed = HashMap::new();
    for (number, (quote, proof)) in answers {
        let data = qualifying_data(proof.leaf_count, proof.root(leaf(number)).expect("a proof"));
        let (known, leaves) = signed.entry(quote.attest.clone()).or_insert_with(|| ((data, Arc::clone(&quote)), 0));
        assert_eq!(known.0, data, "nonces of one quote have one root");
        *leaves += 1;
        assert!(*leaves <= proof.leaf_count);
    }
    assert!(signed.len() <= 16, "{} quotes for {NONCES} nonces", signed.len());
    for ((data, quote), leaves) in signed.into_values() {
        assert!(check_signature(machine.folder.path(), tpm.ak_public(), &quote, data, "sha256"), "a quote of {leaves} nonces");
    }
}

/// A TPM of any slowness: while it makes a quote, all nonces that come wait for the next one, and none for a third.
pub fn nonces_that_come_during_a_quote_share_the_next() {
    const NONCES: u32 = 256;
    let machine = Machine::new();
    let (quoting, quotes) = mpsc::channel();
    let (go_on, gate) = mpsc::channel();
    let gate = Arc::new(Mutex::new(gate));
    let proxy = TpmProxy::before_quotes(&machine.tpm.sockets(), move || {
        // Once the test has ended, nobody holds the TPM any more.
        let _ = quoting.send(());
        let _ = gate.lock().expect("a gate").recv();
    });
    let tpm = Tpm::open(TpmSettings { tcti: proxy.tcti(), ..machine.settings() }).expect("the TPM opens");
    let leaf = |number: u32| Sha256Digest::of(&[&number.to_be_bytes()]);

    let mut first = Box::pin(tpm.quote(leaf(NONCES)));
    assert!(is_waiting(first.as_mut()));
    quotes.recv().expect("the first quote begins");
    let mut others: Vec<_> = (0..NONCES).map(|number| Box::pin(tpm.quote(leaf(number)))).collect();
    assert!(others.iter_mut().all(|other| is_waiting(other.as_mut())), "none is turned away");
    go_on.send(()).expect("the TPM waits");
    assert_eq!(wait(first).expect("quotes").1, NonceProof::single());

    quotes.recv().expect("the second quote begins");
    go_on.send(()).expect("the TPM waits");
    let answers: Vec<_> = others.into_iter().map(|other| wait(other).expect("quotes")).collect();
    assert!(quotes.try_recv().is_err(), "a third quote was made");
    for (number, (quote, proof)) in (0..).zip(answers) {
        assert_eq!((proof.leaf_index, proof.leaf_count), (number, NONCES));
        let data = qualifying_data(NONCES, proof.root(leaf(number)).expect("a proof"));
        assert!(quote.attest.windows(32).any(|bytes| bytes == data.as_bytes()), "nonce {number} is signed");
    }
}

/// Lets the future go as far as it gets, which for a quote is into the queue.
fn is_waiting(future: Pin<&mut impl Future>) -> bool {
    future.poll(&mut task::Context::from_waker(Waker::noop())).is_pending()
}

/// Values and quote agree while another process extends a PCR; where they never do, there is no quote.
pub fn quotes_and_values_agree_while_pcrs_change() {
    let machine = Machine::new();
    let tpm = machine.open();
    let quotes = std::thread::scope(|scope| {
        let extending = scope.spawn(|| (0..20).for_each(|_| machine.tpm.extend(IDENTITY_PCR, Sha256Digest::ZERO)));
        let mut quotes = Vec::new();
        while !extending.is_finished() {
            quotes.push(quote(&tpm, Sha256Digest::ZERO));
        }
        quotes
    });
    for quoted in quotes {
        match quoted {
            Ok(quoted) => {
                let values: Vec<&[u8]> = quoted.pcrs.values().map(|value| value.as_bytes().as_slice()).collect();
                assert!(quoted.attest.ends_with(Sha256Digest::of(&values).as_bytes()));
            }
            Err(error) => assert!(matches!(error, TpmError::PcrsChanging { .. }), "{error:?}"),
        }
    }
}

/// Three objects and three sessions that a killed process left behind fill the TPM; opening makes room.
pub fn leftovers_are_flushed() {
    let machine = Machine::new();
    for number in 0..3 {
        machine.tool("tpm2_createprimary", &["-c", &format!("{number}.context")]);
    }
    let full =
        machine.tpm.tool("tpm2_createprimary").current_dir(machine.folder.path()).args(["-c", "4"]).output().expect("runs");
    assert!(!full.status.success(), "there was room left: this test proves nothing");
    for session_type in [0x00, 0x01, 0x00] {
        leak_session(machine.tpm.port(), session_type);
    }
    let sessions = machine.tool("tpm2_getcap", &["handles-loaded-session"]);
    assert_eq!(sessions.iter().filter(|byte| **byte == b'\n').count(), 3);

    let tpm = machine.open();
    quote(&tpm, Sha256Digest::ZERO).expect("quotes");
    assert_eq!(machine.tool("tpm2_getcap", &["handles-loaded-session"]), b"");
    let loaded = machine.tool("tpm2_getcap", &["handles-transient"]);
    assert_eq!(loaded.iter().filter(|byte| **byte == b'\n').count(), 1, "only the attestation key is loaded");
    drop(tpm);
    assert_eq!(machine.tool("tpm2_getcap", &["handles-transient"]), b"", "the last handle unloads the key");
}

/// TPM2_StartAuthSession, unbound and unsalted, with SHA-256; 0x00 makes an HMAC session, 0x01 a policy session.
fn leak_session(port: u16, session_type: u8) {
    let mut command = vec![0x80, 0x01, 0, 0, 0, 43, 0, 0, 0x01, 0x76];
    command.extend([0x40, 0, 0, 7, 0x40, 0, 0, 7, 0, 16]);
    command.extend([0; 16]);
    command.extend([0, 0, session_type, 0, 0x10, 0, 0x0b]);
    let mut connection = TcpStream::connect(("127.0.0.1", port)).expect("connects");
    connection.write_all(&command).expect("sends");
    let mut header = [0; 10];
    connection.read_exact(&mut header).expect("answers");
    assert_eq!(header[6..], [0; 4], "the session starts");
}

/// The AK outlives gateway and TPM restarts, power cuts included, and tpm2-tools can load it under the standard EK.
pub fn the_attestation_key_persists() {
    let mut machine = Machine::new();
    let first = machine.open();
    let public = first.ak_public().to_vec();
    assert_eq!(fs::read(machine.path("state/ak.public")).expect("is kept"), public);
    drop(first);
    // More power cuts after use than the TPM's lockout would allow a key that is not exempt from it.
    for _ in 0..5 {
        let tpm = machine.open();
        assert_eq!(tpm.ak_public(), public);
        let quoted = quote(&tpm, Sha256Digest::ZERO).expect("quotes");
        assert!(check_quote(machine.folder.path(), &public, &quoted, Sha256Digest::ZERO));
        machine.tpm.reset();
    }

    machine.tool("tpm2_createek", &["-G", "rsa", "-c", "ek.context", "-u", "ek.pub"]);
    machine.tool("tpm2_flushcontext", &["-t"]);
    machine.tool("tpm2_startauthsession", &["--policy-session", "-S", "session"]);
    machine.tool("tpm2_policysecret", &["-S", "session", "-c", "e"]);
    let load =
        ["-C", "ek.context", "-u", "state/ak.public", "-r", "state/ak.private", "-P", "session:session", "-c", "ak.context"];
    machine.tool("tpm2_load", &load);
}

/// Each kind of attestation key quotes; a stored key of another kind than configured is refused, by name, and stays.
pub fn each_kind_of_attestation_key_quotes() {
    let machine = Machine::new();
    let kinds = [
        (AkKind::EcdsaP256, "sha256"),
        (AkKind::EcdsaP384, "sha384"),
        (AkKind::Rsassa2048, "sha256"),
        (AkKind::Rsapss2048, "sha256"),
    ];
    for (kind, hash) in kinds {
        let settings = TpmSettings { ak: kind, state_dir: machine.path(&kind.to_string()), ..machine.settings() };
        for made_or_loaded in ["made", "loaded"] {
            let tpm = Tpm::open(settings.clone()).unwrap_or_else(|error| panic!("{kind}, {made_or_loaded}: {error}"));
            let (leaf, folder) = (Sha256Digest::of(&[made_or_loaded.as_bytes()]), machine.folder.path());
            let quoted = quote(&tpm, leaf).expect("quotes");
            let values: Vec<&[u8]> = quoted.pcrs.values().map(|value| value.as_bytes().as_slice()).collect();
            assert!(quoted.attest.ends_with(kind.hash().digest(&values).as_bytes()), "{kind}");
            let data = qualifying_data(1, leaf);
            if kind == AkKind::Rsapss2048 {
                assert!(check_pss(folder, tpm.ak_public(), &quoted, data), "{kind}");
                let altered = Quote { attest: [&quoted.attest[..], &[0]].concat(), ..quoted };
                assert!(!check_pss(folder, tpm.ak_public(), &altered, data), "{kind}");
            } else {
                assert!(check_signature(folder, tpm.ak_public(), &quoted, data, hash), "{kind}");
                assert!(!check_signature(folder, tpm.ak_public(), &quoted, Sha256Digest::ZERO, hash), "{kind}");
            }
        }
        for (other, _) in kinds.iter().filter(|(other, _)| *other != kind) {
            let error = Tpm::open(TpmSettings { ak: *other, ..settings.clone() }).err().expect("refused");
            assert!(matches!(error, TpmError::OtherAk { .. }), "{error:?}");
            assert!(error.to_string().contains(&format!("is {kind}, the configuration wants {other}")), "{error}");
        }
    }
}

/// The key files of one TPM are refused by another, by name, and stay where they are.
pub fn a_foreign_attestation_key_is_refused() {
    let (machine, other) = (Machine::new(), Machine::new());
    drop(machine.open());
    let settings = TpmSettings { tcti: other.tpm.tcti(), ..machine.settings() };
    let before = fs::read(machine.path("state/ak.private")).expect("is kept");
    let error = Tpm::open(settings).err().expect("refused");
    assert!(matches!(error, TpmError::ForeignAk { .. }), "{error:?}");
    assert!(error.to_string().contains("state/ak.private"), "{error}");
    assert_eq!(fs::read(machine.path("state/ak.private")).expect("is kept"), before);
    assert_eq!(other.tool("tpm2_getcap", &["handles-transient"]), b"", "nothing stays loaded");
}

/// What cannot be opened says where it looked.
pub fn an_unreachable_tpm_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let tcti = "swtpm:host=127.0.0.1,port=1".to_owned();
    let settings = TpmSettings {
        tcti: tcti.clone(),
        state_dir: folder.path().into(),
        pcrs: vec![14],
        ak: AkKind::EcdsaP256,
        ek: EkKind::Rsa2048,
        max_waiting_nonces: 1,
    };
    let error = Tpm::open(settings).err().expect("refused");
    assert!(matches!(error, TpmError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains(&tcti) && error.to_string().contains("is swtpm running"), "{error}");
}

/// A second gateway is refused before it could flush what the first has loaded.
pub fn one_gateway_per_tpm() {
    let machine = Machine::new();
    let tpm = machine.open();
    assert!(matches!(Tpm::open(machine.settings()), Err(TpmError::InUse { .. })));
    quote(&tpm, Sha256Digest::ZERO).expect("the first still quotes");

    let log = ApplicationLog::open(&machine.log_path(), tpm.clone(), LAUNCH_PCRS).expect("opens");
    let second = ApplicationLog::open(&machine.log_path(), tpm.clone(), LAUNCH_PCRS);
    assert!(matches!(second, Err(LogError::InUse { .. })));
    drop(log);
    ApplicationLog::open(&machine.log_path(), tpm, LAUNCH_PCRS).expect("is free again");
}

/// Records a launch of `config` and returns the kinds of all events since boot.
fn launch(log: ApplicationLog, config: &str) -> Vec<(u8, &'static str)> {
    let weights = MeasuredManifest { manifest_sha256: Sha256Digest::of(&[b"weights"]), files: 1, bytes: 7 };
    let file = measure_document(b"file");
    let code = Code { binary: file, packages: weights, config: measure_document(config.as_bytes()), launch: file };
    let launch = Launch::begin(log).and_then(|launch| launch.code(code)).expect("the code is measured");
    let launch = launch.model(weights, file).expect("the model is measured");
    let sealed = launch.seal(Sha256Digest::of(&[b"tls"]), [7; 32]).expect("is sealed");
    let entries = sealed.entries();
    let Some(Event::SealedIdentity(application)) = entries.last().map(|entry| entry.event.clone()) else {
        panic!("the seal of the identity comes last");
    };
    assert_eq!(application, LAUNCH_PCRS.application.replay(entries));
    entries.iter().map(|entry| (entry.pcr, entry.event.kind())).collect()
}

const LAUNCH_PCRS: LaunchPcrs =
    LaunchPcrs { application: LaunchPcr::zero(APPLICATION_PCR), identity: LaunchPcr::zero(IDENTITY_PCR) };

const LAUNCH: [(u8, &str); 12] = [
    (14, "launch.begin"),
    (15, "launch.begin"),
    (14, "gateway.binary"),
    (14, "engine.packages"),
    (14, "config"),
    (14, "launch"),
    (14, "model.weights"),
    (14, "model.chat_template"),
    (14, "sealed"),
    (15, "identity.tls_spki"),
    (15, "identity.receipt_key"),
    (15, "sealed"),
];

/// A restarted gateway finds the log as it left it and adds its launch; the PCRs prove both.
pub fn a_restarted_gateway_continues_the_log() {
    let machine = Machine::new();
    assert_eq!(launch(machine.log().expect("opens"), "first"), LAUNCH);
    let continued = machine.log().expect("opens again");
    assert_eq!(continued.entries().len(), LAUNCH.len());
    assert_eq!(launch(continued, "second"), [LAUNCH, LAUNCH].concat());

    let (tpm, log) = (machine.open(), fs::read_to_string(machine.log_path()).expect("is there"));
    let entries: Vec<LoggedEvent> = log.lines().map(|line| serde_json::from_str(line).expect("is an event")).collect();
    let pcrs = tpm.read_pcrs_blocking().expect("reads");
    for register in [LAUNCH_PCRS.application, LAUNCH_PCRS.identity] {
        assert_eq!(pcrs[&register.pcr], register.replay(&entries));
    }
}

/// A log that lacks an event, repeats one or holds another than was extended needs a reboot.
pub fn a_tampered_log_is_refused() {
    let machine = Machine::new();
    launch(machine.log().expect("opens"), "config");
    let log = fs::read_to_string(machine.log_path()).expect("is there");
    let lines: Vec<&str> = log.split_inclusive('\n').collect();
    let tampered = [
        lines[1..].concat(),
        lines[..10].concat(),
        [&log, lines[11]].concat() + lines[11],
        lines[3..].concat() + &lines[..3].concat(),
        String::new(),
    ];
    for tampered in tampered {
        fs::write(machine.log_path(), tampered).expect("writes");
        let error = machine.log().err().expect("refused");
        assert!(matches!(error, LogError::Unexplained { .. }), "{error:?}");
        assert!(error.to_string().contains("reboot"), "{error}");
    }
    fs::write(machine.log_path(), log).expect("writes");
    machine.log().expect("the true log is accepted");
}

/// Written and not extended: the event is dropped and the log goes on. Torn while writing: likewise.
pub fn a_crash_before_the_extend_is_tolerated() {
    let machine = Machine::new();
    launch(machine.log().expect("opens"), "config");
    let log = fs::read_to_string(machine.log_path()).expect("is there");
    let last = log.lines().last().expect("has lines");
    for crashed in [format!("{log}{last}\n"), format!("{log}{last}"), format!("{log}{{\"pcr\":1")] {
        fs::write(machine.log_path(), crashed).expect("writes");
        assert_eq!(machine.log().expect("opens").entries().len(), LAUNCH.len());
        assert_eq!(fs::read_to_string(machine.log_path()).expect("is there"), log);
    }
    assert_eq!(launch(machine.log().expect("opens"), "next").len(), 2 * LAUNCH.len());
}

/// After a TPM reset the old log is refused, with the advice to remove it.
pub fn a_log_from_before_a_tpm_reset_is_refused() {
    let mut machine = Machine::new();
    launch(machine.log().expect("opens"), "config");
    machine.tpm.reset();
    let error = machine.log().err().expect("refused");
    assert!(matches!(error, LogError::TpmReset { .. }), "{error:?}");
    fs::remove_file(machine.log_path()).expect("removes");
    assert_eq!(launch(machine.log().expect("opens"), "config"), LAUNCH);
}

/// Other software that extends the PCRs between begin and seal is noticed before the seal.
pub fn a_foreign_extend_prevents_the_seal() {
    let machine = Machine::new();
    let measured = measure_document(b"");
    let weights = MeasuredManifest { manifest_sha256: measured.sha256, files: 1, bytes: 0 };
    let code = Code { binary: measured, packages: weights, config: measured, launch: measured };
    let launch = Launch::begin(machine.log().expect("opens")).and_then(|launch| launch.code(code));
    let launch = launch.and_then(|launch| launch.model(weights, measured));
    machine.tpm.extend(APPLICATION_PCR, Sha256Digest::ZERO);
    let error = launch.and_then(|launch| launch.seal(Sha256Digest::ZERO, [0; 32])).err().expect("refused");
    assert!(matches!(error, LaunchError::Log(LogError::Unexplained { .. })), "{error:?}");
}

/// The log's PCRs must be quoted, and two.
pub fn the_logs_pcrs_must_be_quoted_and_apart() {
    let machine = Machine::new();
    let tpm = Tpm::open(TpmSettings { pcrs: vec![0, 14], ..machine.settings() }).expect("opens");
    let open = |identity| {
        let pcrs = LaunchPcrs { identity: LaunchPcr::zero(identity), ..LAUNCH_PCRS };
        ApplicationLog::open(&machine.log_path(), tpm.clone(), pcrs).err().expect("refused")
    };
    assert!(matches!(open(15), LogError::NotQuoted { pcr: 15 }));
    assert!(matches!(open(14), LogError::SharedPcr { pcr: 14 }));
}
