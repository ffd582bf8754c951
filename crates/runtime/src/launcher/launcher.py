"""Starts published apps in a sandbox. Standard library only; run by the server as `python -I -S`.

Who is who:

  launcher   this program outside any sandbox; never imports the environment's packages. Its standard input is a
             socket to the server: JSON lines with descriptors. It ends when that socket closes or the server's
             thread dies.
  zygote     (mode "zygote") a fork in its own namespaces that sees Python, the environment and the slots of its
             apps; imports fastapi, uvicorn and pydantic once, and forks for each start.
  init       process 1 of an app's namespaces: passes signals on, collects the dead. When it ends the kernel kills
             the rest.
  app        fork of init: environment, limits and Landlock applied, then serves.

In mode "direct" the launcher makes init itself, for one app, and nothing is imported beforehand.
"""

import contextlib
import errno
import os
import select
import signal
import socket

from .app import give
from .init import app_namespaces, be_init, end_descendants
from .kernel import (
    CLONE_NEWNS,
    CLONE_NEWUSER,
    MNT_DETACH,
    MS_NODEV,
    MS_NOSUID,
    MS_PRIVATE,
    MS_REC,
    MS_SHARED,
    PR_SET_CHILD_SUBREAPER,
    PR_SET_PDEATHSIG,
    check,
    libc,
    mount,
    prctl,
    text,
)
from .messages import Channel, channel_pair
from .namespaces import is_mapped, spawn, wake_on_child
from .view import bind
from .zygote import be_zygote


class Launcher:
    def __init__(self):
        self.server = Channel(socket.socket(fileno=0))
        self.handles = {}
        self.zygote = None
        self.privileged = os.geteuid() == 0

    def run(self):
        # The kernel ends us with the thread that made us, the closed socket with the server; either would do.
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        prctl(PR_SET_CHILD_SUBREAPER, 1)
        self.config, _ = self.server.receive()
        if self.config is None:
            return
        user = self.config["user"]
        if not (is_mapped("uid_map", user) and is_mapped("gid_map", user)):
            self.config["user"] = 65534 if is_mapped("uid_map", 65534) and is_mapped("gid_map", 65534) else os.geteuid()
        if not self.privileged and self.config["sandbox"] != "namespaces":
            self.config["user"] = os.geteuid()
        try:
            if self.config["mode"] == "zygote":
                self.make_zygote()
            self.server.send({"ready": True})
        except (OSError, ValueError) as error:
            self.server.send({"error": str(error)})
            return
        wake = wake_on_child()
        sources = [self.server, wake] + ([self.control] if self.zygote else [])
        while True:
            readable, _, _ = select.select(sources, [], [])
            if wake in readable:
                wake.recv(4096)
                self.bury()
            if self.zygote and self.control in readable:
                # It speaks only when spoken to; now it has ended or gone mad.
                return
            if self.server in readable:
                message, descriptors = self.server.receive()
                if message is None:
                    return
                self.server.send(self.answer(message, descriptors))
                for descriptor in descriptors:
                    os.close(descriptor)

    def bury(self):
        while True:
            try:
                process, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if process == 0:
                return
            if process == self.zygote:
                os._exit(1)

    def make_zygote(self):
        slots = self.config["slots"]
        os.makedirs(slots, exist_ok=True)
        # A view of our own, into which apps' folders are mounted and from which they spread to the zygote's.
        if libc.unshare(CLONE_NEWNS) != 0:
            user, group = os.geteuid(), os.getegid()
            check(libc.unshare(CLONE_NEWUSER | CLONE_NEWNS), "unshare")
            for name, content in (("setgroups", "deny"), ("gid_map", f"0 {group} 1"), ("uid_map", f"0 {user} 1")):
                with open(f"/proc/self/{name}", "w") as file:
                    file.write(content)
        mount(None, "/", None, MS_REC | MS_PRIVATE)
        mount("tmpfs", slots, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=4m")
        mount(None, slots, None, MS_SHARED)
        self.control, theirs = channel_pair()
        self.zygote = spawn(
            lambda done, parent: be_zygote(self.config, theirs, done, parent),
            app_namespaces(True),
            self.config["user"],
            privileged=self.privileged,
        )
        theirs.close()
        message, _ = self.control.receive()
        if not isinstance(message, dict) or message.get("ready") is not True:
            raise ValueError((message or {}).get("error", "the imports ended the process"))

    def answer(self, message, descriptors):
        try:
            if message["do"] == "start":
                return {"process": self.start(message, descriptors)}
            name = message["id"]
            if message["do"] == "signal":
                if name in self.handles:
                    number = message["signal"]
                    # Without a pid namespace a killed init leaves the rest behind; asked so, it kills them first.
                    if number == signal.SIGKILL and self.config["sandbox"] != "namespaces":
                        number = signal.SIGUSR1
                    signal.pidfd_send_signal(self.handles[name], number)
            elif message["do"] == "forget":
                if name in self.handles:
                    handle = self.handles.pop(name)
                    # Its pipes close a moment before it is gone for good; the handle becomes readable then.
                    select.select([handle], [], [], 2)
                    if self.config["sandbox"] != "namespaces":
                        # Should init have been killed by others, its orphans came to us; we serve no other app.
                        end_descendants()
                    os.close(handle)
                self.clear_slot(name)
            return {"done": True}
        except ProcessLookupError:
            return {"done": True}
        except OSError as error:
            return {"error": str(error)}

    def start(self, start, descriptors):
        name = start["id"]
        start["user"] = self.config["user"]
        start["environment"] = self.config["environment"]
        start["sandbox"] = self.config["sandbox"]
        start["userns"] = self.config["userns"]
        start["preloaded"] = self.zygote is not None
        os.makedirs(start["home"], exist_ok=True)
        if self.privileged and start["sandbox"] == "namespaces":
            give(start["home"], start["user"])
        if self.zygote is None:
            flags = app_namespaces(start["userns"]) if start["sandbox"] == "namespaces" else 0
            process = spawn(
                lambda done, parent: be_init(start, descriptors, done, parent),
                flags,
                start["user"],
                privileged=self.privileged,
            )
            self.handles[name] = os.pidfd_open(process)
            return process
        self.fill_slot(name, start)
        try:
            self.control.send(start, descriptors)
            answer, handles = self.control.receive()
            if not isinstance(answer, dict) or not handles:
                raise OSError(errno.EPERM, str((answer or {}).get("error", "the zygote ended")))
            for handle in handles[1:]:
                os.close(handle)
            process = host_process(handles[0])
        except OSError:
            self.clear_slot(name)
            raise
        self.handles[name] = handles[0]
        return process

    def fill_slot(self, name, start):
        slot = os.path.join(self.config["slots"], name)
        bind(start["tree"], f"{slot}/app")
        bind(start["home"], f"{slot}/home", read_only=False)
        start["tree"], start["home"] = f"/slots/{name}/app", f"/slots/{name}/home"
        if start["data_socket"]:
            bind(start["data_socket"], f"{slot}/data.sock", read_only=False)
            start["data_socket"] = f"/slots/{name}/data.sock"

    def clear_slot(self, name):
        if self.zygote is None:
            return
        slot = os.path.join(self.config["slots"], name)
        for part in ("app", "home", "data.sock"):
            path = os.path.join(slot, part)
            if os.path.lexists(path):
                libc.umount2(text(path), MNT_DETACH)
                with contextlib.suppress(OSError):
                    os.unlink(path) if part == "data.sock" else os.rmdir(path)
        with contextlib.suppress(OSError):
            os.rmdir(slot)


def host_process(handle):
    """The id, as our /proc counts, of the process that a handle stands for. The zygote's own word is not taken."""
    with open(f"/proc/self/fdinfo/{handle}") as file:
        for line in file:
            if line.startswith("Pid:") and int(line[4:]) > 0:
                return int(line[4:])
    raise OSError(errno.ESRCH, "the process has ended")
