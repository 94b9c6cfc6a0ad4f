//! The gateway's HTTP server and attester on a real TPM, without a model.

use std::{
    net::{SocketAddr, TcpListener},
    num::{NonZeroU32, NonZeroUsize},
    path::Path,
    sync::Arc,
};

use blindllama_attest::{
    application::{LaunchPcr, LaunchPcrs, MeasuredFile, MeasuredManifest},
    binding::Binding,
    digest::Sha256Digest,
    evidence::encoding::{Base64Array, Base64Bytes},
};
use blindllama_attest_tpm::{
    ApplicationLog,
    launch::{Code, Launch},
};
use blindllama_gateway::{
    App, Limits, ServedModel,
    config::{ApiConfig, StructuredLimits},
    cors::AllowedOrigins,
    server::{self, Settings, StopHandle},
    tls::ServerIdentity,
};
use blindllama_gateway_attester::{Certificates, TpmAttester};
use blindllama_tests::http::KeptAlive;
use tokio::task::JoinHandle;

use crate::{machine::Machine, ready_engine::ReadyEngine};

/// A tokeniser and a template; nobody asks for an answer.
const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../gateway/tests/fixtures/tiny-chatml");
const FILE: MeasuredFile = MeasuredFile { sha256: Sha256Digest::from_bytes([1; 32]), bytes: 1 };
const WEIGHTS: MeasuredManifest = MeasuredManifest { manifest_sha256: Sha256Digest::from_bytes([2; 32]), files: 1, bytes: 1 };
const CODE: Code = Code { binary: FILE, packages: WEIGHTS, config: FILE, launch: FILE };
const LAUNCH_PCRS: LaunchPcrs = LaunchPcrs { application: LaunchPcr::zero(14), identity: LaunchPcr::zero(15) };

/// A gateway after its launch.
pub(crate) struct Gateway {
    pub(crate) attester: Arc<TpmAttester>,
    identity: ServerIdentity,
}

/// A gateway that listens.
pub(crate) struct Server {
    address: SocketAddr,
    stop: StopHandle,
    running: JoinHandle<std::io::Result<()>>,
}

impl Gateway {
    /// Records a launch as the gateway does; only the measured values are made up.
    pub(crate) fn launch(machine: &Machine, firmware_log: Option<&[u8]>) -> Self {
        let identity = ServerIdentity::generate().unwrap();
        let log = ApplicationLog::open(&machine.application_log(), machine.tpm.clone(), LAUNCH_PCRS).unwrap();
        let launch = Launch::begin(log).unwrap().code(CODE).unwrap().model(WEIGHTS, FILE).unwrap();
        let launch = launch.seal(identity.tls_spki_sha256(), identity.receipt_public_key()).unwrap();
        let binding = Binding {
            tls_spki_sha256: identity.tls_spki_sha256(),
            receipt_public_key: Base64Array(identity.receipt_public_key()),
            hpke_public_key: None,
            model_sha256: WEIGHTS.manifest_sha256,
        };
        let certificate = machine.tpm.read_ek_certificate_blocking().unwrap();
        let ek = certificate.map(|certificate| Base64Bytes(certificate.as_der().to_vec()));
        let certificates = Certificates { ak: Vec::new(), ek: ek.into_iter().collect() };
        let firmware_log = firmware_log.map(<[u8]>::to_vec);
        let attester = TpmAttester::new(machine.tpm.clone(), certificates, binding, firmware_log, launch, Vec::new()).unwrap();
        Self { attester: Arc::new(attester), identity }
    }

    /// Serves on a free port, with a worker for each core.
    pub(crate) fn serve(self) -> Server {
        let limits = Limits {
            max_body_bytes: NonZeroUsize::MIN,
            max_requests: NonZeroUsize::MIN,
            activations_per_second: NonZeroU32::MIN,
            structured: StructuredLimits::default(),
        };
        let model = ServedModel::load("none".to_owned(), Path::new(MODEL)).unwrap();
        let app = App::new(Arc::new(ReadyEngine::new()), model, self.attester, ApiConfig::default(), limits);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let workers = std::thread::available_parallelism().unwrap();
        let server =
            server::serve(app, listener, &self.identity, Settings { workers, allow_origins: AllowedOrigins::None }).unwrap();
        let (address, stop) = (server.address(), server.stop_handle());
        Server { address, stop, running: tokio::spawn(server) }
    }
}

impl Server {
    /// So many connections.
    pub(crate) async fn connect(&self, clients: usize) -> Vec<KeptAlive> {
        let mut connections = Vec::new();
        for _ in 0..clients {
            connections.push(KeptAlive::connect(self.address).await);
        }
        connections
    }

    pub(crate) async fn stop(self) {
        self.stop.stop().await;
        self.running.await.unwrap().unwrap();
    }
}
