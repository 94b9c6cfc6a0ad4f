//! Lets the binary find the shared libpython that the engine bridge was built for.

fn main() {
    println!("cargo::rerun-if-env-changed=DEP_BLINDLLAMA_ENGINE_VLLM_LIBPYTHON_FOLDER");
    if let Ok(folder) = std::env::var("DEP_BLINDLLAMA_ENGINE_VLLM_LIBPYTHON_FOLDER") {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{folder}");
    }
}
