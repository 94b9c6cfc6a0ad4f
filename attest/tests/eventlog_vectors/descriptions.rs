//! Events in words.

use blindllama_attest::firmware::{EventType, FirmwareEvent, FirmwareLog};

use crate::vector::Vector;

fn described(vector: &str, index: usize) -> String {
    FirmwareLog::parse(Vector::read(vector).log()).unwrap().events()[index].to_string()
}

#[test]
fn real_events_are_told_in_words() {
    let cases = [
        ("eventlog/arch-linux-workstation", 0, "EV_NO_ACTION: Spec ID Event03"),
        ("eventlog/arch-linux-workstation", 2, "EV_POST_CODE: firmware, 3473408 bytes at 0xffa90000"),
        ("eventlog/arch-linux-workstation", 9, "EV_EFI_BOOT_SERVICES_DRIVER: boot driver, 133728 bytes"),
        ("eventlog/arch-linux-workstation", 17, "EV_EFI_GPT_EVENT: partition table with 3 partitions"),
        ("eventlog/laptop-startup-locality-3", 1, "EV_NO_ACTION: StartupLocality 3"),
        ("eventlog/laptop-startup-locality-3", 2, "EV_S_CRTM_CONTENTS: \"FIT Type 0x02 Measured S-CRTM\""),
        ("eventlog/gce-debian10-sha1", 0, "EV_S_CRTM_VERSION: \"GCE Virtual Firmware v1\""),
        ("eventlog/gce-debian10-sha1", 11, "EV_EFI_ACTION: \"Calling EFI Application from Boot Option\""),
        ("eventlog/gce-debian10-sha1", 23, "EV_EFI_VARIABLE_AUTHORITY: 976 bytes"),
        ("eventlog/gce-rhel8", 24, "EV_IPL: \"MokList\""),
        ("eventlog/gce-rhel8", 49, "EV_IPL: \"grub_cmd insmod xfs\""),
        ("eventlog/thinkpad-n40et41w", 49, "EV_EFI_HANDOFF_TABLES: 1 configuration tables"),
        ("tpm/gcp-windows-sha1", 10, "EV_COMPACT_HASH: 4 bytes"),
        ("tpm/gcp-windows-sha1", 13, "EV_EVENT_TAG: tag 0x00060002, 294 bytes"),
        ("tpm/gcp-windows-sha1", 18, "EV_SEPARATOR: \"WBCL\""),
    ];
    for (vector, index, words) in cases {
        assert_eq!(described(vector, index), words, "{vector}, event {index}");
    }
}

#[test]
fn variables_are_told_with_name_guid_and_short_values() {
    const GLOBAL: &str = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
    let (arch, sev) = ("eventlog/arch-linux-workstation", "eventlog/gce-ubuntu1804-sev");
    let config = "EV_EFI_VARIABLE_DRIVER_CONFIG: variable";
    assert_eq!(described(arch, 3), format!("{config} SecureBoot ({GLOBAL}), empty"));
    assert_eq!(described(sev, 3), format!("{config} SecureBoot ({GLOBAL}) = 00"));
    assert_eq!(described(arch, 4), format!("{config} PK ({GLOBAL}), 828 bytes"));
    assert_eq!(described(arch, 18), format!("EV_EFI_VARIABLE_BOOT: variable BootOrder ({GLOBAL}) = 000003000200"));
}

#[test]
fn images_are_told_with_their_files() {
    let application = |vector, index| described(vector, index);
    let words = "EV_EFI_BOOT_SERVICES_APPLICATION: boot application";
    assert_eq!(application("eventlog/gce-rhel8", 23), format!("{words} \\EFI\\redhat\\shimx64.efi, 1244488 bytes"));
    // Two file path nodes.
    assert_eq!(application("eventlog/sha256-only-intel-board", 26), format!("{words} \\EFI\\centos\\grubx64.efi, 1168800 bytes"));
    assert_eq!(application("eventlog/sha256-only-intel-board", 25), format!("{words}, 771072 bytes"));
}

fn event(event_type: EventType, data: &[u8]) -> FirmwareEvent {
    let size = u32::try_from(data.len()).unwrap().to_le_bytes();
    let log = [&[0; 4][..], &event_type.code().to_le_bytes(), &[0; 20], &size, data].concat();
    FirmwareLog::parse(&log).unwrap().events()[0].clone()
}

#[test]
fn made_up_events_are_told_in_words() {
    let blob = [&[4][..], b"BIOS", &7_u64.to_le_bytes(), &9_u64.to_le_bytes()].concat();
    let tables = [&[4][..], b"ACPI", &2_u64.to_le_bytes()].concat();
    let tag = [&[1, 0, 0, 0][..], &[2, 0, 0, 0], b"hi"].concat();
    let cases = [
        (EventType::SEPARATOR, &[0xff; 4][..], "ffffffff"),
        (EventType::SEPARATOR, &[1, 0, 0, 0], "00000001: the firmware reports an error"),
        (EventType::EFI_PLATFORM_FIRMWARE_BLOB2, &blob, "firmware BIOS, 9 bytes at 0x7"),
        (EventType::EFI_HANDOFF_TABLES2, &tables, "2 configuration tables ACPI"),
        (EventType::EVENT_TAG, &tag, "tag 0x00000001, \"hi\""),
        (EventType::EVENT_TAG, &tag[..9], "9 bytes"),
        (EventType::EFI_VARIABLE_BOOT, &[0xff; 64], "64 bytes"),
        (EventType::EFI_GPT_EVENT, &[0; 99], "99 bytes"),
        (EventType::IPL, b"\x1b[2J", "4 bytes"),
        (EventType::IPL, "a\u{202e}b\nc".as_bytes(), "\"a\\u{202e}b\\nc\""),
        (EventType::from_code(0x401), b"", "0 bytes"),
    ];
    for (event_type, data, words) in cases {
        assert_eq!(event(event_type, data).description(), words);
    }
}

#[test]
fn descriptions_end_after_120_characters() {
    let description = event(EventType::IPL, &[b'x'; 5000]).description();
    assert_eq!((description.chars().count(), description.ends_with("xx…")), (120, true));
}
