//! Checks that a user chose to weaken.

/// A check that the user chose to weaken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Weakening {
    /// `allow_software_tpm`.
    SoftwareTpm,
    /// `allow_self_reported`.
    SelfReported,
    /// `any_machine`.
    AnyMachine,
}

impl Weakening {
    /// All of them, in the order of the policy's keys.
    pub const ALL: [Self; 3] = [Self::SoftwareTpm, Self::SelfReported, Self::AnyMachine];

    /// The policy's key.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::SoftwareTpm => "allow_software_tpm",
            Self::SelfReported => "allow_self_reported",
            Self::AnyMachine => "any_machine",
        }
    }

    /// What the weakening means, in plain words.
    #[must_use]
    pub const fn explanation(self) -> &'static str {
        match self {
            Self::SoftwareTpm => "allow_software_tpm: the TPM is a program; it proves nothing about the hardware",
            Self::SelfReported => {
                "allow_self_reported: the gateway measures itself; whoever is root on its machine could make it claim anything"
            }
            Self::AnyMachine => "any_machine: whoever owns a TPM that the authority certifies can answer",
        }
    }
}
