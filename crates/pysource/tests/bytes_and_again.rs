//! The hard cases of bytes (endings, codings, indentation) and of publishing what was published before.

mod support;

use std::collections::BTreeMap;

use pysource::{Options, Project};
use support::{App, CALL, IMPORT};

fn rewritten(bytes: &[u8]) -> Vec<u8> {
    let app = App::bytes(vec![("main.py".to_owned(), bytes.to_vec())], None);
    assert!(!app.result.wrapped);
    app.is_stable();
    app.result.files["main.py"].clone()
}

#[test]
fn line_endings_are_those_of_the_neighbour() {
    let crlf = rewritten(b"from fastapi import FastAPI\r\napp = FastAPI()\r\nx = 1\r\n");
    let expected = format!(
        "from fastapi import FastAPI\r\napp = FastAPI()\r\n{IMPORT}\r\n{CALL}\r\nx = 1\r\n"
    );
    assert_eq!(String::from_utf8(crlf).unwrap(), expected);
    let mixed = rewritten(b"from fastapi import FastAPI\napp = FastAPI()\r\nx = 1\n");
    let expected =
        format!("from fastapi import FastAPI\napp = FastAPI()\r\n{IMPORT}\r\n{CALL}\r\nx = 1\n");
    assert_eq!(String::from_utf8(mixed).unwrap(), expected);
    let no_end = rewritten(b"from fastapi import FastAPI\r\napp = FastAPI()");
    let expected =
        format!("from fastapi import FastAPI\r\napp = FastAPI()\r\n{IMPORT}\r\n{CALL}\r\n");
    assert_eq!(String::from_utf8(no_end).unwrap(), expected);
}

#[test]
fn a_byte_order_mark_stays_and_columns_on_line_one_are_right() {
    let bytes = "\u{feff}from fastapi import FastAPI; app = FastAPI()\n".as_bytes();
    let out = rewritten(bytes);
    assert!(out.starts_with(bytes));
    let app = App::bytes(vec![("main.py".to_owned(), bytes.to_vec())], None);
    let binding = app.classified.binding.unwrap();
    assert_eq!((binding.line, binding.column), (1, 30));
}

#[test]
fn a_declared_coding_is_read_and_written_back() {
    let bytes = b"# -*- coding: latin-1 -*-\nfrom fastapi import FastAPI\nname = 'caf\xe9'; app = FastAPI()  # \xe9\n";
    let out = rewritten(bytes);
    assert!(out.starts_with(bytes) && out.ends_with(format!("{IMPORT}\n{CALL}\n").as_bytes()));
}

#[test]
fn undeclared_bytes_are_refused_at_their_line() {
    let bytes = b"from fastapi import FastAPI\nname = 'caf\xe9'\napp = FastAPI()\n".to_vec();
    let project = Project::new([("main.py".to_owned(), bytes)].into());
    let findings = pysource::classify(&project, &Options::default()).unwrap_err();
    assert_eq!(
        (findings[0].rule.as_str(), findings[0].line),
        ("runtime.encoding", Some(2))
    );
}

#[test]
fn tabs_are_used_where_the_file_uses_tabs() {
    let out = rewritten(b"from fastapi import FastAPI\nif True:\n\tapp = FastAPI()\n");
    let expected =
        format!("from fastapi import FastAPI\nif True:\n\tapp = FastAPI()\n\t{IMPORT}\n\t{CALL}\n");
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn docstring_and_future_imports_stay_first() {
    let text = "\"\"\"Doc.\"\"\"\nfrom __future__ import annotations\nfrom fastapi import FastAPI\napp = FastAPI()\n";
    let out = String::from_utf8(rewritten(text.as_bytes())).unwrap();
    assert_eq!(out, format!("{text}{IMPORT}\n{CALL}\n"));
}

#[test]
fn odd_characters_before_the_app_do_not_shift_it() {
    let text = "# a\u{a0}b \u{1f600} \u{ff21}\n\x0c\nfrom fastapi import FastAPI\nx = '\u{1f600}'; app = FastAPI()\n";
    let out = String::from_utf8(rewritten(text.as_bytes())).unwrap();
    assert_eq!(out, format!("{text}{IMPORT}\n{CALL}\n"));
}

#[test]
fn a_name_in_any_script_is_wired() {
    let app = App::of("from fastapi import FastAPI\nприложение = FastAPI()\n");
    app.serves("main:приложение")
        .wired_as("приложение = FastAPI()", "приложение");
    let wrapped = pysource::wrap_entry(
        &Project::new(app.files.iter().cloned().collect()),
        &app.classified,
        support::DROPPED,
    );
    let entry = String::from_utf8(wrapped.files["vestibule_entry.py"].clone()).unwrap();
    assert!(wrapped.wrapped && entry.contains("attrgetter(\"приложение\")"));
}

#[test]
fn a_call_written_by_hand_is_recognized_in_every_spelling() {
    for wiring in [
        "from ellivate_auth import init_ellivate_auth\ninit_ellivate_auth(app)\n",
        "from vestibule_auth import init_vestibule_auth as wire\nx = 1\nwire(app)\n",
        "import vestibule_auth\nvestibule_auth.init_vestibule_auth(app=app)\n",
    ] {
        let app = App::of(&format!(
            "from fastapi import FastAPI\napp = FastAPI()\n{wiring}"
        ));
        assert!(!app.result.files.contains_key("main.py"), "{wiring}");
        assert!(!app.result.wrapped);
    }
    App::new(&[
        ("main.py", "from core import app\nfrom vestibule_auth import init_vestibule_auth\ninit_vestibule_auth(app)\n"),
        ("core.py", "from fastapi import FastAPI\napp = FastAPI()\n"),
    ])
    .is_stable();
    let factory = App::of(
        "from fastapi import FastAPI\nfrom vestibule_auth import init_vestibule_auth\ndef make():\n    app = FastAPI()\n    init_vestibule_auth(app)\n    return app\napp = make()\n",
    );
    assert!(!factory.result.files.contains_key("main.py"));
}

#[test]
fn a_call_on_another_object_or_another_function_does_not_count() {
    App::of("from fastapi import FastAPI\nfrom vestibule_auth import init_vestibule_auth\nadmin = FastAPI()\napp = FastAPI(title='r')\ninit_vestibule_auth(admin)\n")
        .wired_after("app = FastAPI(title='r')");
    App::of("from fastapi import FastAPI\ndef init_vestibule_auth(x): ...\napp = FastAPI()\ninit_vestibule_auth(app)\n")
        .wired_after("app = FastAPI()");
    App::of("from fastapi import FastAPI\nfrom vestibule_auth import init_vestibule_auth\napp = FastAPI()\ndef never():\n    init_vestibule_auth(app)\n")
        .wired_after("app = FastAPI()");
}

#[test]
fn a_wrapped_app_is_wrapped_again_in_the_same_bytes() {
    let app = App::of(
        "from fastapi import FastAPI\napp = FastAPI()\nimport socketio\napp = socketio.ASGIApp(None, app)\n",
    );
    app.is_stable();
    assert_eq!(app.result.start.target(), "vestibule_entry:app");
}

#[test]
fn an_edited_generated_file_is_replaced_and_a_users_file_is_not() {
    let first = App::of("from fastapi import FastAPI\napp = FastAPI()\n");
    let generated = first.result.files["vestibule_auth.py"].clone();
    let main = (
        "main.py".to_owned(),
        b"from fastapi import FastAPI\napp = FastAPI()\n".to_vec(),
    );
    let mut edited = generated.clone();
    edited.extend_from_slice(b"x = 1\n");
    let again = App::bytes(
        vec![main.clone(), ("vestibule_auth.py".to_owned(), edited)],
        None,
    );
    assert_eq!(again.result.files["vestibule_auth.py"], generated);
    assert_eq!(again.result.findings[0].rule, "sdk.file-edited");
    let users = App::bytes(
        vec![
            main.clone(),
            ("vestibule_auth.py".to_owned(), b"x = 1\n".to_vec()),
        ],
        None,
    );
    assert!(users.result.findings[0].is_error());
    assert!(
        users
            .findings()
            .iter()
            .any(|f| f.is_error() && f.rule == "sdk.file-collision")
    );
    let older = b"# vestibule:generated format=0 sha256=00\nold = 1\n".to_vec();
    let upgraded = App::bytes(vec![main, ("vestibule_auth.py".to_owned(), older)], None);
    assert_eq!(upgraded.result.files["vestibule_auth.py"], generated);
    assert!(upgraded.result.findings.is_empty());
}

#[test]
fn the_diff_shows_the_added_lines_and_files() {
    let app = App::of(
        "from fastapi import FastAPI\n\napp = FastAPI()\n\n\n@app.get(\"/\")\ndef home():\n    return {}\n",
    );
    insta::assert_snapshot!(app.result.diff);
}

#[test]
fn the_generated_entry_reads_well() {
    let app = App::of(
        "from fastapi import FastAPI\nimport socketio\napp = FastAPI()\napp = socketio.ASGIApp(None, app)\n",
    );
    insta::assert_snapshot!(
        String::from_utf8(app.result.files["vestibule_entry.py"].clone()).unwrap()
    );
    let files: BTreeMap<_, _> = app.result.files;
    assert_eq!(files.len(), 2);
}
