"""Runs the service in each situation of a JSON text on standard input, and prints what it answers."""

import importlib.metadata
import importlib.util
import json
import logging
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

SERVICE = Path(__file__).with_name("service.py")
logging.disable()


def answers(number: int, situation: dict[str, Any]) -> list[Any]:
    """What the service answers to each request; one sentence if it can't even start."""
    for name, value in situation["variables"].items():
        os.environ[name] = value
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        lines = [f"{name}={value}" for name, value in situation["dotenv"].items()]
        Path(".env").write_text("\n".join(lines))
        try:
            return list(ask(number, situation["requests"]))
        except Exception as error:
            return [f"{type(error).__name__} {fields(error)}"]
        finally:
            os.chdir("/")
            for name in situation["variables"]:
                del os.environ[name]


def fields(error: Exception) -> list[list[Any]]:
    """Which fields a settings error is about, and of which kind; its sentences are nobody's contract."""
    errors = getattr(error, "errors", list)()
    return sorted([found["type"], list(found["loc"])] for found in errors)


def ask(number: int, requests: list[list[Any]]) -> Any:
    spec = importlib.util.spec_from_file_location(f"service_{number}", SERVICE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Annotations are looked up there.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    with TestClient(module.app, raise_server_exceptions=False, follow_redirects=False) as client:
        for method, path, headers in requests:
            sent = {name: value.encode("latin-1") for name, value in headers.items()}
            answer = client.request(method, path, headers=sent)
            yield [answer.status_code, sorted(answer.headers.multi_items()), answer.text]


if __name__ == "__main__":
    originals = any(found.metadata["Name"] == "fastapi-m8" for found in importlib.metadata.distributions())
    assert originals == (os.environ["EXPECTED"] == "originals"), "the wrong packages are installed here"
    situations = json.load(sys.stdin)
    json.dump([answers(number, situation) for number, situation in enumerate(situations)], sys.stdout)
