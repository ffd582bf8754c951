"""The parent that has imported the environment's packages and forks apps."""

import contextlib
import gc
import os
import select
import signal

from .app import enter_environment
from .init import app_namespaces, be_init
from .kernel import PR_SET_PDEATHSIG, prctl
from .messages import close_all_but
from .namespaces import reap, spawn, wake_on_child
from .rights import drop_rights
from .view import build_root, python_folders, seal_root

PRELOAD = (
    "asyncio",
    "email.utils",
    "http.cookies",
    "inspect",
    "logging.config",
    "json",
    "hmac",
    "hashlib",
    "urllib.request",
    "http.client",
    "pydantic",
    "pydantic.deprecated.parse",
    "starlette.applications",
    "fastapi",
    "fastapi.responses",
    "fastapi.staticfiles",
    "fastapi.templating",
    "fastapi.middleware.cors",
    "anyio._backends._asyncio",
    "multipart",
    "uvicorn",
    "uvicorn.config",
    "uvicorn.server",
    "uvicorn.lifespan.on",
    "uvicorn.protocols.http.auto",
    "uvicorn.protocols.websockets.websockets_sansio_impl",
    "uvloop",
    "httptools",
)


def be_zygote(config, control, done, parent):
    """Process 1 of an environment's zone."""
    close_all_but([control.fileno(), parent.fileno()])
    os.setsid()
    build_root(
        [(path, path, True) for path in python_folders(config["environment"])] + [(config["slots"], "/slots", True)],
        config["user"],
    )
    seal_root()
    drop_rights(config["user"])
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    done()
    os.environ.clear()
    os.environ.update({"PATH": "/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8"})
    os.chdir("/")
    enter_environment(config["environment"])
    for name in PRELOAD:
        with contextlib.suppress(BaseException):
            __import__(name)
    if len(os.listdir("/proc/self/task")) > 1:
        control.send({"error": "a package started a thread when imported"})
        os._exit(1)
    gc.collect()
    gc.freeze()
    wake = wake_on_child()
    control.send({"ready": True})
    while True:
        readable, _, _ = select.select([control, wake], [], [])
        if wake in readable:
            wake.recv(4096)
            reap()
        if control not in readable:
            continue
        start, descriptors = control.receive()
        if start is None:
            os._exit(0)
        process = None
        try:
            process = spawn(
                lambda done, parent: be_init(start, descriptors, done, parent),
                app_namespaces(True),
                config["user"],
                privileged=False,
            )
            handle = os.pidfd_open(process)
            control.send({"started": True}, [handle])
            os.close(handle)
        except OSError as error:
            if process is not None:
                os.kill(process, signal.SIGKILL)
            control.send({"error": str(error)})
        for descriptor in descriptors:
            os.close(descriptor)
