//! Starts the Python interpreter, isolated from its surroundings.
#![allow(unsafe_code, reason = "PyO3 has no safe way to start an interpreter from a configuration")]

use std::{
    ffi::{CStr, CString},
    mem::MaybeUninit,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use pyo3::ffi;

use crate::environment::PythonEnvironment;

/// Why there is no interpreter.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InterpreterError {
    #[error("this process has started a Python interpreter before; it can have only one")]
    AlreadyStarted,
    #[error("the path {0:?} contains a NUL byte or is not UTF-8")]
    Path(PathBuf),
    #[error("Python could not start: {0}")]
    Python(String),
}

/// Starts this process's only interpreter on the calling thread, which becomes Python's main thread, and releases the GIL.
///
/// The configuration is Python's isolated one (PEP 587): no environment variable, no user site, no signal handler, nothing of
/// the working directory. The module search path is given and not looked for, and `site` does not run (so no `.pth` file, no
/// `sitecustomize`). Compiled code is read where it lies beside its source, among the files that were measured, and none is written.
pub(crate) fn start(environment: &PythonEnvironment) -> Result<(), InterpreterError> {
    static STARTED: AtomicBool = AtomicBool::new(false);
    let settings = Settings::new(environment)?;
    if STARTED.swap(true, Ordering::SeqCst) {
        return Err(InterpreterError::AlreadyStarted);
    }
    pre_initialise()?;
    initialise(&settings)?;
    // SAFETY: initialisation succeeded, so this thread holds the GIL. Its thread state lives as long as the process;
    // `PyGILState_Ensure`, which PyO3 attaches with, finds it again through thread-local storage.
    unsafe { ffi::PyEval_SaveThread() };
    Ok(())
}

/// The paths, as Python's C functions take them.
struct Settings {
    executable: CString,
    prefix: CString,
    base_prefix: CString,
    search_path: Vec<Vec<u32>>,
}

impl Settings {
    fn new(environment: &PythonEnvironment) -> Result<Self, InterpreterError> {
        Ok(Self {
            executable: bytes(environment.executable())?,
            prefix: bytes(environment.prefix())?,
            base_prefix: bytes(environment.base_prefix())?,
            search_path: environment.search_path().iter().map(|entry| wide(&entry.path)).collect::<Result<_, _>>()?,
        })
    }
}

fn bytes(path: &Path) -> Result<CString, InterpreterError> {
    path.to_str().and_then(|path| CString::new(path).ok()).ok_or_else(|| InterpreterError::Path(path.to_owned()))
}

/// `wchar_t` is a code point of 32 bits on Linux.
fn wide(path: &Path) -> Result<Vec<u32>, InterpreterError> {
    let path = bytes(path)?;
    let text = path.to_str().unwrap_or_default();
    Ok(text.chars().map(u32::from).chain([0]).collect())
}

/// UTF-8 mode: an isolated interpreter leaves the process in the C locale, where it would open files as ASCII.
fn pre_initialise() -> Result<(), InterpreterError> {
    let mut config = MaybeUninit::<ffi::PyPreConfig>::uninit();
    // SAFETY: `PyPreConfig_InitIsolatedConfig` fills the whole structure before it is read; the layout is that of the
    // libpython which this crate was built for and is linked against.
    let status = unsafe {
        ffi::PyPreConfig_InitIsolatedConfig(config.as_mut_ptr());
        let mut config = config.assume_init();
        config.utf8_mode = 1;
        ffi::Py_PreInitialize(&raw const config)
    };
    check(status)
}

fn initialise(settings: &Settings) -> Result<(), InterpreterError> {
    let mut config = MaybeUninit::<ffi::PyConfig>::uninit();
    // SAFETY: `PyConfig_InitIsolatedConfig` fills the whole structure. `PyConfig_Clear` releases it once, whatever failed in
    // between.
    unsafe {
        ffi::PyConfig_InitIsolatedConfig(config.as_mut_ptr());
        let mut config = config.assume_init();
        config.install_signal_handlers = 0;
        config.site_import = 0;
        config.write_bytecode = 0;
        config.module_search_paths_set = 1;
        let at = &raw mut config;
        let status = set_paths(at, settings).and_then(|()| check(ffi::Py_InitializeFromConfig(at)));
        ffi::PyConfig_Clear(at);
        status
    }
}

/// Sets every path that Python would otherwise look for.
///
/// # Safety
/// `config` has been initialised. Strings are set by Python's own functions, which copy them.
unsafe fn set_paths(config: *mut ffi::PyConfig, settings: &Settings) -> Result<(), InterpreterError> {
    // SAFETY: `config` is valid, so its fields are; the strings end with a NUL and outlive the calls.
    unsafe {
        for (field, value) in [
            (&raw mut (*config).program_name, &settings.executable),
            (&raw mut (*config).executable, &settings.executable),
            (&raw mut (*config).prefix, &settings.prefix),
            (&raw mut (*config).exec_prefix, &settings.prefix),
            (&raw mut (*config).base_prefix, &settings.base_prefix),
            (&raw mut (*config).base_exec_prefix, &settings.base_prefix),
        ] {
            check(ffi::PyConfig_SetBytesString(config, field, value.as_ptr()))?;
        }
        for entry in &settings.search_path {
            check(ffi::PyWideStringList_Append(&raw mut (*config).module_search_paths, entry.as_ptr().cast()))?;
        }
    }
    Ok(())
}

fn check(status: ffi::PyStatus) -> Result<(), InterpreterError> {
    // SAFETY: `status` came from Python; its message, where there is one, is a static C string.
    unsafe {
        if ffi::PyStatus_Exception(status) == 0 {
            return Ok(());
        }
        let message = if status.err_msg.is_null() {
            "no reason given".to_owned()
        } else {
            CStr::from_ptr(status.err_msg).to_string_lossy().into_owned()
        };
        Err(InterpreterError::Python(message))
    }
}
