//! What is said to people by mail. Subjects are ours alone: nothing that anybody typed gets into a header.

use askama::Template;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

/// A message to a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Letter {
    /// Prove the address that somebody signed up with.
    SignUp {
        /// Completes the account.
        link: String,
    },
    /// Somebody signed up with an address that has an account.
    AlreadyThere {
        /// Whose account it is.
        username: String,
        /// Where to sign in.
        sign_in: String,
        /// Where to get a new password, if that is offered.
        forgot: Option<String>,
    },
    /// Prove the address of an account.
    VerifyEmail {
        /// Whose account it is.
        username: String,
        /// Proves it.
        link: String,
    },
    /// Set a new password.
    ResetPassword {
        /// Whose account it is.
        username: String,
        /// Sets it.
        link: String,
    },
    /// Prove the address that an account is to change to.
    ChangeEmail {
        /// Whose account it is.
        username: String,
        /// Changes it.
        link: String,
    },
    /// The address was changed; to the address before.
    EmailChanged {
        /// Whose account it is.
        username: String,
        /// The address now.
        new_email: String,
        /// Takes the change back; `None` when an earlier message has that.
        undo: Option<String>,
    },
    /// The password was changed.
    PasswordChanged {
        /// Whose account it is.
        username: String,
        /// Where to get another one, if that is offered.
        forgot: Option<String>,
    },
    /// A stolen refresh token came back, and its session was ended.
    SessionStolen {
        /// Whose account it is.
        username: String,
        /// What the session's device was called.
        device: String,
    },
    /// Asked for by whoever runs the server.
    Test,
}

/// A letter in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) subject: &'static str,
    pub(super) text: String,
    pub(super) html: String,
}

#[derive(Template)]
#[template(path = "mail/letter.txt", escape = "none")]
struct Plain<'l> {
    body: &'l Body<'l>,
    origin: &'l str,
}

#[derive(Template)]
#[template(path = "mail/letter.html")]
struct Html<'l> {
    subject: &'l str,
    body: &'l Body<'l>,
    origin: &'l str,
}

/// What a letter says, in the order it is said.
struct Body<'l> {
    opening: Vec<String>,
    button: Option<(&'static str, &'l str)>,
    closing: Vec<&'static str>,
}

const NOT_YOU: &str =
    "If this was not you, nothing is to be done: without this link nothing happens.";

impl Letter {
    /// The name kept with the row.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::SignUp { .. } => "sign_up",
            Self::AlreadyThere { .. } => "already_there",
            Self::VerifyEmail { .. } => "verify_email",
            Self::ResetPassword { .. } => "reset_password",
            Self::ChangeEmail { .. } => "change_email",
            Self::EmailChanged { .. } => "email_changed",
            Self::PasswordChanged { .. } => "password_changed",
            Self::SessionStolen { .. } => "session_stolen",
            Self::Test => "test",
        }
    }

    /// How long sending it makes sense: as long as its link is good for, two days for what only tells something.
    pub(crate) const fn lifetime(&self) -> SignedDuration {
        use accounts::ChallengePurpose as Purpose;
        match self {
            Self::SignUp { .. } | Self::VerifyEmail { .. } => Purpose::VerifyEmail.lifetime(),
            Self::ResetPassword { .. } => Purpose::ResetPassword.lifetime(),
            Self::ChangeEmail { .. } => Purpose::ChangeEmail.lifetime(),
            Self::EmailChanged { .. } => Purpose::UndoEmailChange.lifetime(),
            Self::AlreadyThere { .. }
            | Self::PasswordChanged { .. }
            | Self::SessionStolen { .. }
            | Self::Test => SignedDuration::from_hours(48),
        }
    }

    /// The link that lets its holder do something, if it has one.
    pub(crate) fn link(&self) -> Option<&str> {
        match self {
            Self::SignUp { link }
            | Self::VerifyEmail { link, .. }
            | Self::ResetPassword { link, .. }
            | Self::ChangeEmail { link, .. } => Some(link),
            Self::EmailChanged { undo, .. } => undo.as_deref(),
            Self::AlreadyThere { .. }
            | Self::PasswordChanged { .. }
            | Self::SessionStolen { .. }
            | Self::Test => None,
        }
    }

    const fn subject(&self) -> &'static str {
        match self {
            Self::SignUp { .. } | Self::VerifyEmail { .. } => "Confirm your email address",
            Self::AlreadyThere { .. } => "You have an account already",
            Self::ResetPassword { .. } => "Set a new password",
            Self::ChangeEmail { .. } => "Confirm your new email address",
            Self::EmailChanged { .. } => "Your email address was changed",
            Self::PasswordChanged { .. } => "Your password was changed",
            Self::SessionStolen { .. } => "A sign-in of yours was ended",
            Self::Test => "Mail from Vestibule works",
        }
    }

    fn body(&self) -> Body<'_> {
        let body = |opening: Vec<String>, button, closing| Body {
            opening,
            button,
            closing,
        };
        match self {
            Self::SignUp { link } => body(
                vec!["Somebody, probably you, made an account with this address. Confirm it within 24 hours and the account is yours.".into()],
                Some(("Confirm the address", link)),
                vec![NOT_YOU],
            ),
            Self::AlreadyThere {
                username,
                sign_in,
                forgot,
            } => {
                let mut opening = vec![format!(
                    "Somebody, probably you, tried to make an account with this address. You have one already; its username is {username}."
                )];
                if let Some(forgot) = forgot {
                    opening.push(format!("If you do not know the password any more, get a new one at {forgot}"));
                }
                body(
                    opening,
                    Some(("Sign in", sign_in)),
                    vec!["If this was not you, nothing is to be done. Nothing was changed."],
                )
            }
            Self::VerifyEmail { username, link } => body(
                vec![format!("Confirm within 24 hours that this is the address of the account {username}.")],
                Some(("Confirm the address", link)),
                vec![NOT_YOU],
            ),
            Self::ResetPassword { username, link } => body(
                vec![format!(
                    "Somebody, probably you, asked for a new password for the account {username}. Set it within 30 minutes. Every session of the account is signed out then."
                )],
                Some(("Set a new password", link)),
                vec![NOT_YOU],
            ),
            Self::ChangeEmail { username, link } => body(
                vec![format!("The account {username} is to have this address from now on. Confirm it within an hour.")],
                Some(("Use this address", link)),
                vec![NOT_YOU],
            ),
            Self::EmailChanged {
                username,
                new_email,
                undo,
            } => body(
                vec![format!("The address of the account {username} was changed to {new_email}.")],
                undo.as_deref().map(|link| ("Take it back", link)),
                if undo.is_some() {
                    vec![
                        "If this was you, nothing is to be done.",
                        "If not, take it back within 72 hours: the account gets this address again, everybody is signed out of it, and you set a new password.",
                    ]
                } else {
                    vec!["If this was not you, turn to the person who runs the server."]
                },
            ),
            Self::PasswordChanged { username, forgot } => {
                let mut opening = vec![format!(
                    "The password of the account {username} was changed, and its sessions were signed out."
                )];
                if let Some(forgot) = forgot {
                    opening.push(format!("If this was not you, set another one at once: {forgot}"));
                }
                body(opening, None, vec!["If this was you, nothing is to be done."])
            }
            Self::SessionStolen { username, device } => body(
                vec![format!(
                    "A sign-in of the account {username} (on {device}) was used from two places, as after a theft. It was ended."
                )],
                None,
                vec!["Sign in again. If you do not know why this happened, change your password."],
            ),
            Self::Test => body(
                vec!["Whoever runs the server asked for this message. It has arrived, so everything is set up as it should be.".into()],
                None,
                vec![],
            ),
        }
    }

    /// The letter in words, from the server at `origin`.
    pub(super) fn words(&self, origin: &str) -> Result<Words, askama::Error> {
        let (subject, body) = (self.subject(), self.body());
        Ok(Words {
            subject,
            text: Plain {
                body: &body,
                origin,
            }
            .render()?,
            html: Html {
                subject,
                body: &body,
                origin,
            }
            .render()?,
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// One of each kind.
    pub(crate) fn all() -> Vec<Letter> {
        let link = || "https://home.example.com/x?token=m8vfy_abc".to_owned();
        let username = || "ada".to_owned();
        vec![
            Letter::SignUp { link: link() },
            Letter::AlreadyThere {
                username: username(),
                sign_in: "https://home.example.com/signin".into(),
                forgot: Some("https://home.example.com/forgot".into()),
            },
            Letter::VerifyEmail {
                username: username(),
                link: link(),
            },
            Letter::ResetPassword {
                username: username(),
                link: link(),
            },
            Letter::ChangeEmail {
                username: username(),
                link: link(),
            },
            Letter::EmailChanged {
                username: username(),
                new_email: "new@example.com".into(),
                undo: Some(link()),
            },
            Letter::PasswordChanged {
                username: username(),
                forgot: None,
            },
            Letter::SessionStolen {
                username: username(),
                device: "Firefox on <Linux>".into(),
            },
            Letter::Test,
        ]
    }

    #[test]
    fn what_each_letter_says() {
        let texts: Vec<String> = all()
            .iter()
            .map(|letter| {
                let words = letter
                    .words("https://home.example.com")
                    .expect("it renders");
                format!("Subject: {}\n\n{}", words.subject, words.text)
            })
            .collect();
        insta::assert_snapshot!(texts.join("\n==========\n"));
    }

    #[test]
    fn every_letter_survives_being_kept() {
        for letter in all() {
            let json = serde_json::to_string(&letter).expect("it is written");
            assert_eq!(
                serde_json::from_str::<Letter>(&json).expect("it is read"),
                letter
            );
            assert!(json.contains(&format!("\"kind\":\"{}\"", letter.kind())));
        }
    }

    #[test]
    fn what_others_typed_is_no_markup() {
        let stolen = Letter::SessionStolen {
            username: "ada".into(),
            device: "<script>alert(1)</script>".into(),
        };
        let words = stolen
            .words("https://home.example.com")
            .expect("it renders");
        assert!(!words.html.contains("<script>"), "{}", words.html);
        assert!(words.text.contains("<script>"));
    }
}
