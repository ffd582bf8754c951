//! The way to the mail server.

use std::time::Duration;

use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor,
    message::{
        Mailbox, MultiPart,
        header::{HeaderName, HeaderValue},
    },
    transport::smtp::{
        authentication::Credentials,
        client::{Tls, TlsParameters},
    },
};
use uuid::Uuid;

use super::letter::Letter;
use crate::{Config, config::MailSecurity, random};

/// How long the mail server may take for one step.
const STEP_TIMEOUT: Duration = Duration::from_secs(20);

/// The mail server, as it was configured.
pub(super) struct Transport {
    smtp: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    reply_to: Option<Mailbox>,
    origin: String,
    /// What message ids end with.
    domain: String,
}

/// Why a message was not sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// There is no mail server.
    #[error("no mail server is configured; set mail.host and mail.from")]
    NotConfigured,
    /// The address cannot stand in a message.
    #[error("mail cannot be written to this address")]
    Address,
    /// A letter could not be rendered.
    #[error("could not write the message")]
    Render(#[from] askama::Error),
    /// A message could not be put together.
    #[error("could not put the message together")]
    Build(#[from] lettre::error::Error),
    /// The mail server did not take it.
    #[error("the mail server did not take the message")]
    Smtp(#[from] lettre::transport::smtp::Error),
    /// The mail server did not answer in time.
    #[error("the mail server did not answer in time")]
    Timeout,
}

impl SendError {
    /// Whether the same message will never be taken, whenever it is tried.
    pub(super) fn is_final(&self) -> bool {
        match self {
            Self::Address | Self::Render(_) | Self::Build(_) => true,
            // 5.x.x is final (RFC 5321 §4.2.1), except for what is wrong with our sign-in: that can be mended.
            Self::Smtp(error) => error.status().is_some_and(|code| {
                let code = u16::from(code);
                (500..600).contains(&code) && !matches!(code, 530 | 534 | 535 | 538)
            }),
            Self::NotConfigured | Self::Timeout => false,
        }
    }

    /// The error with its causes.
    pub fn text(&self) -> String {
        crate::error::Chain(self).to_string()
    }
}

impl Transport {
    /// The configured mail server; `None` without one.
    pub(super) fn new(config: &Config) -> Result<Option<Self>, SendError> {
        let mail = &config.mail;
        let (Some(host), Some(from)) = (&mail.host, &mail.from) else {
            return Ok(None);
        };
        let tls = || TlsParameters::new(host.clone());
        let security = match mail.security {
            MailSecurity::StartTls => Tls::Required(tls()?),
            MailSecurity::Tls => Tls::Wrapper(tls()?),
            MailSecurity::None => Tls::None,
        };
        let mut smtp = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .port(mail.port())
            .tls(security)
            .timeout(Some(STEP_TIMEOUT));
        if let (Some(username), Some(password)) = (&mail.username, &mail.password) {
            smtp = smtp.credentials(Credentials::new(
                username.clone(),
                password.expose().clone(),
            ));
        }
        Ok(Some(Self {
            smtp: smtp.build(),
            from: from.clone(),
            reply_to: mail.reply_to.clone(),
            origin: config.shell_origin(),
            domain: from.email.domain().to_owned(),
        }))
    }

    /// Sends a letter. `id` makes the message's own id, so that one that is sent twice can be told.
    pub(super) async fn send(
        &self,
        id: Uuid,
        email: &str,
        letter: &Letter,
    ) -> Result<(), SendError> {
        let message = self.message(id, email, letter)?;
        self.smtp.send(message).await?;
        Ok(())
    }

    fn message(&self, id: Uuid, email: &str, letter: &Letter) -> Result<Message, SendError> {
        let to = email.parse().map_err(|_| SendError::Address)?;
        let words = letter.words(&self.origin)?;
        let mut message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(words.subject)
            .message_id(Some(format!("<{id}@{}>", self.domain)))
            // Nobody's out-of-office answer is wanted (RFC 3834 §5).
            .raw_header(header("Auto-Submitted", "auto-generated"))
            .raw_header(header("X-Auto-Response-Suppress", "All"));
        if let Some(reply_to) = &self.reply_to {
            message = message.reply_to(reply_to.clone());
        }
        Ok(message.multipart(MultiPart::alternative_plain_html(words.text, words.html))?)
    }
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

/// Sends a test message, at once and past the outbox.
pub async fn send_test(config: &Config, email: &accounts::Email) -> Result<(), SendError> {
    let transport = Transport::new(config)?.ok_or(SendError::NotConfigured)?;
    let id = Uuid::from_bytes(random::bytes());
    transport.send(id, email.as_str(), &Letter::Test).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;

    fn transport() -> Transport {
        let flags = [
            ("mail.host", "localhost"),
            ("mail.security", "none"),
            ("mail.from", "Vestibule <vestibule@example.com>"),
            ("mail.reply_to", "help@example.com"),
        ];
        let sources = Sources {
            flags: flags.map(|(key, value)| (key.into(), value.into())).into(),
            ..Sources::default()
        };
        let (config, _) = Config::load(&sources).expect("good settings");
        Transport::new(&config)
            .expect("good settings")
            .expect("a mail server")
    }

    #[test]
    fn every_message_says_that_no_machine_need_answer_it() {
        for letter in super::super::letter::tests::all() {
            let message = transport().message(Uuid::nil(), "ada@example.com", &letter);
            let text = String::from_utf8(message.expect("it is built").formatted()).expect("ASCII");
            for line in [
                "Auto-Submitted: auto-generated\r\n",
                "X-Auto-Response-Suppress: All\r\n",
                "Message-ID: <00000000-0000-0000-0000-000000000000@example.com>\r\n",
                "From: Vestibule <vestibule@example.com>\r\n",
                "Reply-To: help@example.com\r\n",
                "To: ada@example.com\r\n",
                "Content-Type: text/plain; charset=utf-8\r\n",
                "Content-Type: text/html; charset=utf-8\r\n",
            ] {
                assert!(text.contains(line), "{line} is missing in {text}");
            }
        }
    }

    #[test]
    fn nothing_typed_gets_into_a_header() {
        for email in [
            "ada@example.com\r\nBcc: eve@example.com",
            "ada@example.com\nBcc: eve@example.com",
            "ada@example.com, eve@example.com",
            "Ada <ada@example.com>\r\n",
            "",
        ] {
            let built = transport().message(Uuid::nil(), email, &Letter::Test);
            assert!(matches!(built, Err(SendError::Address)), "{email:?}");
        }
        let hostile = Letter::SessionStolen {
            username: "ada\r\nBcc: eve@example.com".into(),
            device: "\r\n\r\nBcc: eve@example.com".into(),
        };
        let message = transport().message(Uuid::nil(), "ada@example.com", &hostile);
        let text = String::from_utf8(message.expect("it is built").formatted()).expect("ASCII");
        let (headers, _) = text.split_once("\r\n\r\n").expect("headers and a body");
        assert!(!headers.contains("Bcc"), "{headers}");
    }
}
