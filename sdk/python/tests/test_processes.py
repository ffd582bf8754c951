"""Forks, workers, loops and exits: one client a process, whatever the process goes through."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from network_issuer import NetworkIssuer

from vestibule.service import AuthDeps, build_auth_deps
from vestibule.testing import settings

HERE = Path(__file__).parent

# Later versions of CPython say that forks beside threads are dangerous; that they are survived is what is shown here.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


@pytest.fixture
def issuer() -> Iterator[NetworkIssuer]:
    with NetworkIssuer().serving() as issuer:
        yield issuer


@pytest.fixture
def auth(issuer: NetworkIssuer) -> Iterator[AuthDeps]:
    auth = build_auth_deps(settings(**issuer.settings()))
    yield auth
    auth.client.close()


def in_child(work: Any) -> int:
    """The exit code of a forked child that does `work`; it is killed when it hangs."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if work() else 2
        finally:
            os._exit(code)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise TimeoutError("the child hung")


def test_two_sets_of_guards_of_one_configuration_share_a_client(auth: AuthDeps, issuer: NetworkIssuer) -> None:
    same = build_auth_deps(settings(**issuer.settings()))
    assert same.client is auth.client
    other = build_auth_deps(settings(**issuer.settings(TOKEN_AUDIENCE="another")))
    assert other.client is not auth.client


def test_a_forked_child_makes_a_client_of_its_own_and_the_parent_goes_on(auth: AuthDeps, issuer: NetworkIssuer) -> None:
    token = issuer.token()
    core = auth.client.client
    core.check_blocking(token)
    parent = os.getpid()

    def work() -> bool:
        mine = auth.client.client
        user = mine.check_blocking(token)
        return mine is not core and user.email == "person@example.com" and os.getpid() != parent

    for _ in range(3):
        assert in_child(work) == 0
    assert auth.client.client is core
    assert core.check(token) is not None
    assert core.check_blocking(issuer.token()).email == "person@example.com"


def test_a_client_that_a_child_inherited_refuses_to_work_there(auth: AuthDeps, issuer: NetworkIssuer) -> None:
    core = auth.client.client
    core.check_blocking(issuer.token())

    def work() -> bool:
        try:
            core.check(issuer.token())
        except RuntimeError as error:
            core.close()
            return "fork" in str(error)
        return False

    assert in_child(work) == 0


def test_forks_amid_busy_threads_leave_no_lock_behind(auth: AuthDeps, issuer: NetworkIssuer) -> None:
    token = issuer.token()
    auth.client.client.check_blocking(token)
    done = threading.Event()

    def busy() -> None:
        while not done.is_set():
            auth.client.client.check(token)
            auth.client.client.check(issuer.token())

    workers = [threading.Thread(target=busy) for _ in range(3)]
    for worker in workers:
        worker.start()
    try:
        for _ in range(20):
            assert in_child(lambda: auth.client.client.check_blocking(token) is not None) == 0
    finally:
        done.set()
        for worker in workers:
            worker.join()


def _ask(settings_of: dict[str, Any], token: str, queue: Any) -> None:
    queue.put(build_auth_deps(settings(**settings_of)).client.client.check_blocking(token).email)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing_children_work(auth: AuthDeps, issuer: NetworkIssuer, method: Any) -> None:
    auth.client.client.check_blocking(issuer.token())
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    children = [context.Process(target=_ask, args=(issuer.settings(), issuer.token(), queue)) for _ in range(2)]
    for child in children:
        child.start()
    assert [queue.get(timeout=30) for _ in children] == ["person@example.com"] * 2
    for child in children:
        child.join(30)
        assert child.exitcode == 0


def environment(issuer: NetworkIssuer, **more: str) -> dict[str, str]:
    return {
        **os.environ,
        "TEST_SETTINGS": json.dumps(issuer.settings()),
        "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path]),
        "PYTHONWARNINGS": "ignore::DeprecationWarning",
        **more,
    }


@contextmanager
def served(command: list[str], env: dict[str, str], port: int) -> Iterator[subprocess.Popen[str]]:
    """A server that listens; it has to end by itself when asked, without a word about us."""
    process = subprocess.Popen(
        [sys.executable, "-m", *command], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=HERE
    )
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if time.monotonic() > deadline or process.poll() is not None:
                    process.kill()
                    raise AssertionError(process.communicate()[0]) from None
                time.sleep(0.05)
        yield process
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=60)
        assert "Traceback" not in said, said
        assert "panicked" not in said, said
        assert process.returncode in (0, -signal.SIGTERM), said
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def answers_of_both(port: int, issuer: NetworkIssuer) -> set[int]:
    """The process ids that answered, once both workers did."""
    pids: set[int] = set()
    deadline = time.monotonic() + 60
    while len(pids) < 2:
        assert time.monotonic() < deadline, "one worker never answered"
        # A connection of its own each time, so that the system may hand it to another worker.
        with httpx.Client(timeout=30) as client:
            headers = {"Authorization": f"Bearer {issuer.token()}"}
            answer = client.get(f"http://127.0.0.1:{port}/", headers=headers)
            assert answer.status_code == 200, answer.text
            pids.add(answer.json()["pid"])
            bad = client.get(f"http://127.0.0.1:{port}/", headers={"Authorization": "Bearer x"})
            assert bad.status_code == 401
    return pids


def test_both_workers_of_uvicorn_know_who_is_calling(issuer: NetworkIssuer) -> None:
    port = free_port()
    command = ["uvicorn", "guarded_app:app", "--workers", "2", "--port", str(port), "--no-access-log"]
    with served(command, environment(issuer), port) as process:
        assert process.pid not in answers_of_both(port, issuer)


@pytest.mark.parametrize("asks_before_the_fork", [False, True])
def test_workers_of_gunicorn_know_who_is_calling_after_a_preload(
    issuer: NetworkIssuer, asks_before_the_fork: bool
) -> None:
    port = free_port()
    command = [
        "gunicorn",
        "guarded_app:app",
        *("--preload", "--workers", "2", "--bind", f"127.0.0.1:{port}"),
        *("--worker-class", "uvicorn_worker.UvicornWorker", "--worker-tmp-dir", "/dev/shm"),
    ]
    env = environment(issuer, **({"TEST_ASK_AT_IMPORT": issuer.token()} if asks_before_the_fork else {}))
    with served(command, env, port) as process:
        assert process.pid not in answers_of_both(port, issuer)


def run(program: str, issuer: NetworkIssuer, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-X", "dev", "-c", textwrap.dedent(program)],
        env=environment(issuer, TOKEN=issuer.token(), **more),
        capture_output=True,
        text=True,
        timeout=60,
        cwd=HERE,
        check=False,
    )


PRELUDE = """
import asyncio, os, sys, threading
from guarded_app import auth
token = os.environ["TOKEN"]
client = auth.client.client
def ask():
    try:
        client.check_blocking(token)
    except Exception:
        pass
"""


def test_one_thread_is_started_by_the_first_question_and_ends_with_the_client(issuer: NetworkIssuer) -> None:
    program = """
    from pathlib import Path
    def threads():
        tasks = Path("/proc/self/task").iterdir()
        return [(task / "comm").read_text().strip() for task in tasks].count("vestibule-feed")
    print(threads())
    client.check_blocking(token)
    asyncio.run(auth.client.check(token.encode(), None))
    print(threads())
    auth.client.close()
    print(threads())
    auth.client.client.check_blocking(token)
    print(threads())
    """
    ended = run(PRELUDE + textwrap.dedent(program), issuer)
    assert (ended.stdout.split(), ended.stderr) == (["0", "1", "0", "1"], "")


@pytest.mark.parametrize(
    "program",
    [
        "client.check_blocking(token)",
        "client.check_blocking(token); asyncio.run(auth.close()); asyncio.run(auth.close()); client.close()",
        "client.start_check(token, None, lambda *answer: None)",
        "client.check_blocking(token); sys.exit(0)",
        # Somebody still waits in a thread that nobody joins.
        "threading.Thread(target=lambda: [ask() for _ in iter(int, 1)], daemon=True).start(); ask()",
        # Without the registered end, as in an embedding program.
        "import atexit; atexit._clear(); client.check_blocking(token)",
        "import atexit; atexit._clear(); client.start_check(token, None, lambda *answer: None)",
        # The answer comes back to us, where we end the client: it does not wait for itself.
        "e = threading.Event(); client.start_check(token, None, lambda *a: (client.close(), e.set())); e.wait()",
        "del client; auth.client.close()",
    ],
)
def test_the_interpreter_goes_down_without_a_word(issuer: NetworkIssuer, program: str) -> None:
    ended = run(PRELUDE + program, issuer)
    assert (ended.returncode, ended.stderr, ended.stdout) == (0, "", "")


def test_the_interpreter_does_not_wait_for_an_issuer_that_hangs(issuer: NetworkIssuer) -> None:
    issuer.hold.clear()
    program = PRELUDE + "client.start_check(token, None, lambda *answer: print(*answer))"
    begun = time.monotonic()
    ended = run(program, issuer)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "Identity could not be checked" in ended.stdout
    # A fetch is given five seconds; the end comes before.
    assert time.monotonic() - begun < 30


def test_a_mistake_in_a_callback_is_told_and_harms_nothing(issuer: NetworkIssuer) -> None:
    program = """
    import time
    def on_done(user, error):
        raise ZeroDivisionError("mine")
    client.start_check(token, None, on_done)
    while not client.statistics()["verifications"]:
        time.sleep(0.001)
    print(client.check_blocking(token).email)
    """
    ended = run(PRELUDE + textwrap.dedent(program), issuer)
    assert (ended.returncode, ended.stdout) == (0, "person@example.com\n")
    assert "ZeroDivisionError: mine" in ended.stderr
