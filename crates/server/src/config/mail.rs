//! The mail server that messages to people go through.

use std::net::IpAddr;

use lettre::message::Mailbox;
use secret::SecretString;

use super::{
    RawConfig,
    setting::{Value, Within, section, words},
};

section! {
    /// The mail server that messages to people go through. Without one nothing is mailed; what people ask for by mail
    /// is shown to those who run the server (`vestibule account links`, or the page Mail).
    Mail {
        /// Name of the mail server (SMTP), for example `smtp.example.com`.
        "mail.host" host: Option<String>,
        /// Its port. When left out: 587 with `starttls`, 465 with `tls`, 25 with `none`.
        "mail.port" port: Option<Within<1, 65535>>,
        /// How the connection is protected: `starttls`, `tls` (from the first byte) or `none` (only to this machine).
        /// A server that does not offer what is asked for gets no mail.
        "mail.security" security: MailSecurity = "starttls",
        /// Name to sign in to the mail server with.
        "mail.username" username: Option<String>,
        /// Password to sign in to the mail server with.
        "mail.password" password: Option<SecretString>,
        /// Whom mail comes from: an address, or a name and an address as in `Vestibule <vestibule@example.com>`.
        "mail.from" from: Option<Mailbox>,
        /// Where answers go, when that is another address.
        "mail.reply_to" reply_to: Option<Mailbox>,
    }
}

words! {
    /// How the connection to the mail server is protected.
    MailSecurity {
        /// Plain at first, then TLS (RFC 3207); never without it.
        StartTls = "starttls",
        /// TLS from the first byte (RFC 8314).
        Tls = "tls",
        /// Not at all.
        None = "none",
    } expected "starttls, tls or none"
}

impl Value for Mailbox {
    const EXPECTED: &'static str =
        "an address, or a name and an address as in Vestibule <vestibule@example.com>";

    fn read(text: &str) -> Option<Self> {
        if text.chars().any(char::is_control) {
            return None;
        }
        text.parse().ok()
    }
}

impl Mail {
    /// Whether there is a mail server.
    pub const fn is_configured(&self) -> bool {
        self.host.is_some()
    }

    /// The port, with its default filled in.
    pub fn port(&self) -> u16 {
        let given = self.port.and_then(|port| u16::try_from(port.get()).ok());
        given.unwrap_or(match self.security {
            MailSecurity::StartTls => 587,
            MailSecurity::Tls => 465,
            MailSecurity::None => 25,
        })
    }

    /// Notes what the settings say against each other.
    pub(super) fn check(&self, raw: &mut RawConfig) {
        let Some(host) = &self.host else {
            return;
        };
        if self.from.is_none() {
            raw.mistake("mail.host is set, and so mail.from is needed too".into());
        }
        if self.security == MailSecurity::None && !is_this_machine(host) {
            raw.mistake(format!(
                "mail.security is none, which is for a mail server on this machine only; {host} is elsewhere"
            ));
        }
        if self.username.is_some() != self.password.is_some() {
            raw.mistake("mail.username and mail.password are set together or not at all".into());
        }
    }
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}
