//! A local client, one byte at a time.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{CANARY, soon};

/// A raw connection to the shim.
pub(crate) struct Client {
    stream: TcpStream,
    pub(crate) address: SocketAddr,
}

/// An answer up to the end of its connection.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    /// As on the wire, with its chunk framing.
    pub(crate) body: String,
}

impl Client {
    pub(crate) async fn to(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), address }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Sends a prompt that must stay secret, as the last request of this connection.
    pub(crate) async fn send_canary(&mut self) {
        let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"{CANARY}"}}]}}"#);
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: {}\r\nconnection: close\r\nauthorization: Bearer {CANARY}\r\ncontent-length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        self.send(head + &body).await;
    }

    /// Sends a request without a body, as the last one of this connection.
    pub(crate) async fn get(&mut self, path: &str) {
        let head = format!("GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.address);
        self.send(head).await;
    }

    /// Reads until `text` has come, and no further than what came with it.
    pub(crate) async fn read_until(&mut self, text: &str) -> String {
        let mut read = Vec::new();
        while !String::from_utf8_lossy(&read).contains(text) {
            let mut piece = [0; 4096];
            let length = soon(text, self.stream.read(&mut piece)).await.unwrap();
            assert!(length > 0, "the connection ended before {text:?}: {}", String::from_utf8_lossy(&read));
            read.extend_from_slice(&piece[..length]);
        }
        String::from_utf8(read).unwrap()
    }

    /// Reads until the connection ends, however it ends.
    pub(crate) async fn rest(mut self) -> String {
        let mut read = Vec::new();
        let _ = soon("the end of the connection", self.stream.read_to_end(&mut read)).await;
        String::from_utf8(read).unwrap()
    }

    pub(crate) async fn reply(self) -> Reply {
        let text = self.rest().await;
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head in {text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Reply { status, head: head.to_owned(), body: body.to_owned() }
    }
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The error object, after checking that it has OpenAI's shape.
    pub(crate) fn error(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        let body: Value = serde_json::from_str(&self.body).unwrap();
        let error = body["error"].as_object().unwrap();
        let keys: Vec<_> = error.keys().map(String::as_str).collect();
        assert_eq!(keys, ["message", "type", "param", "code"]);
        assert!(error["message"].is_string() && error["type"].is_string() && error["param"].is_null());
        body["error"].clone()
    }
}
