//! Rules for `[[platform]]`.

use std::{collections::BTreeSet, ops::RangeInclusive};

use super::require;
use crate::{
    hash::HashAlgorithm,
    policy::{Platform, PolicyError},
};

/// PCRs 0 to 7 belong to the firmware, and 16 to 23 can be reset without a reboot.
const LAUNCH_PCRS: RangeInclusive<u8> = 8..=15;
/// What every platform has to pin: firmware, boot loader, Secure Boot.
const FIRMWARE_PCRS: RangeInclusive<u8> = 0..=7;

pub(super) fn check(path: &str, platform: &Platform) -> Result<(), PolicyError> {
    check_launch_pcrs(path, platform)?;
    check_boot_pcrs(path, platform)?;
    check_firmware_log(path, platform)
}

fn check_launch_pcrs(path: &str, platform: &Platform) -> Result<(), PolicyError> {
    let Platform { application_pcr, identity_pcr, pcrs, .. } = platform;
    for (key, pcr) in [("application_pcr", application_pcr), ("identity_pcr", identity_pcr)] {
        let path = || format!("{path}.{key}");
        let expected = "it has to be 8 to 15: lower ones are the firmware's, higher ones resettable";
        require(LAUNCH_PCRS.contains(pcr), path, pcr, expected)?;
        let listed = pcrs.get(HashAlgorithm::Sha256, *pcr).is_some();
        let expected = "pcrs.sha256 must not list it: its value differs with each launch, and releases pin what it holds";
        require(!listed, path, pcr, expected)?;
    }
    let identity_key = || format!("{path}.identity_pcr");
    require(application_pcr != identity_pcr, identity_key, identity_pcr, "application_pcr is the same")
}

fn check_boot_pcrs(path: &str, platform: &Platform) -> Result<(), PolicyError> {
    let listed = |pcr: &u8| platform.pcrs.get(HashAlgorithm::Sha256, *pcr).is_some();
    if let Some(missing) = FIRMWARE_PCRS.into_iter().find(|pcr| !listed(pcr)) {
        let found = format!("without PCR {missing}");
        require(false, || format!("{path}.pcrs.sha256"), &found, "PCRs 0 to 7 have to be listed at least")?;
    }
    for (bank, values) in platform.pcrs.iter() {
        let expected = "a bank that is named has at least one PCR";
        require(!values.is_empty(), || format!("{path}.pcrs.{bank}"), &"an empty table", expected)?;
    }
    Ok(())
}

fn check_firmware_log(path: &str, platform: &Platform) -> Result<(), PolicyError> {
    let bank = platform.firmware_log_bank();
    let expected = "platform.pcrs lists no PCR of that bank";
    require(platform.pcrs.bank(bank).is_some(), || format!("{path}.firmware_log_bank"), &bank, expected)?;
    let mut seen = BTreeSet::new();
    for (index, pcr) in platform.firmware_log_pcrs.iter().enumerate() {
        let path = || format!("{path}.firmware_log_pcrs[{index}]");
        let listed = platform.pcrs.get(bank, *pcr).is_some();
        require(listed, path, pcr, "platform.pcrs does not list that PCR in firmware_log_bank")?;
        require(seen.insert(*pcr), path, pcr, "it is listed before")?;
    }
    Ok(())
}
