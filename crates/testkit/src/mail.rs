//! A mail server that keeps what it is given (RFC 5321, as much of it as a client needs).

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinHandle,
};

/// A message is waited for no longer than this.
const DEADLINE: Duration = Duration::from_secs(20);

/// A mail server for tests. Stops when dropped.
#[derive(Debug)]
pub struct MailSink {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    received: Vec<Received>,
    /// What the next recipients are answered with, first to last.
    refusals: Vec<String>,
    /// Recipients seen, refused ones too.
    tries: usize,
    /// Answers nothing after the greeting.
    hangs: bool,
}

/// A message that was taken.
#[derive(Debug, Clone)]
pub struct Received {
    /// The envelope's sender.
    pub from: String,
    /// The envelope's recipients.
    pub to: Vec<String>,
    /// The message as it came, headers and all.
    pub raw: String,
    /// Its plain text, decoded.
    pub text: String,
}

impl Received {
    /// The value of a header; empty when it has none.
    pub fn header(&self, name: &str) -> String {
        let head = self.raw.split("\r\n\r\n").next().unwrap_or_default();
        head.split("\r\n")
            .filter_map(|line| line.split_once(": "))
            .find_map(|(key, value)| key.eq_ignore_ascii_case(name).then(|| value.to_owned()))
            .unwrap_or_default()
    }

    /// The first link in its text that holds a token.
    #[track_caller]
    pub fn link(&self) -> String {
        let found = self
            .text
            .split_whitespace()
            .find(|word| word.contains("token="));
        found
            .unwrap_or_else(|| panic!("no link in {}", self.text))
            .to_owned()
    }

    /// The token of [`Self::link`].
    #[track_caller]
    pub fn token(&self) -> String {
        let link = self.link();
        link.split("token=").last().unwrap_or_default().to_owned()
    }
}

impl MailSink {
    /// Starts a mail server on a free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let shared = Arc::new(Shared::default());
        let task = tokio::spawn({
            let shared = shared.clone();
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let shared = shared.clone();
                    tokio::spawn(async move { drop(serve(stream, &shared).await) });
                }
            }
        });
        Self {
            address,
            shared,
            task,
        }
    }

    /// The settings of a server that sends through it.
    pub fn settings(&self) -> Vec<(String, String)> {
        [
            ("mail.host", "127.0.0.1".to_owned()),
            ("mail.port", self.address.port().to_string()),
            ("mail.security", "none".to_owned()),
            ("mail.from", "Vestibule <vestibule@example.com>".to_owned()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Answers the next recipients with these lines, for example `451 4.3.0 later`.
    pub fn refuse(&self, lines: &[&str]) {
        let refusals = lines.iter().map(ToString::to_string);
        self.state().refusals.extend(refusals);
    }

    /// Answers nothing any more, or does again.
    pub fn hang(&self, hangs: bool) {
        self.state().hangs = hangs;
    }

    /// How many recipients were tried, refused ones too.
    pub fn tries(&self) -> usize {
        self.state().tries
    }

    /// All messages so far, the first first.
    pub fn received(&self) -> Vec<Received> {
        self.state().received.clone()
    }

    /// The message of this place (1 is the first), as soon as it has come.
    pub async fn wait_for(&self, place: usize) -> Received {
        let come = || self.state().received.get(place - 1).cloned();
        self.until(&format!("message {place}"), come).await
    }

    /// Waits until so many recipients were tried.
    pub async fn wait_for_tries(&self, tries: usize) {
        let enough = || (self.state().tries >= tries).then_some(());
        self.until(&format!("{tries} tries"), enough).await;
    }

    async fn until<T>(&self, what: &str, come: impl Fn() -> Option<T>) -> T {
        let waiting = async {
            loop {
                let changed = self.shared.changed.notified();
                if let Some(value) = come() {
                    return value;
                }
                changed.await;
            }
        };
        let come = tokio::time::timeout(DEADLINE, waiting).await;
        come.unwrap_or_else(|_| panic!("{what} did not come; there are {:?}", self.received()))
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for MailSink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let state = || shared.state.lock().unwrap_or_else(PoisonError::into_inner);
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 sink ESMTP\r\n").await?;
    let (mut from, mut to) = (String::new(), Vec::new());
    while let Some(line) = lines.next_line().await? {
        if state().hangs {
            std::future::pending::<()>().await;
        }
        let word = line.split([' ', ':']).next().unwrap_or_default();
        let answer = match word.to_ascii_uppercase().as_str() {
            "EHLO" => "250-sink\r\n250 8BITMIME".to_owned(),
            "HELO" | "RSET" | "NOOP" => "250 fine".to_owned(),
            "MAIL" => {
                from = address(&line);
                to.clear();
                "250 fine".to_owned()
            }
            "RCPT" => {
                let mut state = state();
                state.tries += 1;
                if state.refusals.is_empty() {
                    to.push(address(&line));
                    "250 fine".to_owned()
                } else {
                    state.refusals.remove(0)
                }
            }
            "DATA" => {
                write.write_all(b"354 go on\r\n").await?;
                let mut raw = String::new();
                while let Some(line) = lines.next_line().await? {
                    if line == "." {
                        break;
                    }
                    raw.push_str(line.strip_prefix('.').unwrap_or(&line));
                    raw.push_str("\r\n");
                }
                state().received.push(Received {
                    from: from.clone(),
                    to: to.clone(),
                    text: plain_text(&raw),
                    raw,
                });
                "250 taken".to_owned()
            }
            "QUIT" => {
                write.write_all(b"221 bye\r\n").await?;
                return Ok(());
            }
            _ => "502 what?".to_owned(),
        };
        shared.changed.notify_waiters();
        write.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
    Ok(())
}

/// What stands between the angle brackets.
fn address(line: &str) -> String {
    let inner = line
        .split_once('<')
        .and_then(|(_, rest)| rest.split_once('>'));
    inner.map_or_else(String::new, |(address, _)| address.to_owned())
}

/// The first part of a message that is plain text, decoded.
fn plain_text(raw: &str) -> String {
    let Some((_, part)) = raw.split_once("Content-Type: text/plain") else {
        return String::new();
    };
    let (head, body) = part.split_once("\r\n\r\n").unwrap_or_default();
    let body = body.split("\r\n--").next().unwrap_or_default();
    if head.contains("quoted-printable") {
        quoted_printable(body)
    } else {
        body.replace("\r\n", "\n")
    }
}

/// Decodes quoted-printable (RFC 2045 §6.7).
fn quoted_printable(text: &str) -> String {
    let text = text.replace("=\r\n", "").replace("\r\n", "\n");
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = tail
            .get(..2)
            .and_then(|code| std::str::from_utf8(code).ok());
        let byte = code.and_then(|code| u8::from_str_radix(code, 16).ok());
        if let (b'=', Some(byte)) = (first, byte) {
            bytes.push(byte);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
