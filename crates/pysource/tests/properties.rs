//! Properties over generated input: nothing panics, and rewriting touches nothing but its own lines.

mod support;

use proptest::prelude::*;
use pysource::{Options, Project};

/// Runs everything the crate does over one project.
fn run_all(files: Vec<(String, Vec<u8>)>) {
    let project = Project::new(files.into_iter().collect());
    let options = Options::default();
    for entry in [None, Some("main:app".to_owned())] {
        if let Ok(classified) = pysource::classify(
            &project,
            &Options {
                entry,
                ..options.clone()
            },
        ) {
            pysource::check(&project, &classified);
            pysource::rewrite(&project, &classified, support::DROPPED);
            pysource::wrap_entry(&project, &classified, support::DROPPED);
            pysource::dependencies(&project, &classified);
        }
    }
}

/// Pieces that make programs in which much of the analysis has something to do.
fn fragment() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("from fastapi import FastAPI\n".to_owned()),
        Just("import fastapi as f\n".to_owned()),
        Just("app = FastAPI()\n".to_owned()),
        Just("if x:\n    app = f.FastAPI()\nelse:\n    app = other\n".to_owned()),
        Just("def create_app(a=1):\n\treturn FastAPI()\n".to_owned()),
        Just("app = create_app()\n".to_owned()),
        Just("app = wrap(app)\n".to_owned()),
        Just("from .main import *\nfrom main import app as api\n".to_owned()),
        Just("import sqlalchemy, sqlite3\nsqlite3.connect('x')\n".to_owned()),
        Just("app.include_router(app, prefix='/x')\n@app.get('/login')\ndef g(): ...\n".to_owned()),
        Just("app.mount('/', app)\n".to_owned()),
        Just("class App(App): ...\n".to_owned()),
        Just("app = api = app\n".to_owned()),
        "[ -~\n\t]{0,40}".prop_map(|text| text + "\n"),
    ]
}

/// A statement before or after the app: valid on its own, in any line ending.
fn filler() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("x = 1".to_owned()),
        Just("# комментарий 😀".to_owned()),
        Just(String::new()),
        Just("def f(a, b=(1, 2)):\n    return [a, b]".to_owned()),
        Just("TEXT = \"\"\"\napp = FastAPI()\n\"\"\"".to_owned()),
        Just("if x:\n\ty = 2  # tab".to_owned()),
        Just("y = f\"{x!r:>{10}}\"".to_owned()),
        Just("class C:\n    app = FastAPI()".to_owned()),
        Just("z = (1 +\n  2); w = 3".to_owned()),
    ]
}

fn binding() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just("app = FastAPI()"),
        Just("app: FastAPI = FastAPI(title='a')  # c"),
        Just("app = FastAPI(\n    title='a',\n)"),
        Just("app = FastAPI(); u = 1"),
        Just("app = \\\n  FastAPI()"),
        Just("(app := FastAPI())"),
        Just("try:\n\tapp = FastAPI()\nfinally:\n\tpass"),
        Just("with open('x') as h:\n  app = FastAPI()"),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        run_all(vec![
            ("main.py".to_owned(), bytes.clone()),
            ("requirements.txt".to_owned(), bytes.clone()),
            ("pyproject.toml".to_owned(), bytes),
        ]);
    }

    #[test]
    fn programs_of_odd_pieces_never_panic(
        main in proptest::collection::vec(fragment(), 0..8),
        other in proptest::collection::vec(fragment(), 0..8),
    ) {
        run_all(vec![
            ("main.py".to_owned(), main.concat().into_bytes()),
            ("pkg/__init__.py".to_owned(), other.concat().into_bytes()),
            ("create_app.py".to_owned(), b"from main import app\nfrom pkg import app\n".to_vec()),
        ]);
    }

    #[test]
    fn only_whole_lines_are_added_and_a_second_time_nothing(
        before in proptest::collection::vec(filler(), 0..5),
        binding in binding(),
        after in proptest::collection::vec(filler(), 0..5),
        crlf: bool,
        last_newline: bool,
        mark: bool,
    ) {
        let mut text = String::from("from fastapi import FastAPI\n");
        for part in before {
            text.push_str(&part);
            text.push('\n');
        }
        text.push_str(binding);
        for part in after {
            text.push('\n');
            text.push_str(&part);
        }
        if last_newline {
            text.push('\n');
        }
        if crlf {
            text = text.replace('\n', "\r\n");
        }
        let bytes = if mark { format!("\u{feff}{text}") } else { text.clone() }.into_bytes();
        let app = support::App::bytes(vec![("main.py".to_owned(), bytes.clone())], None);
        prop_assert!(!app.result.wrapped);
        let out = String::from_utf8(app.result.files["main.py"].clone()).unwrap();
        let kept: String = out.split_inclusive('\n').filter(|line| !line.contains("# vestibule:wired")).collect();
        let original = String::from_utf8(bytes).unwrap();
        // A missing last newline may have been added before the call.
        prop_assert_eq!(kept.trim_end_matches(['\r', '\n']), original.trim_end_matches(['\r', '\n']));
        prop_assert!(kept.len() - original.len() <= 2);
        prop_assert_eq!(out.matches("init_vestibule_auth(app)").count(), 1);
        app.is_stable();
    }
}
