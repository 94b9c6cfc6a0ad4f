//! Rules for `[[trusted_ak]]` and `[[trusted_root]]`.

use std::collections::BTreeSet;

use super::{check_names, require};
use crate::policy::{Certifies, Machine, MachineIdentity, PolicyDocument, PolicyError, TrustedAk, TrustedRoot};

pub(super) fn check(document: &PolicyDocument) -> Result<(), PolicyError> {
    let PolicyDocument { trusted_ak, trusted_root, weakening, .. } = document;
    let nobody = trusted_ak.is_empty() && trusted_root.is_empty();
    let expected = "nobody could ever be believed: a [[trusted_ak]] or a [[trusted_root]] is needed";
    require(!nobody, || "trusted_ak".to_owned(), &"an empty list", expected)?;
    check_keys(trusted_ak)?;
    check_names("trusted_root", trusted_root.iter().map(|root| root.name.as_str()))?;
    for (index, root) in trusted_root.iter().enumerate() {
        check_root(&format!("trusted_root[{index}]"), root, weakening.any_machine)?;
    }
    Ok(())
}

fn check_keys(keys: &[TrustedAk]) -> Result<(), PolicyError> {
    let mut seen = BTreeSet::new();
    for (index, TrustedAk { name, machine, .. }) in keys.iter().enumerate() {
        let path = |key: &str| format!("trusted_ak[{index}].{key}");
        require(seen.insert(name), || path("name"), &format!("{name} again"), "each key is listed once")?;
        require(!machine.is_empty(), || path("machine"), &"empty", "each machine has a name")?;
    }
    Ok(())
}

fn check_root(path: &str, root: &TrustedRoot, any_machine: bool) -> Result<(), PolicyError> {
    let expected = "whoever owns a TPM that this authority certifies could answer: list the machines, or set \
                    any_machine = true under [weakening]";
    require(any_machine || !root.machine.is_empty(), || format!("{path}.machine"), &"an empty list", expected)?;
    check_names(&format!("{path}.machine"), root.machine.iter().map(|machine| machine.name.as_str()))?;
    for (index, machine) in root.machine.iter().enumerate() {
        check_machine(&format!("{path}.machine[{index}]"), machine, root.certifies)?;
    }
    Ok(())
}

fn check_machine(path: &str, machine: &Machine, certifies: Certifies) -> Result<(), PolicyError> {
    let expected = match certifies {
        Certifies::AttestationKey => {
            "a machine under certifies = \"attestation-key\" has exactly one of ak_name and certificate_sha256"
        }
        Certifies::EndorsementKey => {
            "a machine under certifies = \"endorsement-key\" has exactly one of ek_sha256 and certificate_sha256"
        }
    };
    let given: Vec<&str> = machine.identities().map(|identity| identity.policy_key()).collect();
    let found = if given.is_empty() { "without an identity".to_owned() } else { format!("given by {}", given.join(" and ")) };
    let fits = match (machine.identity(), certifies) {
        (Some(MachineIdentity::Certificate(_)), _)
        | (Some(MachineIdentity::AkName(_)), Certifies::AttestationKey)
        | (Some(MachineIdentity::EkSha256(_)), Certifies::EndorsementKey) => true,
        (None, _) | (Some(_), _) => false,
    };
    require(fits, || path.to_owned(), &found, expected)
}
