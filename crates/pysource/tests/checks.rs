//! The checks: what is flagged, where, how strongly, and what is left alone.

mod support;

use pysource::{Finding, Options};
use support::{App, findings};

const HEAD: &str = "from fastapi import FastAPI, APIRouter\napp = FastAPI()\n";

/// Findings of one `main.py` that starts with [`HEAD`]; line 3 is the first of `rest`.
fn check(rest: &str, family: &str) -> Vec<String> {
    findings(&[("main.py", &format!("{HEAD}{rest}"))], family)
}

#[test]
fn sign_in_libraries_are_refused_at_their_import() {
    for import in [
        "import fastapi_users",
        "from fastapi_login import LoginManager",
        "from fastapi_sso.sso.google import GoogleSSO",
        "from authlib.integrations.starlette_client import OAuth",
        "from firebase_admin import auth",
        "import flask_login",
    ] {
        assert_eq!(
            check(
                &format!("{import}  # vestibule: allow identity.auth-library\n"),
                "identity"
            ),
            ["main.py:3:1 error identity.auth-library"],
            "{import}"
        );
    }
    assert!(
        check(
            "import authlib.jose\nfrom firebase_admin import firestore\n",
            "identity"
        )
        .is_empty()
    );
}

#[test]
fn sign_in_routes_are_judged_by_their_full_path() {
    assert_eq!(
        check("@app.post('/login')\ndef f(): ...\n", "identity"),
        ["main.py:3:1 error identity.auth-route"]
    );
    assert_eq!(
        check("@app.get('/logout/')\ndef f(): ...\n", "identity"),
        ["main.py:3:1 warning identity.auth-route"]
    );
    assert_eq!(
        check("app.add_api_route('/signup', f)\n", "identity"),
        ["main.py:3:1 error identity.auth-route"]
    );
    let router = "r = APIRouter(prefix='/auth')\n@r.get('/callback')\ndef f(): ...\n";
    assert_eq!(
        check(router, "identity"),
        ["main.py:4:1 error identity.auth-route"]
    );
    assert!(check("@app.get('/login-history')\ndef f(): ...\n@app.get('/api/login')\ndef g(): ...\n# '/login'\n", "identity").is_empty());
    assert!(
        check(
            "@app.get('/login')  # vestibule: allow identity.auth-route\ndef f(): ...\n",
            "identity"
        )
        .is_empty()
    );
}

#[test]
fn prefixes_are_joined_across_modules() {
    let files = [
        (
            "main.py",
            "from fastapi import FastAPI\nfrom users import router as users\napp = FastAPI()\napp.include_router(users, prefix='/auth')\n",
        ),
        (
            "users.py",
            "from fastapi import APIRouter\nrouter = APIRouter()\n@router.get('/callback')\nasync def cb(): ...\n@router.get('/login')\nasync def l(): ...\n",
        ),
    ];
    assert_eq!(
        findings(&files, "identity"),
        ["users.py:3:1 error identity.auth-route"]
    );
    let cycle = "r = APIRouter()\nr.include_router(r, prefix='/x')\n@r.get('/y')\ndef f(): ...\n";
    assert!(check(cycle, "identity").is_empty());
}

#[test]
fn reserved_paths_cannot_be_waived() {
    let route = "@app.get('/ellivate-handoff')  # vestibule: allow identity.reserved-path\ndef f(): ...\n@app.get('/.vestibule/x')\ndef g(): ...\n@app.get('/viewer')\ndef h(): ...\n";
    assert_eq!(
        check(route, "identity"),
        [
            "main.py:3:1 error identity.reserved-path",
            "main.py:5:1 error identity.reserved-path"
        ]
    );
}

#[test]
fn a_home_made_session_is_refused_and_a_foreign_signature_is_not() {
    let session = "import jwt\ndef sign(u): return jwt.encode({'u': u}, 'k')\n@app.get('/x')\ndef x(response):\n    response.set_cookie('s', sign(1))\n";
    assert_eq!(
        check(session, "identity"),
        ["main.py:7:5 error identity.session-jwt"]
    );
    assert!(
        check(
            "import jwt\n@app.post('/hook')\ndef x(t):\n    return jwt.decode(t, 'k')\n",
            "identity"
        )
        .is_empty()
    );
    let middleware = "from starlette.middleware.sessions import SessionMiddleware\napp.add_middleware(SessionMiddleware, secret_key='x')\n";
    assert_eq!(
        check(middleware, "identity"),
        ["main.py:4:1 warning identity.session-jwt"]
    );
}

#[test]
fn password_flows_are_warned_about() {
    let flow = "from fastapi.security import OAuth2PasswordBearer, OAuth2PasswordRequestForm\ns = OAuth2PasswordBearer('token')\ndef f(form: OAuth2PasswordRequestForm): ...\n";
    assert_eq!(
        check(flow, "identity"),
        [
            "main.py:4:5 warning identity.oauth2-flow",
            "main.py:5:13 warning identity.oauth2-flow"
        ]
    );
}

#[test]
fn database_libraries_are_refused_where_they_run() {
    assert_eq!(
        check("import sqlalchemy as sa\n", "persistence"),
        ["main.py:3:1 error persistence.database-library"]
    );
    assert_eq!(
        check(
            "def f():\n    from databases import Database\n",
            "persistence"
        ),
        ["main.py:4:5 error persistence.database-library"]
    );
    assert_eq!(
        check("from tortoise.models import Model\n", "persistence"),
        ["main.py:3:1 error persistence.database-library"]
    );
    assert_eq!(
        check("import redis\n", "persistence"),
        ["main.py:3:1 error persistence.database-library"]
    );
    assert_eq!(
        check(
            "import os, redis\nr = redis.from_url(os.environ['REDIS_URL'])\n",
            "persistence"
        ),
        ["main.py:3:1 warning persistence.database-library"]
    );
    let typing = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import sqlalchemy\n# sqlalchemy\nx = 'import sqlalchemy'\n";
    assert!(check(typing, "persistence").is_empty());
}

#[test]
fn a_module_of_ones_own_is_not_the_library() {
    let files = [
        (
            "main.py",
            "from fastapi import FastAPI\nimport databases\nfrom redis import client\napp = FastAPI()\n",
        ),
        ("databases.py", "x = 1\n"),
        ("redis/client.py", "x = 1\n"),
    ];
    assert!(findings(&files, "persistence").is_empty());
}

#[test]
fn what_does_not_run_is_info_at_most() {
    let files = [
        ("main.py", "from fastapi import FastAPI\napp = FastAPI()\n"),
        (
            "tests/test_x.py",
            "import sqlalchemy\nimport sqlite3\nsqlite3.connect('x.db')\n",
        ),
        ("old.py", "print 'x'\n"),
        ("requirements.txt", "fastapi\nuvicorn\nsqlalchemy\n"),
    ];
    assert_eq!(
        findings(&files, ""),
        [
            "old.py:1:7 info runtime.syntax",
            "requirements.txt:3:1 info deps.unused-database",
            "tests/test_x.py:1:1 info persistence.database-library",
            "tests/test_x.py:3:1 info persistence.sqlite",
        ]
    );
}

#[test]
fn a_reachable_module_that_does_not_parse_is_an_error_at_its_place() {
    let files = [
        (
            "main.py",
            "from fastapi import FastAPI\nimport old\napp = FastAPI()\n",
        ),
        ("old.py", "x = 1\nprint 'x'\n"),
    ];
    let found = findings(&files, "runtime.syntax");
    assert_eq!(found, ["old.py:2:7 error runtime.syntax"]);
}

#[test]
fn sqlite_files_are_refused_and_memory_is_info() {
    assert_eq!(
        check(
            "import sqlite3\ndb = sqlite3.connect('app.db')\n",
            "persistence"
        ),
        ["main.py:4:6 error persistence.sqlite"]
    );
    assert_eq!(
        check(
            "from sqlite3 import connect\ndef f():\n    with connect(database=P): ...\n",
            "persistence"
        ),
        ["main.py:5:10 error persistence.sqlite"]
    );
    assert_eq!(
        check(
            "import sqlite3\ndb = sqlite3.connect(':memory:')\n",
            "persistence"
        ),
        ["main.py:4:6 info persistence.sqlite"]
    );
    assert!(
        check(
            "import sqlite3\nsqlite3.connect('a')  # vestibule: allow persistence.sqlite\n",
            "persistence"
        )
        .is_empty()
    );
}

#[test]
fn writing_files_is_warned_about_and_reading_is_not() {
    assert_eq!(
        check("def f():\n    open('data.json', 'w')\n", "persistence"),
        ["main.py:4:5 warning persistence.file-write"]
    );
    assert!(check("open('data.json')\nopen('x', 'rb')\n", "persistence").is_empty());
    assert!(check("import tempfile\ndef f():\n    d = tempfile.mkdtemp()\n    open(d + '/x', 'w')\nopen('/tmp/x', 'w')\n", "persistence").is_empty());
    assert_eq!(
        check(
            "from pathlib import Path\nPath('x').write_text('y')\nPath('x').open('a')\n",
            "persistence"
        )
        .len(),
        2
    );
    assert!(
        check(
            "if __name__ == '__main__':\n    open('x', 'w')\n",
            "persistence"
        )
        .is_empty()
    );
    let maybe = format!("{HEAD}def f(mode):\n    open('x', mode)\n");
    let found = App::of(&maybe).findings();
    assert!(
        found
            .iter()
            .any(|f| f.rule == "persistence.file-write" && f.message.contains("maybe"))
    );
}

#[test]
fn store_calls_at_startup_are_told_by_their_scope() {
    let lifespan = "import ellivate\nfrom contextlib import asynccontextmanager\n@asynccontextmanager\nasync def life(app):\n    ellivate.kv.get('shared:config')\n    ellivate.kv.get('personal:x')\n    yield\napp = FastAPI(lifespan=life)\n";
    assert_eq!(
        check(lifespan, "runtime.startup"),
        [
            "main.py:7:5 info runtime.startup-kv",
            "main.py:8:5 warning runtime.startup-kv"
        ]
    );
    let event = "from vestibule import kv\n@app.on_event('startup')\ndef go():\n    kv.set('x', 1)\n@app.get('/')\ndef home():\n    kv.set('x', 1)\n";
    assert_eq!(
        check(event, "runtime.startup"),
        ["main.py:6:5 warning runtime.startup-kv"]
    );
    assert_eq!(
        check(
            "from ellivate_client import ellivate\nx = ellivate.get(f'notes:{1}')\n",
            "runtime.startup"
        ),
        ["main.py:4:5 warning runtime.startup-kv"]
    );
}

#[test]
fn store_calls_in_threads_and_near_prefixes_are_mentioned() {
    let thread = "import threading, vestibule\ndef work():\n    vestibule.kv.set('shared:x', 1)\n@app.get('/')\ndef home():\n    threading.Thread(target=work).start()\n";
    assert_eq!(
        check(thread, "runtime.kv"),
        ["main.py:5:5 warning runtime.kv-in-thread"]
    );
    let near = "from vestibule import kv\ndef f():\n    kv.get('Shared:x')\n    kv.get('private:x')\n    kv.get('note:x')\n";
    assert_eq!(
        check(near, "sdk.key"),
        [
            "main.py:5:5 info sdk.key-prefix",
            "main.py:6:5 info sdk.key-prefix"
        ]
    );
}

#[test]
fn a_server_started_at_import_is_refused() {
    assert_eq!(
        check("import uvicorn\nuvicorn.run(app)\n", "runtime"),
        ["main.py:4:1 error runtime.blocking-run"]
    );
    let guarded = "if __name__ == '__main__':\n    import uvicorn\n    uvicorn.run(app, host='127.0.0.1', port=8000, reload=True)\n";
    assert_eq!(
        check(guarded, "runtime"),
        ["main.py:5:5 info runtime.host-binding"]
    );
}

#[test]
fn a_request_to_oneself_names_the_public_address() {
    let found = App::of(&format!(
        "{HEAD}import httpx\ndef f():\n    httpx.get('http://localhost:8000/x')\n"
    ))
    .findings();
    assert!(
        found
            .iter()
            .any(|f| f.rule == "runtime.self-address" && f.fix.contains("VESTIBULE_APP_URL"))
    );
}

#[test]
fn secrets_are_named_by_kind_and_never_shown() {
    let token = format!("ghp_{}", "a1".repeat(18));
    let files = [
        ("main.py", HEAD.to_owned()),
        (".env", "# x\nKEY=very-secret\n".to_owned()),
        ("conf.py", format!("t = '{token}'\n")),
        ("key.pem", "-----BEGIN RSA PRIVATE KEY-----\n".to_owned()),
    ];
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (*path, text.as_str()))
        .collect();
    let app = App::new(&files);
    let found: Vec<Finding> = app
        .findings()
        .into_iter()
        .filter(|f| f.rule == "secrets.committed")
        .collect();
    assert_eq!(found.len(), 3);
    let shown: String = found.iter().map(Finding::explained).collect();
    assert!(!shown.contains("very-secret") && !shown.contains(&token));
}

#[test]
fn a_version_the_server_cannot_give_is_said_before_any_syntax_error() {
    let files = [
        (
            "main.py",
            "from fastapi import FastAPI\napp = FastAPI()\nx = t'{1}'\ntry:\n    pass\nexcept A, B:\n    pass\n",
        ),
        (
            "pyproject.toml",
            "[project]\nname = 'x'\nrequires-python = '>=3.14'\ndependencies = ['fastapi']\n",
        ),
    ];
    let finding = support::fails(&files, "deps.python-version");
    assert_eq!(
        (finding.file.as_deref(), finding.line),
        (Some("pyproject.toml"), Some(3))
    );
    let newer = pysource::PythonVersion::new(3, 14);
    let options = Options {
        pythons: vec![newer],
        ..Options::default()
    };
    let classified = pysource::classify(&support::project(&files), &options).unwrap();
    assert_eq!(classified.grammar, newer);
}

#[test]
fn a_rule_waived_for_the_project_is_silent_and_a_firm_one_is_not() {
    let text = format!("{HEAD}import sqlalchemy\nimport fastapi_users\n");
    let project = support::project(&[("main.py", &text)]);
    let options = Options {
        allow: vec![
            "persistence.database-library".to_owned(),
            "identity.auth-library".to_owned(),
        ],
        ..Options::default()
    };
    let classified = pysource::classify(&project, &options).unwrap();
    let errors: Vec<String> = pysource::check(&project, &classified)
        .into_iter()
        .filter(Finding::is_error)
        .map(|finding| finding.rule)
        .collect();
    assert_eq!(errors, ["identity.auth-library"]);
}

#[test]
fn findings_read_well() {
    let app = App::new(&[
        (
            "main.py",
            "import sqlite3\nimport sqlalchemy\nfrom fastapi import FastAPI, Form\nfrom fastapi_users import FastAPIUsers\nfrom vestibule import kv\n\napp = FastAPI()\nconnection = sqlite3.connect(\"app.db\")\nkv.get(\"notes\")\n\n\n@app.post(\"/login\")\ndef login(name: str = Form()):\n    open(\"log.txt\", \"a\").write(name)\n\n\n@app.websocket(\"/ws\")\nasync def ws(socket): ...\n",
        ),
        ("requirements.txt", "fastapi\nellivate\n"),
        ("vestibule.py", "mine = 1\n"),
    ]);
    let text: Vec<String> = app.findings().iter().map(Finding::explained).collect();
    insta::assert_snapshot!(text.join("\n"));
}

#[test]
fn a_finding_survives_json() {
    let finding = App::of(&format!("{HEAD}import sqlalchemy\n"))
        .findings()
        .remove(0);
    let json = serde_json::to_string(&finding).unwrap();
    assert_eq!(serde_json::from_str::<Finding>(&json).unwrap(), finding);
}
