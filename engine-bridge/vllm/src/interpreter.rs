//! Starts the Python interpreter, isolated from its surroundings.
#![allow(unsafe_code, reason = "PyO3 has no safe way to start an interpreter from a configuration")]

use std::{
    ffi::{CStr, CString},
    mem::MaybeUninit,
    os::unix::ffi::OsStrExt as _,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use pyo3::ffi;

/// Why there is no interpreter.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InterpreterError {
    #[error("this process has started a Python interpreter before; it can have only one")]
    AlreadyStarted,
    #[error("the path contains a NUL byte")]
    Path(#[from] std::ffi::NulError),
    #[error("Python could not start: {0}")]
    Python(String),
}

/// Starts this process's only interpreter on the calling thread, which becomes Python's main thread, and releases the GIL.
///
/// The configuration is Python's isolated one (PEP 587): no environment variable, no user site, no signal handler, nothing of
/// the working directory. `python` is the environment's executable: Python finds `pyvenv.cfg`, and so its packages, from it.
pub(crate) fn start(python: &Path) -> Result<(), InterpreterError> {
    static STARTED: AtomicBool = AtomicBool::new(false);
    let python = CString::new(python.as_os_str().as_bytes())?;
    if STARTED.swap(true, Ordering::SeqCst) {
        return Err(InterpreterError::AlreadyStarted);
    }
    pre_initialise()?;
    initialise(&python)?;
    // SAFETY: initialisation succeeded, so this thread holds the GIL. Its thread state lives as long as the process;
    // `PyGILState_Ensure`, which PyO3 attaches with, finds it again through thread-local storage.
    unsafe { ffi::PyEval_SaveThread() };
    Ok(())
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

fn initialise(python: &CStr) -> Result<(), InterpreterError> {
    let mut config = MaybeUninit::<ffi::PyConfig>::uninit();
    // SAFETY: `PyConfig_InitIsolatedConfig` fills the whole structure. Strings are set by Python's own functions, which
    // copy them, and `PyConfig_Clear` releases them once, whatever failed in between.
    unsafe {
        ffi::PyConfig_InitIsolatedConfig(config.as_mut_ptr());
        let mut config = config.assume_init();
        config.install_signal_handlers = 0;
        config.site_import = 1;
        let at = &raw mut config;
        let status = check(ffi::PyConfig_SetBytesString(at, &raw mut (*at).program_name, python.as_ptr()))
            .and_then(|()| check(ffi::PyConfig_SetBytesString(at, &raw mut (*at).executable, python.as_ptr())))
            .and_then(|()| check(ffi::Py_InitializeFromConfig(at)));
        ffi::PyConfig_Clear(at);
        status
    }
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
