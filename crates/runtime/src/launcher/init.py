"""Process 1 of an app's namespaces."""

import contextlib
import json
import os
import signal

from .app import be_app
from .kernel import (
    CLONE_NEWCGROUP,
    CLONE_NEWIPC,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    CLONE_NEWUTS,
    PR_SET_CHILD_SUBREAPER,
    PR_SET_PDEATHSIG,
    libc,
    prctl,
)
from .messages import close_all_but
from .namespaces import reap
from .rights import drop_rights
from .view import build_root, python_folders, seal_root


def app_namespaces(userns):
    return CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP | (CLONE_NEWUSER if userns else 0)


def be_init(start, descriptors, done, parent):
    """Process 1 of an app. `start` is the server's message with paths as this process sees them."""
    listener, out, err, status = descriptors
    close_all_but([*descriptors, parent.fileno()])
    os.setsid()
    if start["sandbox"] == "namespaces":
        libc.sethostname(b"app", 3)
        build_root(
            [(path, path, True) for path in python_folders(start["environment"])]
            + [(start["tree"], "/app", True), (start["home"], "/home/app", False)]
            + ([(start["data_socket"], "/run/data.sock", False)] if start["data_socket"] else []),
            start["user"],
        )
        # Fewer doors into the kernel: no further user namespaces below this one.
        if start["userns"]:
            try:
                with open("/proc/sys/user/max_user_namespaces", "w") as file:
                    file.write("0")
            except OSError:
                pass
        seal_root()
        drop_rights(start["user"])
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        prctl(PR_SET_CHILD_SUBREAPER, 1)
        prctl(PR_SET_PDEATHSIG, signal.SIGUSR1)
    waited = {signal.SIGCHLD, signal.SIGTERM, signal.SIGUSR1}
    signal.pthread_sigmask(signal.SIG_BLOCK, waited)
    app = os.fork()
    if app == 0:
        parent.close()
        be_app(start, listener, out, err, status)
    # The launcher may have died before the line above that ties us to it.
    done()
    for descriptor in (listener, out, err):
        os.close(descriptor)
    ended = None
    while ended is None:
        number = signal.sigwait(waited)
        if number == signal.SIGTERM:
            os.kill(app, signal.SIGTERM)
        elif number == signal.SIGUSR1:
            break
        else:
            ended = reap(app)
    if start["sandbox"] != "namespaces":
        end_descendants()
    if ended is not None:
        code = os.waitstatus_to_exitcode(ended)
        os.write(status, json.dumps({"signal": -code} if code < 0 else {"code": code}).encode() + b"\n")
    os._exit(0)


def end_descendants():
    """Without a pid namespace: kills what the app left behind. Orphans come to us, so a few rounds find them all."""
    while True:
        children = []
        for folder in os.listdir("/proc"):
            if folder.isdigit():
                try:
                    with open(f"/proc/{folder}/stat", "rb") as file:
                        fields = file.read().rsplit(b")", 1)[1].split()
                    if int(fields[1]) == os.getpid():
                        children.append(int(folder))
                except (OSError, IndexError):
                    pass
        if not children:
            return
        for child in children:
            with contextlib.suppress(OSError):
                os.kill(child, signal.SIGKILL)
        for child in children:
            with contextlib.suppress(OSError):
                os.waitpid(child, 0)
