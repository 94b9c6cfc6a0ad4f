//! The application log: what the gateway measured into PCRs 14 and 15, launch by launch.

mod event;

pub use event::{Event, InvalidEvent, LaunchBegin, LoggedEvent, MeasuredFile, MeasuredManifest};
