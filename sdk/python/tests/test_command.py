"""The command `vestibule` of the Python package hands over what is for the server, and never to itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vestibule.__main__ import find_server, main

pytestmark = pytest.mark.skipif(os.name != "posix", reason="programs are told from scripts as POSIX does")


def program(folder: Path) -> Path:
    """A program that is no script: it echoes what it is given."""
    folder.mkdir(exist_ok=True)
    target = folder / "vestibule"
    shutil.copy(shutil.which("echo") or "/bin/echo", target)
    return target


def script(folder: Path) -> Path:
    """A console script such as pip makes."""
    folder.mkdir(exist_ok=True)
    target = folder / "vestibule"
    target.write_text(f"#!{sys.executable}\nfrom vestibule.__main__ import main\nraise SystemExit(main())\n")
    target.chmod(0o755)
    return target


def run(*arguments: str, path: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": path}
    return subprocess.run(
        [sys.executable, "-m", "vestibule", *arguments], env=environment, text=True, capture_output=True, check=False
    )


def test_other_commands_are_handed_to_the_servers_program(tmp_path: Path) -> None:
    server = program(tmp_path / "bin")
    done = run("serve", "--port", "8080", path=str(server.parent))
    assert (done.returncode, done.stdout) == (0, "serve --port 8080\n")


def test_a_script_of_this_package_is_not_taken_for_the_server(tmp_path: Path) -> None:
    first, second = script(tmp_path / "one"), script(tmp_path / "two")
    path = f"{first.parent}:{second.parent}"
    assert find_server(path) is None
    done = run("serve", path=path)
    assert done.returncode == 127
    assert "'serve' is a command of the server" in done.stderr
    server = program(tmp_path / "bin")
    assert find_server(f"{path}::{server.parent}") == server


def test_a_program_that_comes_back_to_this_command_ends(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    server = program(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(server.parent))
    monkeypatch.setenv("VESTIBULE_HANDED_OVER_BY", str(os.getpid()))
    assert main(["serve"]) == 127


def test_what_is_not_executable_or_a_folder_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "one" / "vestibule").mkdir(parents=True)
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "vestibule").write_bytes(b"\x7fELF")
    assert find_server(f"{tmp_path / 'one'}:{tmp_path / 'two'}:{tmp_path / 'none'}") is None


def test_without_the_server_help_tells_the_commands_of_this_package(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main([]) == 0
    assert main(["--help"]) == 0
    assert "audit module:app" in capsys.readouterr().out
