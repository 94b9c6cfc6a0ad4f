//! vLLM's EngineCore without any server (`bare_loop.py`): the upper bound for whatever is built around it in one process.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use blindllama_tests::project;

use crate::{
    load::{Load, Sample},
    server::Model,
};

/// A Python process that waits for its next round.
pub(crate) struct BareLoop {
    child: Child,
    rounds: ChildStdin,
    results: BufReader<ChildStdout>,
}

impl BareLoop {
    /// Loads the model, with as many OpenMP threads as the gateway has.
    pub(crate) fn start(model: &Model) -> Self {
        let mut command = Command::new(project::state("python/bin/python"));
        command
            .arg(project::root().join("benches/serving/bare_loop.py"))
            .arg(project::model(model.name))
            .args([model.dtype, &model.kv_cache_bytes.to_string()])
            .env("OMP_NUM_THREADS", model.threads.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().expect("Python");
        let (rounds, results) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut bare = Self { child, rounds, results };
        assert_eq!(bare.read(), "ready", "the bare loop did not start");
        bare
    }

    /// How long the engine alone takes for a load, to the end and to first tokens. It makes as much as the server did.
    pub(crate) fn measure(&mut self, load: Load, prompt_tokens: usize, server: &Sample) -> Sample {
        let Load { clients, tokens, answers, .. } = load;
        writeln!(self.rounds, "{clients} {prompt_tokens} {tokens} {answers}").unwrap();
        let line = self.read();
        let mut seconds = line.split(' ').map(|text| Duration::from_secs_f64(text.parse().expect("seconds")));
        let (elapsed, first) = (seconds.next().expect("all of it"), seconds.collect());
        Sample { tokens: server.tokens, answers: server.answers, elapsed, first, ..Sample::default() }
    }

    fn read(&mut self) -> String {
        let mut line = String::new();
        self.results.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }
}

impl Drop for BareLoop {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
