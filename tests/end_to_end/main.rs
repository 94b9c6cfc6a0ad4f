//! End-to-end tests on real parts: vLLM, a TPM, both programs, real clients. Those of one model share one running gateway (ADR 7).

mod activation;
mod adapters;
mod attacks;
mod bad_input;
mod borders;
mod chat;
mod clients;
mod differential;
mod disconnect;
mod ending;
mod endorsement;
mod load;
mod many_nonces;
mod openapi;
mod own_process;
mod plain_tools;
mod receipts;
mod restarted;
mod root;
mod standalone;
mod tampering;
mod tpm;
mod world;

use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use world::{SharedWorld, World};

fn main() {
    let mut arguments = Arguments::from_args();
    // On two cores, a second test beside vLLM only makes both slow; and some tests measure what others would disturb.
    arguments.test_threads = arguments.test_threads.or(Some(1));
    let worlds = Worlds::default();
    let conclusion = libtest_mimic::run(&arguments, trials(&worlds));
    // Stops the gateways, the shims and the TPMs.
    drop(worlds);
    conclusion.exit()
}

/// One for each model.
struct Worlds {
    default_model: Arc<SharedWorld>,
    tiny_chat: Arc<SharedWorld>,
    tiny_embedding: Arc<SharedWorld>,
}

impl Default for Worlds {
    fn default() -> Self {
        let world = |start| Arc::new(SharedWorld::new(start));
        Self {
            default_model: world(World::default_model),
            tiny_chat: world(World::tiny_chat),
            tiny_embedding: world(World::tiny_embedding),
        }
    }
}

/// Trials named after their functions; those in `shared` get the world as their argument.
macro_rules! trials {
    (alone { $($alone_module:ident::$alone:ident,)* } $(shared($world:expr) { $($module:ident::$test:ident,)* })*) => {
        vec![
            $(Trial::test(concat!(stringify!($alone_module), "::", stringify!($alone)), || passes($alone_module::$alone)),)*
            $($({
                let world: Arc<SharedWorld> = $world.clone();
                Trial::test(concat!(stringify!($module), "::", stringify!($test)), move || passes(|| $module::$test(world.get())))
            },)*)*
        ]
    };
}

fn trials(worlds: &Worlds) -> Vec<Trial> {
    trials![
        alone {
        borders::the_shim_knows_neither_python_nor_a_tpm_library,
        borders::crates_depend_only_on_what_they_may,
        borders::python_and_the_tpm_library_have_one_owner_each,
        borders::there_is_one_cryptographic_provider,
        differential::every_explained_difference_is_documented,
        differential::every_parameter_is_documented,
        differential::every_request_has_its_recorded_answer,
        differential::requests_are_those_of_the_script,
        standalone::the_shim_needs_no_tpm_library_and_no_python,
        tpm::a_quote_is_what_the_tpm_signed,
        tpm::many_nonces_share_few_quotes,
        tpm::nonces_that_come_during_a_quote_share_the_next,
        tpm::quotes_and_values_agree_while_pcrs_change,
        tpm::leftovers_are_flushed,
        tpm::the_attestation_key_persists,
        tpm::each_kind_of_attestation_key_quotes,
        tpm::a_foreign_attestation_key_is_refused,
        tpm::an_unreachable_tpm_is_named,
        tpm::one_gateway_per_tpm,
        tpm::a_restarted_gateway_continues_the_log,
        tpm::a_tampered_log_is_refused,
        tpm::a_crash_before_the_extend_is_tolerated,
        tpm::a_log_from_before_a_tpm_reset_is_refused,
        tpm::a_foreign_extend_prevents_the_seal,
        tpm::the_logs_pcrs_must_be_quoted_and_apart,
        activation::credentials_of_tpm2_tools_are_opened,
        activation::other_credentials_are_refused,
        activation::certificates_in_nvram_are_those_of_the_endorsement_keys,
        activation::a_damaged_certificate_in_nvram_is_named,
        activation::our_credentials_are_opened_by_tpm2_tools,
        adapters::they_are_served_by_name_and_measured,
        ending::the_engine_has_shut_down_when_the_process_ends,
        own_process::answers_and_ends_with_the_gateway,
        root::a_binding_that_was_never_measured,
        root::what_comes_after_the_seal_is_refused,
        restarted::another_release_is_refused,
        restarted::packages_are_measured_file_by_file,
        restarted::what_cannot_be_measured_does_not_start,
        }
        shared(worlds.default_model) {
        chat::openai_sdk,
        chat::langchain,
        differential::a_sample_of_the_default_models_answers_is_as_vllms,
        chat::every_answer_names_its_binding,
        chat::verify_prints_every_check_and_weakening,
        disconnect::a_streaming_client_that_goes_frees_its_request,
        disconnect::a_waiting_client_that_goes_frees_its_request,
        bad_input::each_gets_its_error_and_the_server_goes_on,
        bad_input::what_native_code_prints_stays_inside,
        tampering::every_flipped_bit_is_refused,
        attacks::another_tls_key,
        attacks::replayed_evidence,
        attacks::altered_evidence,
        plain_tools::quotes_pass_the_tools_of_the_tpm_and_ours,
        endorsement::a_certified_endorsement_key_is_enough,
        endorsement::an_activation_is_saved_with_its_evidence,
        endorsement::an_authority_can_be_learned_from,
        endorsement::other_machines_and_authorities_are_refused,
        endorsement::a_program_is_no_hardware,
        endorsement::men_in_the_middle_gain_nothing,
        receipts::a_whole_answer_has_a_receipt,
        receipts::a_stream_has_its_receipt_inside,
        many_nonces::share_few_quotes,
        load::livez_answers_in_time_under_full_load,
        chat::nothing_of_a_conversation_is_logged,
        }
        shared(worlds.tiny_chat) {
        clients::chat_examples_run,
        clients::openai_sdk_for_node,
        clients::helpers_of_openais_sdk_for_python,
        clients::langchains_standard_tests_pass,
        openapi::the_document_is_valid,
        openapi::every_answer_is_as_documented,
        differential::tools_and_thoughts_are_told_as_vllm_does,
        }
        shared(worlds.tiny_embedding) {
        clients::embedding_examples_run,
        openapi::embeddings_are_as_documented,
        differential::embeddings_are_those_of_vllm,
        }
    ]
}

fn passes(test: impl FnOnce()) -> Result<(), Failed> {
    test();
    Ok(())
}
