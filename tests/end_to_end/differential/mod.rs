//! The gateway beside vLLM's own server: hundreds of requests, answers compared field by field.
//!
//! The requests are `tests/data/differential/<model>/requests.jsonl`, vLLM's answers lie beside them. A difference is either in
//! `tests/data/differential/explained.json`, and then in `docs/compatibility.md` with its reason, or it fails the test.

mod asking;
mod comparison;
mod document;
mod explained;
mod parameters;
mod reference;
mod report;
mod shapes;
mod streams;

pub use explained::every_explained_difference_is_documented;
pub use parameters::every_parameter_is_documented;
pub use reference::{every_request_has_its_recorded_answer, requests_are_those_of_the_script};

use crate::world::World;

/// Of each kind of the default model's requests, the first and then one in so many is compared where all of them would take many
/// minutes.
const ONE_IN: usize = 12;

/// A part of the requests, unless vLLM was asked anew for the whole comparison (`make differential`).
pub fn a_sample_of_the_default_models_answers_is_as_vllms(world: &World) {
    answers_as_vllm_does(world, 300, if reference::is_live() { 1 } else { ONE_IN });
}

pub fn tools_and_thoughts_are_told_as_vllm_does(world: &World) {
    answers_as_vllm_does(world, 50, 1);
}

pub fn embeddings_are_those_of_vllm(world: &World) {
    answers_as_vllm_does(world, 20, 1);
}

fn answers_as_vllm_does(world: &World, least: usize, one_in: usize) {
    let mut report = report::Report::new(world.model());
    let cases = reference::cases(world.model(), one_in);
    assert!(cases.len() * one_in >= least, "only {} recorded answers, and of each kind one in {one_in}", cases.len());
    for case in &cases {
        let answer = asking::ask(world.machine.address(), &case.request);
        let (ours, theirs) = (document::document(&answer), document::document(&case.answer));
        report.add(&case.request, comparison::differences(&ours, &theirs));
    }
    report.finish(one_in == 1);
}
