//! How this process was started: the `launch` event.
//!
//! The document behind it is `{"arguments":[…],"environment":{…},"ld_so_preload":""}`. Each variable of the environment has to
//! be known. Those that can change what the code does are in the document with their values; facts of one host, which cannot,
//! are left out, so that one release has one digest everywhere. `BLINDLLAMA_*` is left out too: its meaning is in `config`.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs, io,
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::Path,
};

use blindllama_attest::canonical_json::{NotCanonical, to_canonical_json};
use serde::Serialize;

/// Variables that change what is executed, computed or logged.
const MEASURED: [&str; 10] = [
    "CUDA_VISIBLE_DEVICES",
    "LANG",
    "LANGUAGE",
    "LC_ALL",
    "LC_CTYPE",
    "OMP_NUM_THREADS",
    "PATH",
    "RUST_BACKTRACE",
    "RUST_LOG",
    "TZ",
];
/// Facts of one host or session. Where code below would look (caches, settings), the engine sets these variables anew.
const LEFT_OUT: [&str; 25] = [
    "_",
    "COLORTERM",
    "HOME",
    "HOSTNAME",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "LISTEN_FDNAMES",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LOGNAME",
    "MAIL",
    "MANAGERPID",
    "MEMORY_PRESSURE_WATCH",
    "MEMORY_PRESSURE_WRITE",
    "NOTIFY_SOCKET",
    "NO_COLOR",
    "OLDPWD",
    "PWD",
    "SHELL",
    "SHLVL",
    "SYSTEMD_EXEC_PID",
    "TERM",
    "TMPDIR",
    "TSS2_LOG",
    "USER",
];
/// The gateway's own settings.
const SETTINGS: &str = "BLINDLLAMA_";
const ENVIRON: &str = "/proc/self/environ";
const LD_SO_PRELOAD: &str = "/etc/ld.so.preload";

/// The process was started in a way that cannot be measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvocationError {
    #[error("{path}")]
    File { path: &'static str, source: io::Error },
    #[error(
        "the environment variable {name} is not on the list of those that are measured or harmless, so what it changes could \
         not be proved: start the gateway without it (`env -u {name} …`), or with nothing but what it needs (`env -i PATH=… …`)"
    )]
    Variable { name: String },
    #[error("the environment has an entry that is no variable: start the gateway with a clean one (`env -i PATH=… …`)")]
    NoVariable,
    #[error("the environment has {name} twice: start the gateway with a clean one (`env -i PATH=… …`)")]
    Twice { name: String },
    #[error("the environment was changed between the start of the process and that of the gateway, by code that ran before it")]
    Changed,
    #[error("{what} is not UTF-8, and so cannot be measured")]
    NotUtf8 { what: String },
    #[error("{LD_SO_PRELOAD} is not empty: the libraries it names are loaded into every program; empty or remove it")]
    Preload,
}

/// Command line and environment, as they are measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Invocation {
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
    /// Always empty: anything else is refused.
    ld_so_preload: &'static str,
}

impl Invocation {
    /// Reads how this process was started. To be called before anything changes the environment, and before the process is made
    /// undumpable, which hides `/proc/self/environ` from it unless it is root.
    pub(crate) fn of_this_process() -> Result<Self, InvocationError> {
        check_preload(Path::new(LD_SO_PRELOAD))?;
        let initial = fs::read(ENVIRON).map_err(|source| InvocationError::File { path: ENVIRON, source })?;
        let initial = parse_environ(&initial)?;
        let environment = measured(&initial)?;
        // What the loader or a library took out of the environment is still in the initial one.
        let mut now: Vec<_> = std::env::vars_os().collect();
        now.sort();
        if now != initial {
            return Err(InvocationError::Changed);
        }
        let argument = |argument: OsString| utf8(argument, || "an argument of the command line".to_owned());
        let arguments = std::env::args_os().skip(1).map(argument).collect::<Result<_, _>>()?;
        Ok(Self { arguments, environment, ld_so_preload: "" })
    }

    /// Whether log lines are to be JSON.
    pub(crate) fn logs_json(&self) -> bool {
        self.arguments.iter().any(|argument| argument == "--log-json")
    }

    /// How `serve` would be started where `provision` was started like this: the same, but for the subcommand and the policy.
    pub(crate) fn of_serve(mut self) -> Self {
        let mut arguments = Vec::new();
        let mut given = self.arguments.into_iter();
        while let Some(argument) = given.next() {
            match argument.as_str() {
                "provision" => arguments.push("serve".to_owned()),
                "--policy" => drop(given.next()),
                other if other.starts_with("--policy=") => {}
                _ => arguments.push(argument),
            }
        }
        self.arguments = arguments;
        self
    }

    /// The document that the `launch` event measures: canonical JSON.
    pub(crate) fn document(&self) -> Result<Vec<u8>, NotCanonical> {
        to_canonical_json(self)
    }
}

type Variable = (OsString, OsString);

/// Reads `NAME=value` entries, each ended by a NUL (`proc_pid_environ(5)`); sorted.
fn parse_environ(environ: &[u8]) -> Result<Vec<Variable>, InvocationError> {
    let mut variables = Vec::new();
    for entry in environ.split(|byte| *byte == 0).filter(|entry| !entry.is_empty()) {
        let at = entry.iter().position(|byte| *byte == b'=').ok_or(InvocationError::NoVariable)?;
        let (name, value) = entry.split_at(at);
        let value = value.strip_prefix(b"=").unwrap_or_default();
        variables.push((OsString::from_vec(name.to_vec()), OsString::from_vec(value.to_vec())));
    }
    variables.sort();
    Ok(variables)
}

/// Checks every name, and takes the values that count. A value that is refused is never shown.
fn measured(variables: &[Variable]) -> Result<BTreeMap<String, String>, InvocationError> {
    let mut kept = BTreeMap::new();
    for (index, (name, value)) in variables.iter().enumerate() {
        if index.checked_sub(1).and_then(|before| variables.get(before)).is_some_and(|(before, _)| before == name) {
            return Err(InvocationError::Twice { name: printable(name) });
        }
        let known = name.to_str().filter(|name| LEFT_OUT.contains(name) || MEASURED.contains(name) || name.starts_with(SETTINGS));
        let known = known.ok_or_else(|| InvocationError::Variable { name: printable(name) })?;
        if MEASURED.contains(&known) {
            kept.insert(known.to_owned(), utf8(value.clone(), || format!("the value of {known}"))?);
        }
    }
    Ok(kept)
}

fn check_preload(file: &Path) -> Result<(), InvocationError> {
    match fs::read(file) {
        Ok(content) if content.trim_ascii().is_empty() => Ok(()),
        Ok(_) => Err(InvocationError::Preload),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(InvocationError::File { path: LD_SO_PRELOAD, source }),
    }
}

fn utf8(text: OsString, what: impl FnOnce() -> String) -> Result<String, InvocationError> {
    text.into_string().map_err(|_| InvocationError::NotUtf8 { what: what() })
}

/// Names come from outside: what cannot be printed is escaped, and what is long is cut.
fn printable(name: &OsStr) -> String {
    name.as_bytes().escape_ascii().take(100).map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(environ: &str) -> Result<BTreeMap<String, String>, String> {
        parse_environ(environ.as_bytes()).and_then(|variables| measured(&variables)).map_err(|error| error.to_string())
    }

    fn started(arguments: &[&str]) -> Invocation {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Invocation { arguments, environment: BTreeMap::from([("PATH".to_owned(), "/bin".to_owned())]), ld_so_preload: "" }
    }

    #[test]
    fn what_changes_the_code_is_kept_and_what_is_of_one_host_is_not() {
        let environ = "TERM=x\0PATH=/usr/bin:/bin\0HOME=/root\0RUST_LOG=a=b,c=d\0BLINDLLAMA_MODEL__PATH=/m\0TZ=\0";
        let expected = [("PATH", "/usr/bin:/bin"), ("RUST_LOG", "a=b,c=d"), ("TZ", "")];
        assert_eq!(kept(environ).unwrap(), expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        assert_eq!(kept("").unwrap(), BTreeMap::new());
    }

    #[test]
    fn unknown_variables_are_refused_by_name_and_without_their_value() {
        for name in [
            "LD_PRELOAD",
            "LD_LIBRARY_PATH",
            "LD_AUDIT",
            "PYTHONPATH",
            "PYTHONSTARTUP",
            "GLIBC_TUNABLES",
            "MALLOC_CHECK_",
            "VLLM_PLUGINS",
            "BLINDLLAMA",
            "blindllama_x",
            "path",
            "XDG_CACHE_HOME",
            "HF_TOKEN",
            "",
        ] {
            let error = kept(&format!("PATH=/bin\0{name}=canary\0")).unwrap_err();
            assert!(error.contains(&format!("variable {name} is not")) && !error.contains("canary"), "{error}");
        }
    }

    #[test]
    fn what_is_no_variable_or_there_twice_is_refused() {
        assert!(kept("PATH=/bin\0canary\0").unwrap_err().contains("no variable"));
        assert!(kept("PATH=/bin\0TERM=a\0PATH=/sbin\0").unwrap_err().contains("PATH twice"));
        let not_utf8 = parse_environ(b"PATH=\xff\0").unwrap();
        assert!(measured(&not_utf8).unwrap_err().to_string().contains("the value of PATH is not UTF-8"));
        let strange = parse_environ(b"\x1b[2J\xff=x\0").unwrap();
        assert!(measured(&strange).unwrap_err().to_string().contains(r"variable \x1b[2J\xff is not"));
    }

    #[test]
    fn the_document_is_canonical() {
        let document = String::from_utf8(started(&["serve", "--config", "a b"]).document().unwrap()).unwrap();
        let expected = r#"{"arguments":["serve","--config","a b"],"environment":{"PATH":"/bin"},"ld_so_preload":""}"#;
        assert_eq!(document, expected);
    }

    #[test]
    fn provision_knows_how_serve_will_be_started() {
        let serve = started(&["--log-json", "serve", "--config", "c.toml"]);
        assert_eq!(started(&["--log-json", "provision", "--config", "c.toml", "--policy", "p"]).of_serve(), serve);
        assert_eq!(started(&["--log-json", "provision", "--policy=p", "--config", "c.toml"]).of_serve(), serve);
        assert_eq!(serve.clone().of_serve(), serve);
        assert!(serve.logs_json() && !started(&["serve", "--config", "--log-json.toml"]).logs_json());
    }

    #[test]
    fn libraries_that_are_loaded_into_every_program_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ld.so.preload");
        check_preload(&file).unwrap();
        fs::write(&file, "\n").unwrap();
        check_preload(&file).unwrap();
        fs::write(&file, "/lib/planted.so\n").unwrap();
        assert!(matches!(check_preload(&file), Err(InvocationError::Preload)));
        assert!(matches!(check_preload(folder.path()), Err(InvocationError::File { .. })));
    }
}
