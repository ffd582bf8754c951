//! A small HTTP client: one request, one connection, to a port of this machine.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};

pub(super) struct Answer {
    pub(super) status: u16,
    /// Names in lower case.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find_map(|(field, value)| (field == name).then_some(value.as_str()))
    }
}

/// Sends a request and reads its answer.
pub(super) fn send(
    port: u16,
    method: &str,
    host: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Answer> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_mins(1)))?;
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
    for (name, value) in headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    if !body.is_empty() {
        let _ = write!(head, "content-length: {}\r\n", body.len());
    }
    stream.write_all(format!("{head}\r\n{body}").as_bytes())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    parse(&String::from_utf8_lossy(&bytes))
}

fn parse(text: &str) -> Result<Answer> {
    let (head, rest) = text
        .split_once("\r\n\r\n")
        .context("the answer has no end of its head")?;
    let mut lines = head.lines();
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1)?.parse().ok())
        .context("the answer has no status")?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let chunked = headers
        .iter()
        .any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    let body = if chunked {
        unchunk(rest)?
    } else {
        rest.to_owned()
    };
    Ok(Answer {
        status,
        headers,
        body,
    })
}

fn unchunk(mut rest: &str) -> Result<String> {
    let mut body = String::new();
    loop {
        let (size, more) = rest.split_once("\r\n").context("a chunk has no size")?;
        let size = usize::from_str_radix(size.trim(), 16)?;
        if size == 0 {
            return Ok(body);
        }
        body.push_str(more.get(..size).context("a chunk is cut off")?);
        rest = more.get(size + 2..).unwrap_or_default();
    }
}

/// A browser's cookies, by host.
#[derive(Default)]
pub(super) struct Browser {
    cookies: BTreeMap<String, BTreeMap<String, String>>,
}

impl Browser {
    /// The `Cookie` field for a host.
    pub(super) fn cookies(&self, host: &str) -> String {
        let pairs: Vec<_> = self
            .cookies
            .get(host)
            .into_iter()
            .flatten()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        pairs.join("; ")
    }

    /// One cookie for a host.
    pub(super) fn cookie(&self, host: &str, name: &str) -> Option<&str> {
        self.cookies.get(host)?.get(name).map(String::as_str)
    }

    /// Opens an address, following redirections as a browser does.
    pub(super) fn open(
        &mut self,
        port: u16,
        host: &str,
        path: &str,
        form: Option<&str>,
    ) -> Result<Answer> {
        let (mut host, mut path, mut form) = (host.to_owned(), path.to_owned(), form);
        for _ in 0..10 {
            let cookies = self.cookies(&host);
            let origin = format!("http://{host}");
            let mut headers = vec![
                ("cookie", cookies.as_str()),
                ("accept", "text/html"),
                ("sec-fetch-mode", "navigate"),
                ("sec-fetch-dest", "document"),
            ];
            if form.is_some() {
                headers.push(("origin", &origin));
                headers.push(("content-type", "application/x-www-form-urlencoded"));
            }
            let method = if form.is_some() { "POST" } else { "GET" };
            let answer = send(port, method, &host, &path, &headers, form.unwrap_or(""))?;
            for (_, value) in answer
                .headers
                .iter()
                .filter(|(name, _)| name == "set-cookie")
            {
                if let Some((name, value)) = value.split(';').next().and_then(|p| p.split_once('='))
                {
                    let jar = self.cookies.entry(host.clone()).or_default();
                    jar.insert(name.to_owned(), value.to_owned());
                }
            }
            let Some(location) = answer.header("location").map(str::to_owned) else {
                return Ok(answer);
            };
            match location.strip_prefix("http://") {
                Some(absolute) => {
                    let (to, rest) = absolute.split_once('/').unwrap_or((absolute, ""));
                    to.clone_into(&mut host);
                    path = format!("/{rest}");
                }
                None => path = location,
            }
            form = None;
        }
        bail!("{host}{path} is redirected for ever")
    }
}
