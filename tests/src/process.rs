//! A program under test: its output is kept, its readiness is awaited, and it dies with its owner.

use std::{
    io::{BufRead as _, BufReader, Read},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

/// A running program.
pub struct Process {
    name: String,
    child: Child,
    output: Arc<Mutex<String>>,
    lines: Mutex<Receiver<String>>,
}

impl Process {
    /// Starts `command` and returns once a line of its output contains `ready`.
    ///
    /// # Panics
    /// With the program's output, if it ends or `limit` passes before that.
    pub fn start(name: &str, command: &mut Command, ready: &str, limit: Duration) -> Self {
        let process = Self::spawn(name, command);
        process.wait_for(ready, limit);
        process
    }

    /// Starts `command` without waiting for anything.
    pub fn spawn(name: &str, command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let output = Arc::new(Mutex::new(String::new()));
        let (sender, lines) = channel();
        let stdout = child.stdout.take().expect("piped");
        let stderr = child.stderr.take().expect("piped");
        keep_lines(stdout, output.clone(), sender.clone());
        keep_lines(stderr, output.clone(), sender);
        Self { name: name.to_owned(), child, output, lines: Mutex::new(lines) }
    }

    /// Waits for a line that contains `text`.
    ///
    /// # Panics
    /// As for [`Process::start`].
    pub fn wait_for(&self, text: &str, limit: Duration) {
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.lock().expect("no reader panics").recv_timeout(left);
            match line {
                Ok(line) if line.contains(text) => return,
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => panic!("{} said no {text:?} within {limit:?}:\n{}", self.name, self.output()),
                Err(RecvTimeoutError::Disconnected) => panic!("{} ended before it said {text:?}:\n{}", self.name, self.output()),
            }
        }
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has not ended yet.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().expect("the child's status").is_none()
    }

    /// Everything that the program has printed so far.
    pub fn output(&self) -> String {
        self.output.lock().expect("no reader panics").clone()
    }

    /// Sends SIGTERM and waits for the end.
    pub fn terminate(&mut self) -> ExitStatus {
        self.ask_to_end();
        self.wait(Duration::from_secs(60))
    }

    /// Sends SIGTERM.
    ///
    /// # Panics
    /// If it has ended already.
    pub fn ask_to_end(&self) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().expect("kill");
        assert!(sent.success(), "{} had ended already:\n{}", self.name, self.output());
    }

    /// Waits for the program's own end: for the end of its output, which nothing but its end closes.
    ///
    /// # Panics
    /// If it still runs after `limit`.
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        let deadline = Instant::now() + limit;
        let lines = self.lines.lock().expect("no reader panics");
        loop {
            match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("{} did not end within {limit:?}:\n{}", self.name, self.output()),
            }
        }
        self.child.wait().expect("the child's status")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn keep_lines(source: impl Read + Send + 'static, output: Arc<Mutex<String>>, lines: Sender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(source).lines().map_while(Result::ok) {
            let mut output = output.lock().expect("no reader panics");
            output.push_str(&line);
            output.push('\n');
            drop(output);
            // Nobody waits for lines once the program is ready.
            let _ = lines.send(line);
        }
    });
}
