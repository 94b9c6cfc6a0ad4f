//! The grammar of the application log.

use blindllama_attest::application::{
    ApplicationLog, ApplicationLogError, Event, LaunchBegin, LaunchPcr, LaunchPcrs, Launches, LoggedEvent, Part,
};
use blindllama_attest::evidence::encoding::Base64Array;

use crate::kit::{digest, launch};

fn parse(log: &[LoggedEvent]) -> Result<Launches, ApplicationLogError> {
    let pcrs = LaunchPcrs { application: LaunchPcr::zero(14), identity: LaunchPcr::zero(15) };
    ApplicationLog::new(log, pcrs)?.launches()
}

fn event(pcr: u8, event: Event) -> LoggedEvent {
    LoggedEvent::new(pcr, event).unwrap()
}

#[test]
fn the_last_launch_and_those_before_are_told_apart() {
    let log = launch(3, &launch(2, &launch(1, &[])[..4]));
    let Launches { earlier, last } = parse(&log).unwrap();
    assert_eq!(last.id, Base64Array([3; 16]));
    let known: Vec<_> = earlier.iter().map(|launch| Part::ALL.map(|part| launch.parts.get(part))).collect();
    assert_eq!(
        known,
        [
            [Some(0xa1), Some(0xa4), None, None, None, None],
            [Some(0xa1), Some(0xa4), Some(0xa2), Some(0xa5), Some(0xa3), Some(0xa6)],
        ]
        .map(|launch| launch.map(|byte| byte.map(digest)))
    );
}

#[test]
fn each_event_has_one_place() {
    let honest = launch(1, &[]);
    for index in 0..honest.len() {
        let mut without = honest.clone();
        without.remove(index);
        parse(&without).expect_err("an event may be left out");
        let mut twice = honest.clone();
        twice.insert(index, honest[index].clone());
        parse(&twice).expect_err("an event may be repeated");
        let mut elsewhere = honest.clone();
        elsewhere[index].pcr = 29 - elsewhere[index].pcr;
        parse(&elsewhere).expect_err("an event may be in the other PCR");
        elsewhere[index].pcr = 13;
        parse(&elsewhere).expect_err("an event may be in a third PCR");
    }
    for index in 1..honest.len() {
        let mut swapped = honest.clone();
        swapped.swap(index - 1, index);
        if swapped != honest {
            parse(&swapped).expect_err("two events may be swapped");
        }
    }
}

#[test]
fn the_same_launch_begins_in_both_registers() {
    let mut log = launch(1, &[]);
    log[1] = event(15, Event::LaunchBegin(LaunchBegin { launch: Base64Array([2; 16]) }));
    assert!(matches!(parse(&log), Err(ApplicationLogError::Malformed { index: 1, .. })));
}

#[test]
fn after_a_seal_only_a_launch_may_follow() {
    let sealed = launch(1, &[]);
    for (pcr, after) in [(14, sealed[2].event.clone()), (15, sealed[9].event.clone()), (15, sealed[1].event.clone())] {
        let log = [&sealed[..], &[event(pcr, after)]].concat();
        assert!(matches!(parse(&log), Err(ApplicationLogError::ExtendedAfterSeal { index: 12, .. })));
    }
    parse(&launch(2, &sealed)).unwrap();
}

#[test]
fn a_launch_that_begins_after_the_last_seal_makes_the_log_incomplete() {
    let sealed = launch(1, &[]);
    for events in 1..12 {
        let log = launch(2, &sealed)[..12 + events].to_vec();
        assert!(matches!(parse(&log), Err(ApplicationLogError::LaunchIncomplete { .. })), "{events}");
    }
}
