//! The hard cases of finding the app, in the order of the contract: what is served, and where it is wired.

mod support;

use pysource::{Options, Severity};
use support::{App, CALL, IMPORT, project};

#[test]
fn an_aliased_class_is_found() {
    App::of("from fastapi import FastAPI as API\napp = API()\n")
        .serves("main:app")
        .wired_after("app = API()");
}

#[test]
fn an_imported_package_and_its_alias_are_found() {
    App::of("import fastapi\napp = fastapi.FastAPI()\n").wired_after("app = fastapi.FastAPI()");
    App::of("import fastapi as fa\napp = fa.FastAPI()\n").wired_after("app = fa.FastAPI()");
    App::of("import fastapi.applications\napp = fastapi.applications.FastAPI()\n")
        .wired_after("app = fastapi.applications.FastAPI()");
    App::of("from fastapi.applications import FastAPI\napp = FastAPI()\n")
        .wired_after("app = FastAPI()");
}

#[test]
fn an_annotated_assignment_is_wired() {
    App::of("from fastapi import FastAPI\napp: FastAPI = FastAPI()\n")
        .wired_after("app: FastAPI = FastAPI()");
}

#[test]
fn another_name_goes_into_the_start_command() {
    for name in ["api", "service", "application"] {
        App::of(&format!(
            "from fastapi import FastAPI\n{name} = FastAPI()\n"
        ))
        .serves(&format!("main:{name}"))
        .wired_as(&format!("{name} = FastAPI()"), name);
    }
}

#[test]
fn a_call_over_many_lines_is_wired_after_its_last_bracket() {
    let call = "app = FastAPI(\n    title=\"x\",  # (\n    servers=[\n        {\"url\": \"/\"},\n    ],\n)";
    App::of(&format!(
        "from fastapi import FastAPI\n{call}\n\n@app.get('/')\ndef f(): ...\n"
    ))
    .wired_after(call);
}

#[test]
fn statements_joined_by_a_semicolon_are_not_parted() {
    let line = "app = FastAPI(); router = APIRouter()";
    App::of(&format!("from fastapi import FastAPI, APIRouter\n{line}\n")).wired_after(line);
}

#[test]
fn a_trailing_comment_and_a_continuation_stay_with_their_line() {
    App::of("from fastapi import FastAPI\napp = FastAPI()  # comment\nx = 1\n")
        .wired_after("app = FastAPI()  # comment");
    App::of("from fastapi import FastAPI\napp = \\\n    FastAPI()  # comment\nx = 1\n")
        .wired_after("app = \\\n    FastAPI()  # comment");
}

#[test]
fn a_file_without_a_last_newline_gets_one() {
    let app = App::of("from fastapi import FastAPI\napp = FastAPI()");
    assert_eq!(
        app.rewritten("main.py"),
        format!("from fastapi import FastAPI\napp = FastAPI()\n{IMPORT}\n{CALL}\n")
    );
}

#[test]
fn an_app_in_a_comment_is_no_app() {
    App::of("from fastapi import FastAPI\n# app = FastAPI()\napp = FastAPI()\n")
        .wired_after("# app = FastAPI()\napp = FastAPI()");
}

#[test]
fn an_app_in_a_string_is_no_app() {
    let text = "\"\"\"app = FastAPI()\n\"\"\"\nfrom fastapi import FastAPI\nT = f\"\"\"\napp = FastAPI()\n{1}\"\"\"\napp = FastAPI()\n";
    App::of(text).wired_after("{1}\"\"\"\napp = FastAPI()");
    support::fails(
        &[(
            "main.py",
            "x = '''\nfrom fastapi import FastAPI\napp = FastAPI()\n'''\n",
        )],
        "runtime.entry-missing",
    );
}

#[test]
fn the_module_level_wins_over_a_helper() {
    App::of("from fastapi import FastAPI\ndef helper():\n    app = FastAPI()\n    return 1\napp = FastAPI(title='t')\n")
        .serves("main:app")
        .wired_after("app = FastAPI(title='t')");
}

#[test]
fn a_subclass_is_resolved() {
    App::of("from fastapi import FastAPI\nclass Mine(FastAPI):\n    pass\napp = Mine()\n")
        .wired_after("app = Mine()");
    App::new(&[
        ("main.py", "from base import Mine\napp = Mine()\n"),
        (
            "base.py",
            "import fastapi\nclass Base(fastapi.FastAPI): ...\nclass Mine(Base): ...\n",
        ),
    ])
    .wired_after("app = Mine()");
}

#[test]
fn an_app_built_in_another_module_is_followed_or_wrapped() {
    let main = "from factory import build\napp = build()\n";
    App::new(&[
        ("main.py", main),
        (
            "factory.py",
            "from fastapi import FastAPI\ndef build():\n    return FastAPI()\n",
        ),
    ])
    .serves("main:app")
    .wired_after("app = build()");
    let app = App::new(&[
        ("main.py", main),
        (
            "factory.py",
            "import registry\ndef build():\n    return registry.find('app')\n",
        ),
    ]);
    assert_eq!(
        (app.classified.module.as_str(), app.result.wrapped),
        ("main", true)
    );
    assert_eq!(app.result.start.target(), "vestibule_entry:app");
    assert_eq!(app.result.findings[0].rule, "auth.wrapped-app");
}

#[test]
fn a_factory_alone_is_served_as_one_and_wired_inside() {
    let app = App::of(
        "from fastapi import FastAPI\ndef create_app() -> FastAPI:\n    app = FastAPI()\n    return app\n",
    );
    assert!(app.classified.factory && app.result.start.factory);
    app.serves("main:create_app")
        .wired_after("    app = FastAPI()");
}

#[test]
fn a_factory_with_required_arguments_is_refused_at_its_def() {
    let finding = support::fails(
        &[(
            "main.py",
            "from fastapi import FastAPI\n\ndef create_app(settings) -> FastAPI:\n    return FastAPI()\n",
        )],
        "runtime.factory-args",
    );
    assert_eq!((finding.line, finding.column), (Some(3), Some(1)));
}

#[test]
fn a_factory_called_at_module_level_is_wired_exactly_once() {
    App::of("from fastapi import FastAPI\ndef create_app():\n    app = FastAPI()\n    return app\napp = create_app()\n")
        .serves("main:app")
        .wired_after("app = create_app()");
}

#[test]
fn an_app_returned_directly_gets_a_local() {
    let app = App::of(
        "from fastapi import FastAPI\ndef create_app():\n\tif True:\n\t\treturn FastAPI(\n\t\t\ttitle='x')  # c\n",
    );
    assert_eq!(
        app.rewritten("main.py"),
        format!(
            "from fastapi import FastAPI\ndef create_app():\n\tif True:\n\t\t_vestibule_app = FastAPI(\n\t\t\ttitle='x')  # c\n\
             \t\t{IMPORT}\n\t\tinit_vestibule_auth(_vestibule_app)  # vestibule:wired\n\t\treturn _vestibule_app  # vestibule:wired\n"
        )
    );
    app.is_stable();
    let one_line =
        App::of("from fastapi import FastAPI\ndef create_app(): return FastAPI()  # c\n");
    assert!(one_line.rewritten("main.py").contains(
        "def create_app(): _vestibule_app = FastAPI(); from vestibule_auth import init_vestibule_auth; \
         init_vestibule_auth(_vestibule_app); return _vestibule_app  # c\n"
    ));
    one_line.is_stable();
}

#[test]
fn a_module_in_a_package_keeps_its_package() {
    let app = App::new(&[
        ("app/__init__.py", ""),
        (
            "app/main.py",
            "from fastapi import FastAPI\nfrom .db import x\napp = FastAPI()\n",
        ),
        ("app/db.py", "x = 1\n"),
    ]);
    assert_eq!(app.result.start.pythonpath, [""]);
    app.serves("app.main:app").wired_after("app = FastAPI()");
    App::new(&[(
        "app/main.py",
        "from fastapi import FastAPI\napp = FastAPI()\n",
    )])
    .serves("app.main:app");
}

#[test]
fn a_src_layout_puts_src_and_the_root_on_the_path() {
    let app = App::new(&[
        ("src/pkg/__init__.py", ""),
        (
            "src/pkg/main.py",
            "from fastapi import FastAPI\nfrom pkg.core import x\napp = FastAPI()\n",
        ),
        ("src/pkg/core.py", "x = 1\n"),
    ]);
    assert_eq!(app.result.start.app_dir.as_deref(), Some("src"));
    assert_eq!(app.result.start.pythonpath, ["src", ""]);
    app.serves("pkg.main:app").wired_after("app = FastAPI()");
}

#[test]
fn a_folder_that_is_its_own_root_is_recognized_by_its_imports() {
    let app = App::new(&[
        (
            "backend/main.py",
            "from fastapi import FastAPI\nimport store\napp = FastAPI()\n",
        ),
        ("backend/store.py", "x = 1\n"),
    ]);
    assert_eq!(app.result.start.app_dir.as_deref(), Some("backend"));
    app.serves("main:app");
}

#[test]
fn a_root_two_folders_down_is_recognized_by_its_imports() {
    let app = App::new(&[
        (
            "backend/app/main.py",
            "from fastapi import FastAPI\nfrom app.store import x\napp = FastAPI()\n",
        ),
        ("backend/app/store.py", "x = 1\n"),
    ]);
    assert_eq!(app.result.start.app_dir.as_deref(), Some("backend"));
    app.serves("app.main:app");
}

#[test]
fn a_named_object_that_is_no_app_is_refused() {
    let files = [(
        "main.py",
        "from fastapi import APIRouter\nrouter = APIRouter()\n",
    )];
    let options = Options {
        entry: Some("main:router".to_owned()),
        ..Options::default()
    };
    let findings = pysource::classify(&project(&files), &options).unwrap_err();
    assert_eq!(findings[0].rule, "runtime.entry-missing");
    assert!(findings[0].message.contains("APIRouter"));
}

#[test]
fn a_re_exported_app_is_wired_where_it_is_made() {
    let app = App::new(&[
        ("main.py", "from pkg import app\n"),
        (
            "pkg/__init__.py",
            "from fastapi import FastAPI\napp = FastAPI()\n",
        ),
    ]);
    assert_eq!(
        app.classified.binding.as_ref().unwrap().file,
        "pkg/__init__.py"
    );
    assert!(app.rewritten("pkg/__init__.py").contains(CALL));
    app.serves("main:app");
}

#[test]
fn two_equal_apps_are_ambiguous_until_one_is_named() {
    let files = [
        ("one.py", "from fastapi import FastAPI\napp = FastAPI()\n"),
        ("two.py", "from fastapi import FastAPI\n\napp = FastAPI()\n"),
    ];
    let findings = pysource::classify(&project(&files), &Options::default()).unwrap_err();
    let places: Vec<_> = findings
        .iter()
        .map(|f| (f.file.as_deref().unwrap(), f.line.unwrap()))
        .collect();
    assert_eq!(places, [("one.py", 2), ("two.py", 3)]);
    assert!(
        findings
            .iter()
            .all(|f| f.rule == "runtime.entry-ambiguous" && f.fix.contains("--entry"))
    );
    App::with_entry(&files, "two:app").serves("two:app");
    let mut hinted = files.to_vec();
    hinted.push(("Procfile", "web: uvicorn two:app --port $PORT\n"));
    App::new(&hinted).serves("two:app");
}

#[test]
fn a_mounted_app_is_not_wired_by_itself() {
    App::of("from fastapi import FastAPI\nadmin = FastAPI()\napp = FastAPI(title='root')\napp.mount('/admin', admin)\n")
        .serves("main:app")
        .wired_after("app = FastAPI(title='root')");
    App::new(&[
        ("one.py", "from fastapi import FastAPI\nimport two\nroot = FastAPI()\nroot.mount('/two', two.app)\n"),
        ("two.py", "from fastapi import FastAPI\napp = FastAPI()\n"),
    ])
    .serves("one:root");
}

#[test]
fn a_router_alone_is_no_app_but_is_named() {
    let finding = support::fails(
        &[(
            "main.py",
            "from fastapi import APIRouter\nrouter = APIRouter()\n",
        )],
        "runtime.entry-missing",
    );
    assert!(
        finding.message.contains("router in main.py:2"),
        "{}",
        finding.message
    );
    support::fails(&[("README.md", "hello")], "runtime.entry-missing");
}

#[test]
fn an_app_for_type_checkers_is_no_app() {
    support::fails(
        &[(
            "main.py",
            "from typing import TYPE_CHECKING\nfrom fastapi import FastAPI\nif TYPE_CHECKING:\n    app = FastAPI()\n",
        )],
        "runtime.entry-missing",
    );
}

#[test]
fn each_branch_that_makes_the_app_is_wired() {
    let app = App::of(
        "import os\nfrom fastapi import FastAPI\nif os.getenv('ENV') == 'prod':\n    app = FastAPI(docs_url=None)\nelse:\n    app = FastAPI()\n",
    );
    assert_eq!(
        app.rewritten("main.py"),
        format!(
            "import os\nfrom fastapi import FastAPI\nif os.getenv('ENV') == 'prod':\n    app = FastAPI(docs_url=None)\n    {IMPORT}\n    {CALL}\n\
             else:\n    app = FastAPI()\n    {IMPORT}\n    {CALL}\n"
        )
    );
    app.is_stable();
    let mixed = App::new(&[
        (
            "main.py",
            "from fastapi import FastAPI\nif 1:\n    app = FastAPI()\nelse:\n    from other import app\n",
        ),
        ("other.py", "from fastapi import FastAPI\napp = FastAPI()\n"),
    ]);
    assert!(
        mixed
            .rewritten("main.py")
            .ends_with(&format!("    from other import app\n{IMPORT}\n{CALL}\n"))
    );
    mixed.is_stable();
    let one_line = App::of(
        "from fastapi import FastAPI\nif 1: app = FastAPI(title='a')\nelse: app = FastAPI()  # c\n",
    );
    assert!(!one_line.result.wrapped);
    one_line.is_stable();
}

#[test]
fn an_app_in_a_try_is_wired_in_its_block() {
    let app = App::of(
        "try:\n    from fastapi import FastAPI\n    app = FastAPI()\nexcept ImportError:\n    raise SystemExit('no')\n",
    );
    assert!(app.rewritten("main.py").contains(&format!(
        "    app = FastAPI()\n    {IMPORT}\n    {CALL}\nexcept"
    )));
}

#[test]
fn an_app_bound_again_to_an_outer_one_is_wrapped() {
    for outer in [
        "from starlette.middleware.cors import CORSMiddleware\napp = CORSMiddleware(app, allow_origins=['*'])",
        "import socketio\nsio = socketio.AsyncServer()\napp = socketio.ASGIApp(sio, app)",
        "import socketio\nsio = socketio.AsyncServer()\napp = socketio.ASGIApp(sio, other_asgi_app=app)",
    ] {
        let app = App::of(&format!(
            "from fastapi import FastAPI\napp = FastAPI()\n{outer}\n"
        ));
        assert!(
            app.result.wrapped && !app.result.files.contains_key("main.py"),
            "{outer}"
        );
        assert_eq!(app.result.findings[0].rule, "auth.wrapped-app");
        let entry = String::from_utf8(app.result.files["vestibule_entry.py"].clone()).unwrap();
        assert!(entry.contains("attrgetter(\"app\")(import_module(\"main\"))"));
    }
}

#[test]
fn of_two_apps_under_one_name_the_last_is_served() {
    let app =
        App::of("from fastapi import FastAPI\napp = FastAPI()\nx = 1\napp = FastAPI(title='b')\n");
    assert_eq!(app.classified.findings[0].severity, Severity::Info);
    assert_eq!(app.classified.findings[0].line, Some(2));
    app.wired_after("app = FastAPI(title='b')");
}

#[test]
fn the_entry_in_pyproject_wins() {
    App::new(&[
        ("main.py", "from fastapi import FastAPI\napp = FastAPI()\n"),
        (
            "pkg/web.py",
            "from fastapi import FastAPI\nservice = FastAPI()\n",
        ),
        (
            "pyproject.toml",
            "[tool.fastapi]\nentrypoint = \"pkg.web:service\"\n",
        ),
    ])
    .serves("pkg.web:service");
}

#[test]
fn a_missing_entry_in_pyproject_is_an_error_at_its_line() {
    for entry in ["pkg.gone:app", "main:gone"] {
        let pyproject = format!("[tool.fastapi]\nentrypoint = \"{entry}\"\n");
        let finding = support::fails(
            &[
                ("main.py", "from fastapi import FastAPI\napp = FastAPI()\n"),
                ("pyproject.toml", &pyproject),
            ],
            "runtime.entry-missing",
        );
        assert_eq!(
            (finding.file.as_deref(), finding.line),
            (Some("pyproject.toml"), Some(2))
        );
    }
}

#[test]
fn beside_another_framework_the_fastapi_app_is_served() {
    App::of("from flask import Flask\nfrom fastapi import FastAPI\nfrom a2wsgi import WSGIMiddleware\nflask_app = Flask(__name__)\napp = FastAPI()\napp.mount('/old', WSGIMiddleware(flask_app))\n")
        .serves("main:app")
        .wired_after("app = FastAPI()");
    App::new(&[
        ("app.py", "from flask import Flask\napp = Flask(__name__)\n"),
        (
            "web/main.py",
            "from fastapi import FastAPI\napi = FastAPI()\n",
        ),
    ])
    .serves("web.main:api");
}

#[test]
fn walrus_and_several_targets_are_bindings() {
    App::of("from fastapi import FastAPI\n(app := FastAPI())\n").wired_after("(app := FastAPI())");
    App::of("from fastapi import FastAPI\napp = api = FastAPI()\n")
        .serves("main:app")
        .wired_after("app = api = FastAPI()");
    App::of("from fastapi import FastAPI\napp, x = FastAPI(), 1\n")
        .wired_after("app, x = FastAPI(), 1");
    App::of("from fastapi import FastAPI\nif app := FastAPI():\n    pass\nx = 1\n")
        .wired_after("    pass");
}

#[test]
fn excluded_folders_are_not_searched() {
    support::fails(
        &[
            (
                "tests/main.py",
                "from fastapi import FastAPI\napp = FastAPI()\n",
            ),
            (
                ".venv/lib/x.py",
                "from fastapi import FastAPI\napp = FastAPI()\n",
            ),
            (
                "docs/main.py",
                "from fastapi import FastAPI\napp = FastAPI()\n",
            ),
        ],
        "runtime.entry-missing",
    );
}

#[test]
fn an_unreadable_better_place_is_reported_instead_of_passed_over() {
    let other = ("other.py", "from fastapi import FastAPI\napp = FastAPI()\n");
    let finding = support::fails(&[("main.py", "app = FastAPI(\n"), other], "runtime.syntax");
    assert_eq!(finding.file.as_deref(), Some("main.py"));
}

#[test]
fn an_entry_named_by_hand_takes_paths_factories_and_dynamic_objects() {
    let files = [(
        "pkg/web.py",
        "from fastapi import FastAPI\ndef make(x=1):\n    return FastAPI()\ndef need(x):\n    return FastAPI()\nglobals()['late'] = 1\n",
    )];
    let app = App::with_entry(&files, "pkg/web.py:make");
    assert!(app.classified.factory);
    app.serves("pkg.web:make");
    let options = Options {
        entry: Some("pkg.web:need".to_owned()),
        ..Options::default()
    };
    assert_eq!(
        pysource::classify(&project(&files), &options).unwrap_err()[0].rule,
        "runtime.factory-args"
    );
    let star = [("main.py", "from somewhere import *\n")];
    assert!(App::with_entry(&star, "main:app").result.wrapped);
}
