//! Checks 1 to 8: the document, the attestation key and the quote.

use super::{Allow, Context, Explanation};
use crate::{
    digest::Sha256Digest,
    nonce::Nonce,
    policy::{Certifies, MachineIdentity, Policy, Weakening},
    tpm::Name,
    verify::{TrustError, VerifyError},
};

const ASK_AGAIN: &str = "Ask again; if it happens again, whatever answers at that address is no BlindLlama gateway of this version, or \
     something on the way changes its answers.";

pub(super) fn document(error: &VerifyError) -> Explanation {
    Explanation::new(error.to_string(), ASK_AGAIN)
}

pub(super) fn version(found: u32) -> Explanation {
    let advice = "Use a blindllama of the gateway's release.";
    Explanation::new("the evidence is of another version of the format", advice).values(crate::evidence::VERSION, found)
}

pub(super) fn nonce(sent: &Nonce, found: Option<&Nonce>) -> Explanation {
    let found = found.map_or_else(|| "no nonce".to_owned(), Nonce::to_hex);
    let what = "the evidence was made for another nonce: for somebody else, or earlier, and is now shown again";
    Explanation::new(what, "Do not trust this gateway: honest ones answer each nonce anew. No policy can allow it.")
        .values(sent.to_hex(), found)
}

pub(super) fn attestation_key(error: &VerifyError) -> Explanation {
    let advice = "The server has to create a fit attestation key; a policy cannot allow another one, since what such a key signs \
         need not come from a TPM.";
    Explanation::new(error.to_string(), advice)
}

pub(super) fn trust(error: &TrustError, policy: &Policy) -> Explanation {
    let what = error.to_string();
    match error {
        TrustError::NotTrusted { name } => not_trusted(*name),
        TrustError::SoftwareTpmNotAllowed { machine, .. } => {
            let what = format!("the TPM of {machine:?} is a program, which proves nothing about hardware");
            let advice = "Use a machine with a TPM; for development only, switch the weakening on.";
            Explanation::new(what, advice).allowed_by(Some(switch(Weakening::SoftwareTpm)))
        }
        TrustError::MachineNotListed { authority, name, key, .. } => not_listed(what, authority, *name, *key, policy),
        TrustError::CertificateOfAnotherKey { certified, found } => {
            let advice = "The server shows a certificate that is not of its attestation key; no policy can allow it.";
            Explanation::new(what, advice).values(certified, found)
        }
        TrustError::NotActivated { .. } | TrustError::ActivatedAnother { .. } => {
            let advice = "The gateway has to prove by credential activation that both keys live in one TPM; ask again.";
            Explanation::new(what, advice)
        }
        TrustError::Malformed { .. } | TrustError::Chain { .. } => {
            let advice = "The server's certificates do not prove what the policy asks for: ask its operator for the chain, or compare \
                 the roots that the policy pins with the maker's.";
            Explanation::new(what, advice)
        }
    }
}

/// A machine is listed by the key that its authority certifies.
fn not_listed(what: String, authority: &str, name: Name, key: Sha256Digest, policy: &Policy) -> Explanation {
    let advice = "Its maker vouches for this TPM, but it is none of the machines that you meant. Add it only if you know it.";
    let roots = &policy.document().trusted_root;
    let root = roots.iter().enumerate().find(|(_, root)| root.name == authority);
    let identity = match root.map(|(_, root)| root.certifies) {
        Some(Certifies::EndorsementKey) => MachineIdentity::EkSha256(key),
        Some(Certifies::AttestationKey) | None => MachineIdentity::AkName(name),
    };
    let allow = root.map(|(index, _)| {
        let key = identity.policy_key();
        let line = format!("[[trusted_root.machine]]\nname = \"what you call this machine\"\n{key} = \"{identity}\"");
        Allow::new(format!("trusted_root[{index}].machine"), line)
    });
    Explanation { found: Some(identity.to_string()), ..Explanation::new(what, advice) }.allowed_by(allow)
}

/// The block says `software`, which trusts least: who knows better says so.
fn not_trusted(name: Name) -> Explanation {
    let line = format!(
        "[[trusted_ak]]\nname = \"{name}\"\nmachine = \"what you call this machine\"\nkind = \"software\"  # or \"hardware\" or \
         \"cloud-vtpm\", if you know that it is"
    );
    let what = format!("the attestation key {name} is none that the policy trusts");
    let advice = "Somebody with another TPM answered. If the machine is yours or you know it, compare the name with what the machine itself \
         shows, and say in `kind` what its TPM is. If you do not know it, do not trust it.";
    Explanation { found: Some(name.to_string()), ..Explanation::new(what, advice) }
        .allowed_by(Some(Allow::new("trusted_ak", line)))
}

/// The switch of a weakening, in its table.
pub(super) fn switch(weakening: Weakening) -> Allow {
    let code = weakening.code();
    Allow::new(format!("weakening.{code}"), format!("[weakening]\n{code} = true"))
}

pub(super) fn signature(error: &VerifyError) -> Explanation {
    let advice = "The quote was changed on the way, or signed by another key than the one shown. No policy can allow it.";
    Explanation::new(error.to_string(), advice)
}

pub(super) fn quote(error: &VerifyError) -> Explanation {
    let advice = "The key signed something that is no quote. No policy can allow it.";
    Explanation::new(error.to_string(), advice)
}

pub(super) fn qualifying_data(error: &VerifyError, context: &Context<'_>) -> Explanation {
    let advice = "The quote is about another nonce, or about other keys than those shown: an old quote, or a binding that was changed. \
         No policy can allow it.";
    let explanation = Explanation::new(error.to_string(), advice);
    let (VerifyError::QualifyingDataMismatch { expected }, Some(evidence)) = (error, context.evidence) else {
        return explanation;
    };
    let quoted = crate::tpm::Quote::parse(&evidence.tpm.quote.0);
    let found = quoted.map_or_else(|error| error.to_string(), |quote| data_encoding::HEXLOWER.encode(&quote.extra_data));
    explanation.values(expected, found)
}
