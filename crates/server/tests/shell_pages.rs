//! What holds for every page of the shell, whatever it is filled with.

#[path = "../examples/shell_preview/fixtures.rs"]
mod fixtures;

use std::collections::HashMap;

use fixtures::{Filling, Rendered};
use server::shell::page::Theme;

/// A start or end tag, read by the rules that our own templates keep: plain names, quoted values.
#[derive(Debug)]
struct Tag {
    name: String,
    closes: bool,
    attributes: HashMap<String, String>,
    /// The text up to the next tag.
    text: String,
}

impl Tag {
    fn get(&self, attribute: &str) -> Option<&str> {
        self.attributes.get(attribute).map(String::as_str)
    }

    fn opens(&self, name: &str) -> bool {
        self.name == name && !self.closes
    }
}

/// Splits a page into tags. Panics on what a template of ours never holds.
fn tags(html: &str) -> Vec<Tag> {
    let mut tags = Vec::new();
    let mut rest = html.strip_prefix("<!doctype html>").expect("a doctype");
    while let Some(start) = rest.find('<') {
        let body = &rest[start + 1..];
        let (closes, body) = body
            .strip_prefix('/')
            .map_or((false, body), |body| (true, body));
        let end = body
            .find(|c: char| !c.is_ascii_alphanumeric())
            .expect("a tag ends");
        let (name, mut body) = body.split_at(end);
        assert!(!name.is_empty(), "a bare <");
        let mut attributes = HashMap::new();
        loop {
            body = body.trim_start_matches([' ', '\n', '/']);
            if let Some(after) = body.strip_prefix('>') {
                body = after;
                break;
            }
            let end = body.find(['=', '>', ' ', '\n']).expect("an attribute ends");
            let (key, after) = body.split_at(end);
            let plain = key.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-');
            assert!(plain, "attribute {key:?} of {name}");
            let (value, after) = match after.strip_prefix("=\"") {
                Some(after) => after.split_once('"').expect("a closing quote"),
                None => ("", after),
            };
            let twice = attributes.insert(key.to_owned(), value.to_owned());
            assert!(twice.is_none(), "{key} twice in {name}");
            body = after;
        }
        tags.push(Tag {
            name: name.to_owned(),
            closes,
            attributes,
            text: body.split('<').next().unwrap_or_default().to_owned(),
        });
        rest = body;
    }
    tags
}

/// Runs a check on every page with every filling.
fn every_page(check: impl Fn(&str, &[Tag])) {
    for filling in [Filling::Usual, Filling::Empty, Filling::Hostile] {
        for Rendered { name, html } in fixtures::all(filling, Theme::Dark) {
            check(name, &tags(&html));
        }
    }
}

#[test]
fn text_from_people_never_becomes_markup() {
    every_page(|page, tags| {
        for tag in tags {
            let handler = tag.attributes.keys().any(|key| key.starts_with("on"));
            assert!(!handler && tag.name != "img", "{page}: {tag:?}");
        }
    });
}

#[test]
fn every_page_is_well_formed() {
    const VOID: [&str; 6] = ["meta", "link", "input", "br", "hr", "path"];
    every_page(|page, tags| {
        let mut open = Vec::new();
        for tag in tags.iter().filter(|tag| !VOID.contains(&tag.name.as_str())) {
            if tag.closes {
                assert_eq!(open.pop(), Some(tag.name.as_str()), "{page}");
            } else {
                open.push(&tag.name);
            }
        }
        assert!(open.is_empty(), "{page}: {open:?}");
        for name in ["h1", "main", "title"] {
            let count = tags.iter().filter(|tag| tag.opens(name)).count();
            assert_eq!(count, 1, "{name} on {page}");
        }
    });
}

#[test]
fn every_reference_within_a_page_leads_somewhere() {
    every_page(|page, tags| {
        let mut ids: Vec<_> = tags.iter().filter_map(|tag| tag.get("id")).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count, "{page} has an id twice");
        for tag in tags {
            for key in [
                "aria-describedby",
                "aria-labelledby",
                "for",
                "data-addresses",
            ] {
                for id in tag.get(key).unwrap_or_default().split_whitespace() {
                    assert!(ids.contains(&id), "{page}: {key} names {id}");
                }
            }
            if let Some(id) = tag.get("href").and_then(|href| href.strip_prefix('#')) {
                assert!(ids.contains(&id), "{page}: a link to #{id}");
            }
        }
    });
}

#[test]
fn no_page_has_a_script_or_style_of_its_own() {
    every_page(|page, tags| {
        for tag in tags {
            let styled = tag.name == "style" || tag.get("style").is_some();
            assert!(!styled, "{page}: {tag:?}");
            if tag.opens("script") {
                let src = tag.get("src").unwrap_or_default();
                assert!(
                    src.starts_with("/_static/") && tag.text.is_empty(),
                    "{page}: {tag:?}"
                );
            }
        }
    });
}

#[test]
fn every_address_is_ours_or_the_apps() {
    every_page(|page, tags| {
        for tag in tags {
            for address in ["href", "src", "action"]
                .iter()
                .filter_map(|key| tag.get(key))
            {
                let ours = address.starts_with('/') && !address.starts_with("//");
                let app = address.starts_with("http://guestbook.localhost:8080");
                assert!(ours || app || address.starts_with('#'), "{page}: {address}");
            }
        }
    });
}

#[test]
fn every_form_that_changes_something_carries_the_token() {
    every_page(|page, tags| {
        for start in (0..tags.len()).filter(|&index| tags[index].opens("form")) {
            let posts = tags[start].get("method").expect("a method") == "post";
            let inside = tags[start..]
                .iter()
                .take_while(|tag| !(tag.name == "form" && tag.closes));
            let tokens = inside
                .filter(|tag| tag.get("name") == Some("_csrf"))
                .count();
            assert_eq!(tokens, usize::from(posts), "{page}: {:?}", tags[start]);
        }
    });
}

#[test]
fn every_field_and_button_has_a_name_for_people() {
    every_page(|page, tags| {
        let labels: Vec<_> = tags.iter().filter_map(|tag| tag.get("for")).collect();
        let mut in_label = false;
        for (index, tag) in tags.iter().enumerate() {
            if tag.name == "label" {
                in_label = !tag.closes;
            }
            let named = tag.get("aria-label").is_some_and(|label| !label.is_empty());
            match tag.name.as_str() {
                "input" | "textarea" if !tag.closes && tag.get("type") != Some("hidden") => {
                    let by_label = tag.get("id").is_some_and(|id| labels.contains(&id));
                    assert!(named || in_label || by_label, "{page}: {tag:?}");
                    let fills =
                        tag.get("autocomplete").is_some() || tag.get("type") == Some("radio");
                    assert!(fills, "{page}: {tag:?}");
                }
                "button" | "a" | "summary" if !tag.closes => {
                    let inside = tags[index..]
                        .iter()
                        .take_while(|inner| !(inner.closes && inner.name == tag.name));
                    let has_text = inside
                        .map(|inner| inner.text.trim())
                        .any(|text| !text.is_empty());
                    assert!(named || has_text, "{page}: {tag:?}");
                }
                _ => {}
            }
        }
    });
}

#[test]
fn a_form_that_failed_puts_the_focus_on_the_first_wrong_field() {
    let pages = fixtures::all(Filling::Usual, Theme::System);
    let page = pages
        .iter()
        .find(|page| page.name == "signup")
        .expect("the page");
    let tags = tags(&page.html);
    let focused: Vec<_> = tags
        .iter()
        .filter(|tag| tag.attributes.contains_key("autofocus"))
        .collect();
    assert_eq!(focused.len(), 1);
    assert_eq!(focused[0].get("name"), Some("email"));
    assert_eq!(focused[0].get("aria-invalid"), Some("true"));
    assert_eq!(focused[0].get("aria-describedby"), Some("error-email"));
}

#[test]
fn passwords_never_come_back_to_the_page() {
    every_page(|page, tags| {
        for tag in tags
            .iter()
            .filter(|tag| tag.get("type") == Some("password"))
        {
            assert!(tag.get("value").is_none(), "{page}: {tag:?}");
        }
    });
}

#[test]
fn pages_look_as_agreed() {
    let pages = fixtures::all(Filling::Usual, Theme::System);
    let address = server::shell::assets::url("favicon.svg");
    let hash = address.split('/').nth(2).expect("a hash");
    for name in [
        "signin-failed",
        "dashboard",
        "overview",
        "people-shared",
        "confirm-open",
    ] {
        let page = pages
            .iter()
            .find(|page| page.name == name)
            .expect("the page");
        insta::assert_snapshot!(name, page.html.replace(hash, "[hash]"));
    }
}
