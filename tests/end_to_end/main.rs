//! End-to-end tests on real parts: vLLM, a TPM, both programs, OpenAI's SDK. They share one running gateway (ADR 7).

mod attacks;
mod bad_input;
mod borders;
mod chat;
mod disconnect;
mod restarted;
mod standalone;
mod tampering;
mod tpm;
mod world;

use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use world::SharedWorld;

fn main() {
    let mut arguments = Arguments::from_args();
    // On two cores, a second test beside vLLM only makes both slow; and some tests measure what others would disturb.
    arguments.test_threads = arguments.test_threads.or(Some(1));
    let world = Arc::new(SharedWorld::default());
    let conclusion = libtest_mimic::run(&arguments, trials(&world));
    // Stops the gateway, the shim and the TPM.
    drop(world);
    conclusion.exit()
}

fn trials(world: &Arc<SharedWorld>) -> Vec<Trial> {
    let alone = |name: &str, test: fn()| Trial::test(name, move || passes(test));
    let shared = |name: &str, test: fn(&world::World)| {
        let world = world.clone();
        Trial::test(name, move || passes(|| test(world.get())))
    };
    vec![
        alone("borders::the_shim_knows_neither_python_nor_a_tpm_library", borders::the_shim_knows_neither_python_nor_a_tpm_library),
        alone("borders::crates_depend_only_on_what_they_may", borders::crates_depend_only_on_what_they_may),
        alone("borders::there_is_one_cryptographic_provider", borders::there_is_one_cryptographic_provider),
        alone("standalone::the_shim_needs_no_tpm_library_and_no_python", standalone::the_shim_needs_no_tpm_library_and_no_python),
        shared("chat::openai_sdk", chat::openai_sdk),
        shared("chat::langchain", chat::langchain),
        shared("chat::answers_equal_those_of_vllm", chat::answers_equal_those_of_vllm),
        shared("chat::every_answer_names_its_binding", chat::every_answer_names_its_binding),
        shared("chat::verify_prints_every_check_and_weakening", chat::verify_prints_every_check_and_weakening),
        shared("disconnect::a_streaming_client_that_goes_frees_its_request", disconnect::a_streaming_client_that_goes_frees_its_request),
        shared("disconnect::a_waiting_client_that_goes_frees_its_request", disconnect::a_waiting_client_that_goes_frees_its_request),
        shared("bad_input::each_gets_its_error_and_the_server_goes_on", bad_input::each_gets_its_error_and_the_server_goes_on),
        shared("tampering::every_flipped_bit_is_refused", tampering::every_flipped_bit_is_refused),
        shared("attacks::another_tls_key", attacks::another_tls_key),
        shared("attacks::replayed_evidence", attacks::replayed_evidence),
        shared("attacks::altered_evidence", attacks::altered_evidence),
        alone("attacks::a_binding_that_was_never_measured", attacks::a_binding_that_was_never_measured),
        shared("chat::nothing_of_a_conversation_is_logged", chat::nothing_of_a_conversation_is_logged),
        alone("restarted::another_binary_config_or_model_is_refused", restarted::another_binary_config_or_model_is_refused),
    ]
}

fn passes(test: impl FnOnce()) -> Result<(), Failed> {
    test();
    Ok(())
}
