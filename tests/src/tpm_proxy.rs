//! Lets several programs use one swtpm at the same time, command by command.
//!
//! swtpm serves one connection after the other and lets only one more wait; over TCP a third connect is dropped and repeated
//! by the kernel a second later. libtss2's driver connects anew for each command, so two busy programs soon hit that. The
//! proxy accepts everybody and passes on one whole command, with its answer, at a time, over swtpm's Unix sockets, whose
//! names nobody else can take. It can also make the TPM as slow as a real one, or stop it at each quote.

#![allow(clippy::expect_used, reason = "a test kit fails by panicking")]

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

/// Bytes of a command's or answer's header: tag, size of the whole, code (TPM 2.0 Library, Part 1, section 18).
const HEADER: usize = 10;

/// The command code of TPM2_Quote (Part 2, section 6.5.2).
const QUOTE: [u8; 4] = [0, 0, 0x01, 0x58];

/// Where a running swtpm listens.
#[derive(Debug, Clone)]
pub struct SwtpmSockets {
    pub(crate) data: PathBuf,
    pub(crate) control: PathBuf,
}

/// A proxy for the data socket and the control socket of one swtpm. Its threads end with the process.
pub struct TpmProxy {
    port: u16,
}

impl TpmProxy {
    /// Starts to listen for the swtpm with these sockets.
    ///
    /// # Panics
    /// If there are no two free ports in a row.
    #[must_use]
    pub fn start(swtpm: &SwtpmSockets) -> Self {
        Self::before_quotes(swtpm, || {})
    }

    /// [`TpmProxy::start`], and calls `before_quote` before each TPM2_Quote; until it returns, the TPM does nothing else for
    /// this proxy's clients.
    ///
    /// # Panics
    /// As for [`TpmProxy::start`].
    #[must_use]
    pub fn before_quotes(swtpm: &SwtpmSockets, before_quote: impl Fn() + Clone + Send + 'static) -> Self {
        let (data, control) = (0..100).find_map(|_| listen_on_pair()).expect("two free ports in a row");
        let port = data.local_addr().expect("it listens").port();
        let (turn, swtpm) = (Arc::new(Mutex::new(())), swtpm.clone());
        let (data_socket, control_socket) = (swtpm.data, swtpm.control);
        serve(data, move |client| forward_commands(client, &data_socket, &turn, &before_quote));
        serve(control, move |client| forward_bytes(&client, &control_socket));
        Self { port }
    }

    /// The data port; the control port is the next one.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where programs find the TPM.
    #[must_use]
    pub fn tcti(&self) -> String {
        format!("swtpm:host=127.0.0.1,port={}", self.port)
    }
}

/// Two listeners on neighbouring ports: the swtpm driver expects the control channel there.
fn listen_on_pair() -> Option<(TcpListener, TcpListener)> {
    let data = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
    let next = data.local_addr().ok()?.port().checked_add(1)?;
    Some((data, TcpListener::bind((Ipv4Addr::LOCALHOST, next)).ok()?))
}

/// Gives each connection a thread. A connection that fails is closed, which its client reports.
fn serve(listener: TcpListener, answer: impl Fn(TcpStream) -> io::Result<()> + Clone + Send + 'static) {
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let answer = answer.clone();
            thread::spawn(move || drop(answer(client)));
        }
    });
}

fn forward_commands(mut client: TcpStream, swtpm: &Path, turn: &Mutex<()>, before_quote: &impl Fn()) -> io::Result<()> {
    while let Some(command) = read_message(&mut client)? {
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        if command.get(6..HEADER) == Some(&QUOTE) {
            before_quote();
        }
        let mut upstream = UnixStream::connect(swtpm)?;
        upstream.write_all(&command)?;
        let answer = read_message(&mut upstream)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        client.write_all(&answer)?;
    }
    Ok(())
}

/// Reads a whole command or answer; `None` if the other side closed the connection instead.
fn read_message(stream: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut message = Vec::with_capacity(HEADER);
    stream.take(HEADER as u64).read_to_end(&mut message)?;
    let Some((_, [a, b, c, d, ..])) = message.split_first_chunk::<2>() else { return Ok(None) };
    let size = u32::from_be_bytes([*a, *b, *c, *d]);
    let rest = u64::from(size).checked_sub(HEADER as u64).ok_or(io::ErrorKind::InvalidData)?;
    stream.take(rest).read_to_end(&mut message)?;
    Ok(Some(message))
}

/// Control connections are rare and short: bytes pass both ways until one side closes.
fn forward_bytes(client: &TcpStream, swtpm: &Path) -> io::Result<()> {
    let upstream = UnixStream::connect(swtpm)?;
    thread::scope(|scope| {
        scope.spawn(|| {
            drop(io::copy(&mut &upstream, &mut &*client));
            drop(client.shutdown(Shutdown::Write));
        });
        drop(io::copy(&mut &*client, &mut &upstream));
        drop(upstream.shutdown(Shutdown::Write));
    });
    Ok(())
}
