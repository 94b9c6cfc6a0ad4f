//! Names in certificates: shown to people, and searched for software TPMs.

use std::fmt::Write as _;

use x509_cert::{attr::AttributeTypeAndValue, der::asn1::ObjectIdentifier, name::Name};

/// The longest name in a message, in characters.
const MAX_EXCERPT: usize = 120;

/// tcg-at-tpmManufacturer (TCG EK Credential Profile 2.6, section 3.1.2).
const TPM_MANUFACTURER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.23.133.2.1");

/// Values of tpmManufacturer that software TPMs have: swtpm's certificates, and `IBM ` of IBM's software TPM (ibmswtpm2).
const SOFTWARE_MANUFACTURERS: [&str; 2] = ["id:00001014", "id:49424d20"];

/// The name as RFC 4514 writes it, printable and short.
pub(super) fn printable(name: &Name) -> String {
    let mut text = String::new();
    // A name that cannot be written is shown as far as it goes: this is for people.
    let _ = write!(text, "{name}");
    excerpt(&text)
}

/// Makes text of unknown origin fit for a terminal: no control characters, no endless lines.
pub(super) fn excerpt(text: &str) -> String {
    let printable = |character: char| if character.is_control() { '\u{fffd}' } else { character };
    text.chars().take(MAX_EXCERPT).map(printable).collect()
}

/// Whether an attribute of the name says swtpm, or names the manufacturer of a software TPM.
pub(super) fn names_software_tpm(name: &Name) -> bool {
    name.iter().any(|attribute| {
        let text = lower_case_text(attribute);
        text.contains("swtpm") || (attribute.oid == TPM_MANUFACTURER && SOFTWARE_MANUFACTURERS.contains(&text.as_str()))
    })
}

/// An attribute's text, whatever its string type: leaving zero bytes out reads the ASCII of wide strings as well.
fn lower_case_text(attribute: &AttributeTypeAndValue) -> String {
    let bytes = attribute.value.value().iter().filter(|byte| **byte != 0);
    bytes.map(|byte| char::from(byte.to_ascii_lowercase())).collect()
}
