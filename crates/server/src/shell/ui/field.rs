//! Form fields and their errors.

use askama::{Template, filters::HtmlSafe};

use super::Icon;

/// What a field asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A line of text.
    Text,
    /// An address; the browser brings its keyboard, the server does the checking.
    Email,
    /// A password, never sent back to the page.
    Password,
    /// Several lines.
    Lines,
}

/// A labelled input with its hint and its error.
#[derive(Debug, Clone, Template)]
#[template(path = "ui/field.html")]
pub struct Field {
    /// The name it is posted under, also its `id` with `field-` before it.
    pub name: &'static str,
    /// What people read.
    pub label: &'static str,
    /// What it asks for.
    pub kind: Kind,
    value: String,
    autocomplete: &'static str,
    hint: Option<String>,
    error: Option<String>,
    required: bool,
    focus: bool,
    maximum: Option<u32>,
    addresses: bool,
    fixed: bool,
}

impl HtmlSafe for Field {}

impl Field {
    /// A required field.
    pub fn new(kind: Kind, name: &'static str, label: &'static str) -> Self {
        Self {
            name,
            label,
            kind,
            value: String::new(),
            autocomplete: "off",
            hint: None,
            error: None,
            required: true,
            focus: false,
            maximum: None,
            addresses: false,
            fixed: false,
        }
    }

    /// What it holds already. A password never holds anything.
    #[must_use]
    pub fn value(mut self, value: impl Into<String>) -> Self {
        if self.kind != Kind::Password {
            self.value = value.into();
        }
        self
    }

    /// What the browser may fill in (HTML §4.10.18.7).
    #[must_use]
    pub const fn autocomplete(mut self, token: &'static str) -> Self {
        self.autocomplete = token;
        self
    }

    /// A sentence below the label.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What is wrong and how to mend it; `None` for nothing.
    #[must_use]
    pub fn error(mut self, error: Option<String>) -> Self {
        self.error = error;
        self
    }

    /// May be left empty, and says so.
    #[must_use]
    pub const fn optional(mut self) -> Self {
        self.required = false;
        self
    }

    /// The most characters that the browser lets people type.
    #[must_use]
    pub const fn at_most(mut self, characters: u32) -> Self {
        self.maximum = Some(characters);
        self
    }

    /// Takes many addresses; a script counts them while typing.
    #[must_use]
    pub const fn addresses(mut self) -> Self {
        self.addresses = true;
        self
    }

    /// Shows its value and does not let people change it.
    #[must_use]
    pub const fn fixed(mut self) -> Self {
        self.fixed = true;
        self
    }

    /// Gets the focus when the page opens.
    #[must_use]
    pub const fn focused(mut self) -> Self {
        self.focus = true;
        self
    }

    fn input_type(&self) -> &'static str {
        match self.kind {
            Kind::Text | Kind::Lines => "text",
            Kind::Email => "email",
            Kind::Password => "password",
        }
    }

    /// Names and addresses are not prose.
    fn is_verbatim(&self) -> bool {
        self.kind == Kind::Email || matches!(self.autocomplete, "username" | "off" | "email")
    }

    fn described_by(&self) -> Option<String> {
        let error = self.error.as_ref().map(|_| format!("error-{}", self.name));
        let hint = self.hint.as_ref().map(|_| format!("hint-{}", self.name));
        let ids: Vec<String> = error.into_iter().chain(hint).collect();
        (!ids.is_empty()).then(|| ids.join(" "))
    }
}

/// The fields of one form, with what was wrong with the last try.
#[derive(Debug, Clone, Template)]
#[template(path = "ui/form.html")]
pub struct Form {
    message: Option<String>,
    fields: Vec<Field>,
}

impl HtmlSafe for Form {}

impl Form {
    /// A form. The first field with an error gets the focus.
    pub fn new(mut fields: Vec<Field>) -> Self {
        if let Some(first) = fields.iter().position(|field| field.error.is_some()) {
            for (index, field) in fields.iter_mut().enumerate() {
                field.focus = index == first;
            }
        }
        Self {
            message: None,
            fields,
        }
    }

    /// What was wrong with the form as a whole; `None` for nothing.
    #[must_use]
    pub fn message(mut self, message: Option<String>) -> Self {
        self.message = message;
        self
    }

    fn wrong(&self) -> Vec<&Field> {
        self.fields
            .iter()
            .filter(|field| field.error.is_some())
            .collect()
    }
}
