//! A user's folder, with policies, keys, and the command line run in it.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::{Command, Output},
};

use tempfile::TempDir;
use tokio::task::spawn_blocking;

use super::{Evidence, Gateway};

/// A folder of a user, with an own memory of policies.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(self.0.path()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Runs the command in this folder: its status, and all that it printed.
    pub(crate) fn run(&self, arguments: &[&str]) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_blindllama"));
        command.args(arguments).env_clear().current_dir(self.0.path());
        let Output { status, stdout, stderr } = command.env("BLINDLLAMA_STATE_DIR", "state").output().unwrap();
        (status.code().unwrap(), String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap())
    }

    /// The same while a gateway of this test's runtime answers.
    pub(crate) async fn run_beside<const N: usize>(self, arguments: [&str; N]) -> (Self, i32, String) {
        let arguments = arguments.map(str::to_owned);
        spawn_blocking(move || {
            let (status, told) = self.run(&arguments.each_ref().map(String::as_str));
            (self, status, told)
        })
        .await
        .unwrap()
    }

    /// Makes a key pair as a user would.
    pub(crate) fn openssl_key(&self, private: &str, public: &str) {
        let openssl = |arguments: &[&str]| {
            let output = Command::new("openssl").args(arguments).current_dir(self.0.path()).output().unwrap();
            assert!(output.status.success(), "{output:?}");
        };
        openssl(&["genpkey", "-algorithm", "ed25519", "-out", private]);
        openssl(&["pkey", "-in", private, "-pubout", "-out", public]);
        fs::set_permissions(self.path(private), Permissions::from_mode(0o600)).unwrap();
    }

    /// A folder with a key pair and a signed policy of this revision.
    pub(crate) fn with_signed_policy(text: &str, revision: u32) -> Self {
        let folder = Self::new();
        folder.openssl_key("key", "key.pub");
        folder.sign(text, revision);
        folder
    }

    pub(crate) fn sign(&self, text: &str, revision: u32) {
        self.write("policy.toml", &with_revision(text, revision));
        let (status, told) = self.run(&["policy", "sign", "policy.toml", "--key", "key"]);
        assert_eq!(status, 0, "{told}");
    }
}

pub(crate) fn with_revision(text: &str, revision: u32) -> String {
    text.replacen("version = 1\n", &format!("version = 1\nrevision = {revision}\n"), 1)
}

pub(crate) async fn policy_text() -> String {
    Gateway::start(Evidence::Honest).await.policy_toml()
}
