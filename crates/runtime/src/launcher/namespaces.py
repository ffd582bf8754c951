"""Forks processes into namespaces of their own."""

import contextlib
import errno
import os
import signal
import socket

from .kernel import CLONE_NEWUSER, check, libc
from .messages import channel_pair


def id_ranges(name):
    with open(f"/proc/self/{name}") as file:
        return [tuple(map(int, line.split())) for line in file]


def is_mapped(name, number):
    return any(start <= number < start + count for start, _, count in id_ranges(name))


def identity_maps():
    """Maps that keep every id we have; only a privileged parent may write them."""
    return [
        "".join(f"{start} {start} {count}\n" for start, _, count in id_ranges(name)) for name in ("uid_map", "gid_map")
    ]


def write_maps(process, inside_id, privileged):
    if privileged:
        users, groups = identity_maps()
    else:
        with open(f"/proc/{process}/setgroups", "w") as file:
            file.write("deny")
        users, groups = f"{inside_id} {os.geteuid()} 1\n", f"{inside_id} {os.getegid()} 1\n"
    for name, content in (("gid_map", groups), ("uid_map", users)):
        with open(f"/proc/{process}/{name}", "w") as file:
            file.write(content)


def spawn(body, flags, inside_id, privileged):
    """Forks a process into new namespaces, as process 1 of its own if `flags` say so, and runs `body` in it.

    Returns its id once `body` has called `done()`; raises OSError with its words otherwise. A process in between is
    needed because a new pid namespace begins with the next fork; it ends at once, and the caller inherits the child (as
    its subreaper, or as process 1).
    """
    ours, theirs = channel_pair()
    between = os.fork()
    if between == 0:
        ours.close()
        try:
            if flags:
                check(libc.unshare(flags), "unshare")
            theirs.send("mapped?")
            theirs.receive()
            child = os.fork()
        except BaseException as error:
            theirs.send({"error": str(error)})
            os._exit(1)
        if child:
            theirs.send({"child": child})
            os._exit(0)
        run_child(body, theirs)
    theirs.close()
    try:
        message, _ = ours.receive()
        if message == "mapped?":
            if flags & CLONE_NEWUSER:
                write_maps(between, inside_id, privileged)
            ours.send("mapped")
            message, _ = ours.receive()
    except BaseException:
        os.kill(between, signal.SIGKILL)
        os.waitpid(between, 0)
        ours.close()
        raise
    os.waitpid(between, 0)
    if not isinstance(message, dict) or "child" not in message:
        ours.close()
        raise OSError(errno.EPERM, (message or {}).get("error", "no answer"))
    child = message["child"]
    try:
        ours.send("go")
        message, _ = ours.receive()
    except OSError as error:
        message = {"error": str(error)}
    ours.close()
    if message != "done":
        try:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        except OSError:
            pass
        raise OSError(errno.EPERM, (message or {}).get("error", "it ended during its setup"))
    return child


def run_child(body, parent):
    code = 1
    try:
        reset_signals()
        # Tells that the process in between is gone, so the parent of this one is final.
        if parent.receive()[0] == "go":

            def done():
                parent.send("done")
                parent.close()

            body(done, parent)
            code = 0
    except BaseException as error:
        with contextlib.suppress(OSError):
            parent.send({"error": f"{type(error).__name__}: {error}"})
    os._exit(code)


def reset_signals():
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def reap(wanted=None):
    """Collects every dead child; returns the status of the wanted one if it is among them."""
    found = None
    while True:
        try:
            process, ended = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if process == 0:
            return found
        if process == wanted:
            found = ended


def wake_on_child():
    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    wake_on_child.writer = writer
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    return reader
