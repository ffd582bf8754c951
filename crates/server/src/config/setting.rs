//! How one setting is declared: a struct field with its key, default and documentation, said once.

use std::path::PathBuf;

use accounts::Email;
use secret::SecretString;
use url::Url;

/// What is known of a setting before anything was read.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Dotted key, for example `server.listen`.
    pub key: &'static str,
    /// The default as it would be written; empty when there is none or it is computed.
    pub default: &'static str,
    /// One paragraph for the reference page.
    pub doc: &'static str,
    /// What a value looks like, for example `a socket address such as 127.0.0.1:8080`.
    pub expected: &'static str,
    /// Masked wherever it is shown; may also be read from a file by `<key>_file`.
    pub secret: bool,
}

impl Setting {
    /// The environment variable of the setting: `server.listen` is `VESTIBULE_SERVER__LISTEN`.
    pub fn environment_name(&self) -> String {
        environment_name(self.key)
    }
}

/// The environment variable that stands for a dotted key.
pub(crate) fn environment_name(key: &str) -> String {
    let name = key.replace('.', "__").replace('-', "_");
    format!("VESTIBULE_{}", name.to_uppercase())
}

/// A type that a setting may have.
pub(crate) trait Value: Sized {
    /// What a value looks like, for messages and the reference page.
    const EXPECTED: &'static str;
    /// Whether values are masked.
    const SECRET: bool = false;

    /// Reads a value as written.
    fn read(text: &str) -> Option<Self>;

    /// The value of a setting that has no default and was not set.
    fn absent() -> Option<Self> {
        None
    }
}

impl<T: Value> Value for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;
    const SECRET: bool = T::SECRET;

    fn read(text: &str) -> Option<Self> {
        T::read(text).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

macro_rules! parsed {
    ($($type:ty: $expected:literal),* $(,)?) => {$(
        impl Value for $type {
            const EXPECTED: &'static str = $expected;

            fn read(text: &str) -> Option<Self> {
                text.parse().ok()
            }
        }
    )*};
}

parsed! {
    bool: "true or false",
    std::net::SocketAddr: "an address and port such as 127.0.0.1:8080",
}

/// A whole number between two bounds, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Within<const LOW: u64, const HIGH: u64>(u64);

impl<const LOW: u64, const HIGH: u64> Within<LOW, HIGH> {
    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number, for what cannot be larger than memory.
    pub fn size(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl<const LOW: u64, const HIGH: u64> Value for Within<LOW, HIGH> {
    const EXPECTED: &'static str = "a whole number";

    fn read(text: &str) -> Option<Self> {
        let number = text.replace('_', "").parse().ok()?;
        (LOW..=HIGH).contains(&number).then_some(Self(number))
    }
}

/// A span of time as written: `30m`, `12h`, `30d`, or plain seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(u64);

impl Span {
    /// Makes a span of whole seconds.
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(seconds)
    }

    /// As a duration.
    pub const fn duration(self) -> std::time::Duration {
        std::time::Duration::from_secs(self.0)
    }

    /// As a signed duration, to be added to a timestamp.
    pub fn signed(self) -> jiff::SignedDuration {
        jiff::SignedDuration::from_secs(i64::try_from(self.0).unwrap_or(i64::MAX))
    }
}

/// No span is longer than this: ten years.
const LONGEST_SPAN_SECONDS: u64 = 10 * 366 * 24 * 3600;

impl Value for Span {
    const EXPECTED: &'static str = "a span such as 45s, 30m, 12h or 30d";

    fn read(text: &str) -> Option<Self> {
        let (digits, factor) = match text.char_indices().last()? {
            (at, 's') => (&text[..at], 1),
            (at, 'm') => (&text[..at], 60),
            (at, 'h') => (&text[..at], 3600),
            (at, 'd') => (&text[..at], 24 * 3600),
            _ => (text, 1),
        };
        let seconds = digits.parse::<u64>().ok()?.checked_mul(factor)?;
        (1..=LONGEST_SPAN_SECONDS)
            .contains(&seconds)
            .then_some(Self(seconds))
    }
}

impl Value for PathBuf {
    const EXPECTED: &'static str = "a path";

    fn read(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self::from(text))
    }
}

impl Value for String {
    const EXPECTED: &'static str = "a text of 1 to 500 characters";

    fn read(text: &str) -> Option<Self> {
        ((1..=500).contains(&text.chars().count()) && !text.chars().any(char::is_control))
            .then(|| text.to_owned())
    }
}

impl Value for Email {
    const EXPECTED: &'static str = "an email address such as ada@example.com";

    fn read(text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }
}

impl Value for SecretString {
    const EXPECTED: &'static str = "a secret text";
    const SECRET: bool = true;

    fn read(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self::new(text.to_owned()))
    }
}

impl Value for Url {
    const EXPECTED: &'static str = "an origin such as https://apps.example.com, without a path";

    fn read(text: &str) -> Option<Self> {
        let url = Self::parse(text).ok()?;
        let origin = matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty();
        origin.then_some(url)
    }
}

/// Declares an enum whose variants are the words a setting takes.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),* $(,)? } expected $expected:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* $variant),* }

        impl $crate::config::setting::Value for $name {
            const EXPECTED: &'static str = $expected;

            fn read(text: &str) -> Option<Self> {
                match text { $($word => Some(Self::$variant),)* _ => None }
            }
        }
    };
}
pub(crate) use words;

/// Declares a section: a struct, the table of its settings and the function that fills it.
macro_rules! section {
    (
        $(#[doc = $section_doc:literal])*
        $name:ident {
            $($(#[doc = $doc:literal])* $key:literal $field:ident: $type:ty $(= $default:literal)?,)*
        }
    ) => {
        $(#[doc = $section_doc])*
        #[derive(Debug, Clone)]
        pub struct $name { $($(#[doc = $doc])* pub $field: $type,)* }

        impl $name {
            /// The section's settings, in the order of the reference page.
            pub const SETTINGS: &'static [$crate::config::Setting] = &[$(
                $crate::config::Setting {
                    key: $key,
                    default: concat!($($default)?),
                    doc: concat!($($doc, "\n"),*),
                    expected: <$type as $crate::config::setting::Value>::EXPECTED,
                    secret: <$type as $crate::config::setting::Value>::SECRET,
                },
            )*];

            /// Reads the section; mistakes are noted in `raw`, and then there is no value.
            pub(crate) fn read(raw: &mut $crate::config::RawConfig) -> Option<Self> {
                $(let $field = raw.value::<$type>($key, concat!($($default)?));)*
                Some(Self { $($field: $field?,)* })
            }
        }
    };
}
pub(crate) use section;
