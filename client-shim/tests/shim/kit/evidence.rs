//! The honest gateway behind the scripted one: its TPM, its launches, and a policy that allows them.

use blindllama_attest::{
    application::{Event, LaunchPcr, LoggedEvent, MeasuredFile},
    binding::Binding,
    digest::Sha256Digest,
    nonce::Nonce,
    policy::{Policy, PolicyDocument},
};
use rcgen::PublicKeyData as _;

use super::gateway::CertifiedKey;
use crate::soft_tpm::{Scenario, launch};

pub(crate) struct SoftGateway {
    scenario: Scenario,
    launches: u8,
}

impl SoftGateway {
    pub(crate) fn launched_with(key: &CertifiedKey) -> Self {
        let mut gateway = Self { scenario: Scenario { log: Vec::new(), ..Scenario::honest() }, launches: 0 };
        gateway.relaunch_with(key);
        gateway
    }

    /// Another launch of the same release, with another TLS key.
    pub(crate) fn relaunch_with(&mut self, key: &CertifiedKey) {
        let spki = Sha256Digest::of(&[&key.signing_key.subject_public_key_info()]);
        self.launches += 1;
        let earlier = self.scenario.log.len();
        self.scenario.log = launch(self.launches, &self.scenario.log);
        let events = self.scenario.log[earlier..].iter_mut();
        for logged in events.filter(|logged| matches!(logged.event, Event::TlsSpki(_))) {
            *logged = LoggedEvent::new(logged.pcr, Event::TlsSpki(spki)).unwrap();
        }
        self.scenario.binding.tls_spki_sha256 = spki;
    }

    /// The launch measured this configuration.
    pub(crate) fn configure(&mut self, config: &[u8]) {
        let measured = MeasuredFile { sha256: Sha256Digest::of(&[config]), bytes: config.len() as u64 };
        let log = &mut self.scenario.log;
        for logged in log.iter_mut().filter(|logged| matches!(logged.event, Event::Config(_))) {
            *logged = LoggedEvent::new(logged.pcr, Event::Config(measured)).unwrap();
        }
        let sealed = Event::SealedIdentity(LaunchPcr::zero(14).replay(log));
        *log.last_mut().unwrap() = LoggedEvent::new(15, sealed).unwrap();
    }

    /// The TPM is set back in time, which a snapshot of a virtual machine can do.
    pub(crate) fn go_back_in_time(&mut self) {
        self.scenario.clock.clock -= 1;
    }

    /// Anything else that a dishonest gateway does.
    pub(crate) fn bend(&mut self, bend: impl FnOnce(&mut Scenario)) {
        bend(&mut self.scenario);
    }

    pub(crate) fn evidence(&mut self, nonce: &str) -> Vec<u8> {
        self.scenario.nonce = Nonce::from_hex(nonce).unwrap();
        self.scenario.document()
    }

    pub(crate) fn policy(&self) -> Policy {
        self.scenario.policy.clone().try_into().unwrap()
    }

    pub(crate) fn policy_renewed_every_second(&self) -> Policy {
        PolicyDocument { reattest_after_seconds: 1, ..self.scenario.policy.clone() }.try_into().unwrap()
    }

    pub(crate) fn policy_toml(&self) -> String {
        self.scenario.policy.to_toml().unwrap()
    }

    pub(crate) fn binding(&self) -> &Binding {
        &self.scenario.binding
    }
}
