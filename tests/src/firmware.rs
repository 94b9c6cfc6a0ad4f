//! Finds the digests of a SHA-256-only TCG log, so that tests can alter them; written apart from the verifier's parser.

/// Offsets of the SHA-256 digests that extend a PCR, in order (TCG PC Client Platform Firmware Profile, section 10.2.2).
///
/// # Panics
/// If the log is not one with the SHA-256 bank alone.
pub fn digest_offsets(log: &[u8]) -> Vec<usize> {
    const NO_ACTION: u32 = 3;
    let word = |at: usize| u32::from_le_bytes(log[at..at + 4].try_into().expect("four bytes"));
    // The first event has the legacy format: PCR, type, SHA-1, size, data.
    let mut at = 32 + word(28) as usize;
    let mut offsets = Vec::new();
    while at < log.len() {
        let (kind, digests) = (word(at + 4), word(at + 8));
        assert_eq!(digests, 1, "a log with one bank");
        if kind != NO_ACTION {
            offsets.push(at + 14);
        }
        let size = word(at + 46) as usize;
        at += 50 + size;
    }
    offsets
}

/// The last of [`digest_offsets`].
///
/// # Panics
/// As there.
pub fn last_digest_offset(log: &[u8]) -> usize {
    *digest_offsets(log).last().expect("a log with events")
}

/// PCR and digest of each event that extends.
///
/// # Panics
/// As for [`digest_offsets`].
pub fn extends(log: &[u8]) -> Vec<(u8, [u8; 32])> {
    let pcr = |offset: usize| log[offset - 14];
    digest_offsets(log).into_iter().map(|at| (pcr(at), log[at..at + 32].try_into().expect("32 bytes"))).collect()
}
