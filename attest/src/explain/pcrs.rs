//! Checks 9 and 10, and what PCRs hold.

use super::{Allow, Context, Detail, DetailKind, Explanation};
use crate::{policy::Policy, verify::PcrError};

/// What a PCR holds on a PC, in the words of the TCG PC Client Platform Firmware Profile (section 3.3.4) and of Linux.
#[must_use]
pub const fn pcr_meaning(pcr: u8) -> &'static str {
    match pcr {
        0 => "S-CRTM, firmware code and embedded drivers",
        1 => "the host platform's configuration",
        2 => "UEFI drivers and applications from add-in cards (option ROMs)",
        3 => "configuration of UEFI drivers and applications",
        4 => "the boot manager's code and boot attempts: the boot loader",
        5 => "the boot manager's configuration and the GPT partition table",
        6 => "what the machine's maker puts there",
        7 => "the Secure Boot policy",
        8 => "the boot loader's commands and the kernel command line",
        9 => "the files that the boot loader read: kernel and initrd",
        10 => "Linux's integrity measurements (IMA)",
        11 => "the unified kernel image and its boot phases",
        12 => "the kernel command line and credentials, as systemd-stub measures them",
        13 => "system extensions",
        14 => "the application, and shim's machine owner keys",
        15 => "the identity of the application's current launch",
        16 => "debugging; anyone may reset it",
        17..=22 => "a dynamic launch (DRTM)",
        23 => "applications; anyone may reset it",
        _ => "nothing that a PC has",
    }
}

pub(super) fn not_quoted(error: &PcrError, context: &Context<'_>) -> Explanation {
    let what = error.to_string();
    match error {
        PcrError::NotQuoted { missing } => {
            let details = missing.iter().map(|(platform, bank, pcr)| {
                let subject = format!("PCR {pcr} of bank {bank} ({}), for platform {platform:?}", pcr_meaning(*pcr));
                Detail::new(DetailKind::Pcr, subject, Some("quoted".to_owned()), None)
            });
            Explanation::new(what, "The gateway has to quote these PCRs, or the policy has to do without them.")
                .with_details(details)
        }
        PcrError::DigestMismatch { actual } => digest_mismatch(actual, context),
        PcrError::Sha1BankNotAllowed { platform } => sha1_bank(what, platform, context.policy),
        _ => {
            Explanation::new(what, "The gateway's evidence contradicts itself or its quote is of another kind; ask its operator.")
        }
    }
}

fn digest_mismatch(actual: &impl ToString, context: &Context<'_>) -> Explanation {
    let advice = "Somebody changed a PCR value after the TPM signed. No policy can allow it.";
    let explanation = Explanation::new("the PCR values shown are not those that the TPM signed", advice);
    let quote = context.evidence.and_then(|evidence| crate::tpm::Quote::parse(&evidence.tpm.quote.0).ok());
    match quote {
        Some(quote) => explanation.values(data_encoding::HEXLOWER.encode(&quote.pcr_digest), actual.to_string()),
        None => explanation,
    }
}

fn sha1_bank(what: String, platform: &str, policy: &Policy) -> Explanation {
    let allow = policy.platforms().iter().position(|known| known.name == platform).map(|index| {
        Allow::new(format!("platform[{index}].pcrs.sha1"), "[platform.pcrs.sha1]\n0 = \"the value to expect\"".to_owned())
    });
    let advice = "Values of SHA-1 PCRs can be forged. Have the gateway quote SHA-256 alone; only firmware that can do no better needs the \
         SHA-1 bank, with its values listed.";
    Explanation::new(what, advice).allowed_by(allow)
}
