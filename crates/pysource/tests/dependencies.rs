//! Which dependencies are installed: the order of the sources, what is added, what is only mentioned.

mod support;

use pysource::{DependencySet, DependencySource};
use support::{App, project};

const MAIN: (&str, &str) = ("main.py", "from fastapi import FastAPI\napp = FastAPI()\n");

fn dependencies(files: &[(&str, &str)]) -> DependencySet {
    let app = App::new(files);
    pysource::dependencies(&project(files), &app.classified)
}

fn rules(set: &DependencySet) -> Vec<&str> {
    set.findings
        .iter()
        .map(|finding| finding.rule.as_str())
        .collect()
}

#[test]
fn the_best_source_is_used_and_development_groups_are_left_out() {
    use DependencySource as S;
    let pyproject = "[project]\nname = 'x'\nversion = '1'\ndependencies = ['fastapi>=0.110', 'uvicorn']\n[dependency-groups]\ndev = ['pytest']\n";
    let uv_lock = "[[package]]\nname = 'fastapi'\nversion = '0.115.0'\nsource = { registry = 'https://pypi.org/simple' }\n";
    let all = [
        MAIN,
        ("uv.lock", uv_lock),
        ("pyproject.toml", pyproject),
        ("requirements.txt", "fastapi==0.1\nuvicorn\n"),
        ("Pipfile", "[packages]\nfastapi = '*'\nuvicorn = '*'\n"),
    ];
    let set = dependencies(&all);
    assert_eq!(
        (set.source, set.requirements.as_str()),
        (S::UvLock, "fastapi>=0.110\nuvicorn\n")
    );
    assert_eq!(
        (set.constraints.as_str(), set.lock.as_deref()),
        ("fastapi==0.115.0\n", Some("uv.lock"))
    );
    assert!(rules(&set).is_empty());
    let set = dependencies(&[MAIN, all[2], all[3]]);
    assert_eq!(
        (set.source, set.requirements.as_str()),
        (S::Requirements, "fastapi==0.1\nuvicorn\n")
    );
    assert_eq!(dependencies(&[MAIN, all[2]]).source, S::Pyproject);
    assert_eq!(dependencies(&[MAIN, all[4]]).source, S::Pipfile);
    let poetry = (
        "pyproject.toml",
        "[tool.poetry.dependencies]\npython = '^3.11'\nfastapi = '^0.110'\nuvicorn = '*'\n",
    );
    let set = dependencies(&[
        MAIN,
        poetry,
        (
            "poetry.lock",
            "[[package]]\nname = 'fastapi'\nversion = '0.110.3'\n",
        ),
        all[3],
    ]);
    assert_eq!(
        (set.source, set.constraints.as_str()),
        (S::Pyproject, "fastapi==0.110.3\n")
    );
    assert_eq!(rules(&set), ["deps.lock-read"]);
    let tools_only = ("pyproject.toml", "[tool.ruff]\nline-length = 100\n");
    assert_eq!(dependencies(&[MAIN, tools_only]).source, S::Imports);
}

#[test]
fn without_a_list_it_is_derived_from_the_imports() {
    let set = dependencies(&[
        (
            "main.py",
            "import os, cv2, yaml, my_unknown\nfrom fastapi import FastAPI\nfrom pydantic import BaseModel\nimport helpers\napp = FastAPI()\n",
        ),
        (
            "helpers.py",
            "from PIL import Image\nfrom dotenv import load_dotenv\nfrom jose import jwt\nimport ellivate\n",
        ),
        ("tests/test_a.py", "import pytest\n"),
    ]);
    assert_eq!(
        set.requirements,
        "PyYAML\nfastapi\nopencv-python-headless\npillow\npython-dotenv\npython-jose\nuvicorn\n"
    );
    assert_eq!(
        rules(&set),
        ["deps.missing", "deps.server", "deps.undeclared"]
    );
    assert!(set.findings[0].message.contains("python-jose"));
    assert!(set.findings[2].message.contains("my_unknown"));
}

#[test]
fn what_serving_takes_is_added() {
    let set = dependencies(&[MAIN, ("requirements.txt", "fastapi\n")]);
    assert_eq!(
        (set.additions.as_slice(), rules(&set).as_slice()),
        (
            ["uvicorn".to_owned()].as_slice(),
            ["deps.server"].as_slice()
        )
    );
    let more = (
        "main.py",
        "from fastapi import FastAPI, Form, WebSocket\nimport httpx\napp = FastAPI()\n@app.websocket('/ws')\nasync def ws(s: WebSocket): ...\n@app.post('/')\ndef f(x: str = Form()): ...\n",
    );
    let set = dependencies(&[more, ("requirements.txt", "fastapi\nuvicorn\n")]);
    assert_eq!(set.additions, ["httpx", "python-multipart", "websockets"]);
    let places: Vec<_> = set
        .findings
        .iter()
        .map(|f| (f.rule.as_str(), f.line))
        .collect();
    assert_eq!(
        places,
        [
            ("deps.undeclared", Some(2)),
            ("deps.websocket-driver", Some(4)),
            ("deps.multipart", Some(7))
        ]
    );
    let set = dependencies(&[more, ("requirements.txt", "fastapi[standard]\n")]);
    assert!(set.additions.is_empty() && set.findings.is_empty());
}

#[test]
fn the_digest_depends_on_all_that_decides_an_environment() {
    let set = dependencies(&[MAIN, ("requirements.txt", "fastapi\nuvicorn\n")]);
    let digest = set.digest("3.12", "linux-x86_64");
    assert_eq!(digest.len(), 64);
    assert_eq!(
        digest,
        dependencies(&[
            MAIN,
            (
                "requirements.txt",
                "# other words\nfastapi\nuvicorn # same\n"
            )
        ])
        .digest("3.12", "linux-x86_64")
    );
    assert_ne!(digest, set.digest("3.13", "linux-x86_64"));
    assert_ne!(digest, set.digest("3.12", "linux-aarch64"));
    assert_ne!(
        digest,
        dependencies(&[MAIN, ("requirements.txt", "fastapi\nuvicorn\nhttpx\n")])
            .digest("3.12", "linux-x86_64")
    );
}

#[test]
fn a_list_in_the_folder_of_the_app_is_found() {
    let set = dependencies(&[
        (
            "backend/main.py",
            "from fastapi import FastAPI\nimport store\napp = FastAPI()\n",
        ),
        ("backend/store.py", ""),
        ("backend/requirements.txt", "-r base.txt\nuvicorn\n"),
        ("backend/base.txt", "fastapi\n"),
    ]);
    assert_eq!(
        (set.source, set.requirements.as_str()),
        (DependencySource::Requirements, "fastapi\nuvicorn\n")
    );
}
