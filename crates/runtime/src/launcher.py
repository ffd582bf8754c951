"""Starts published apps in a sandbox. Standard library only; runs as `python -I -S launcher.py` by the server.

Who is who:

  launcher   this program outside any sandbox; never imports the environment's packages. Its standard input is a socket to
             the server: JSON lines with descriptors. It ends when that socket closes or the server's thread dies.
  zygote     (mode "zygote") a fork in its own namespaces that sees Python, the environment and the slots of its apps; imports
             fastapi, uvicorn and pydantic once, and forks for each start.
  init       process 1 of an app's namespaces: passes signals on, collects the dead. When it ends the kernel kills the rest.
  app        fork of init: environment, limits and Landlock applied, then serves.

In mode "direct" the launcher makes init itself, for one app, and nothing is imported beforehand.
"""

import ctypes
import errno
import gc
import glob
import json
import os
import resource
import select
import signal
import site
import socket
import struct
import sys
import traceback
import types

libc = ctypes.CDLL(None, use_errno=True)

CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS = 0x20000, 0x2000000, 0x4000000
CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID = 0x8000000, 0x10000000, 0x20000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_PRIVATE, MS_SLAVE, MS_SHARED = 4096, 16384, 1 << 18, 1 << 19, 1 << 20
MS_NOATIME, MS_NODIRATIME, MS_RELATIME = 1024, 2048, 1 << 21
MNT_DETACH = 2
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER = 1, 4, 24, 36
PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 38, 47, 4
SYS_MOUNT_SETATTR, SYS_LANDLOCK_CREATE, SYS_LANDLOCK_ADD, SYS_LANDLOCK_RESTRICT = 442, 444, 445, 446
AT_RECURSIVE, MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV = 0x8000, 1, 2, 4

PRELOAD = (
    "asyncio", "email.utils", "http.cookies", "inspect", "logging.config", "json", "hmac", "hashlib", "urllib.request", "http.client",
    "pydantic", "pydantic.deprecated.parse", "starlette.applications", "fastapi", "fastapi.responses", "fastapi.staticfiles",
    "fastapi.templating", "fastapi.middleware.cors", "anyio._backends._asyncio", "multipart",
    "uvicorn", "uvicorn.config", "uvicorn.server", "uvicorn.lifespan.on", "uvicorn.protocols.http.auto",
    "uvicorn.protocols.websockets.websockets_sansio_impl", "uvloop", "httptools",
)


def check(result, what):
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), what)


def text(value):
    return None if value is None else os.fsencode(value)


def mount(source, target, kind=None, flags=0, data=None):
    check(libc.mount(text(source), text(target), text(kind), ctypes.c_ulong(flags), text(data)), f"mount {target}")


def prctl(option, *values):
    numbers = [ctypes.c_ulong(value) for value in (*values, 0, 0, 0, 0)[:4]]
    return libc.prctl(option, *numbers)


# --- messages -------------------------------------------------------------------------------------------------------------

MESSAGE_BYTES = 4 << 20


class Channel:
    """JSON lines, each with any number of descriptors, over a Unix socket."""

    def __init__(self, connection):
        self.connection = connection
        self.rest = b""
        self.descriptors = []

    def fileno(self):
        return self.connection.fileno()

    def close(self):
        self.connection.close()

    def send(self, message, descriptors=()):
        data = json.dumps(message).encode() + b"\n"
        sent = socket.send_fds(self.connection, [data], list(descriptors)) if descriptors else 0
        self.connection.sendall(data[sent:])

    def receive(self):
        """The next message and its descriptors; `None` at the end."""
        while b"\n" not in self.rest:
            if len(self.rest) > MESSAGE_BYTES:
                raise OSError(errno.EMSGSIZE, "message too long")
            data, descriptors, _, _ = socket.recv_fds(self.connection, 65536, 16)
            for descriptor in descriptors:
                os.set_inheritable(descriptor, False)
            self.descriptors += descriptors
            if not data:
                return None, []
            self.rest += data
        line, self.rest = self.rest.split(b"\n", 1)
        descriptors, self.descriptors = self.descriptors, []
        return json.loads(line), descriptors


def channel_pair():
    one, two = socket.socketpair()
    return Channel(one), Channel(two)


def close_all_but(keep):
    """Closes every descriptor that is not to be kept."""
    last = 3
    for descriptor in sorted(keep):
        # An empty range must not be asked for: some versions of Python then close everything.
        if descriptor > last:
            os.closerange(last, descriptor)
        last = max(last, descriptor + 1)
    os.closerange(last, max(last, min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 1 << 20)))


# --- namespaces -----------------------------------------------------------------------------------------------------------


def id_ranges(name):
    with open(f"/proc/self/{name}") as file:
        return [tuple(map(int, line.split())) for line in file]


def is_mapped(name, number):
    return any(start <= number < start + count for start, _, count in id_ranges(name))


def identity_maps():
    """Maps that keep every id we have; only a privileged parent may write them."""
    return ["".join(f"{start} {start} {count}\n" for start, _, count in id_ranges(name)) for name in ("uid_map", "gid_map")]


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

    Returns its id once `body` has called `done()`; raises OSError with its words otherwise. A process in between is needed because a
    new pid namespace begins with the next fork; it ends at once, and the caller inherits the child (as its subreaper, or as
    process 1).
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
        try:
            parent.send({"error": f"{type(error).__name__}: {error}"})
        except OSError:
            pass
    os._exit(code)


def reset_signals():
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


# --- the view of the file system -------------------------------------------------------------------------------------------

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store")
ETC_FOLDERS = ("ssl", "ca-certificates", "pki", "crypto-policies", "alternatives", "ld.so.conf.d", "fonts")
ETC_FILES = (
    "resolv.conf", "hosts", "nsswitch.conf", "host.conf", "gai.conf", "services", "protocols", "localtime", "timezone", "ca-certificates.conf",
    "ld.so.cache", "ld.so.conf", "mime.types", "os-release",
)
DEVICES = ("null", "zero", "full", "random", "urandom")


def python_folders(environment):
    """Where this interpreter and the environment's packages are."""
    found = [environment]
    for folder in {os.path.realpath(sys.base_prefix), os.path.realpath(sys.base_exec_prefix)}:
        if folder != "/" and not folder.startswith(("/usr/", "/nix/store/", "/gnu/store/")) and folder != "/usr":
            found.append(folder)
    return found


class MountAttributes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "userns")]


def restrict(target, read_only):
    """Makes a bind without devices and set-user-id programs and, perhaps, read-only."""
    wanted = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (MOUNT_ATTR_RDONLY if read_only else 0)
    attributes = MountAttributes(wanted, 0, 0, 0)
    done = libc.syscall(SYS_MOUNT_SETATTR, -100, text(target), AT_RECURSIVE, ctypes.byref(attributes), ctypes.sizeof(attributes))
    if done == 0:
        return
    # Before Linux 5.12. Flags that a mount came with are locked in a user namespace and have to be said again.
    present = os.statvfs(target).f_flag
    flags = MS_BIND | MS_REMOUNT | MS_NOSUID | MS_NODEV | (MS_RDONLY if read_only else 0)
    flags |= present & (MS_RDONLY | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME)
    flags |= MS_RELATIME if present & 4096 else 0
    mount(None, target, None, flags)


def bind(source, target, read_only=True, device=False):
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "a"):
            pass
    mount(source, target, None, MS_BIND | MS_REC)
    if not device:
        restrict(target, read_only)


def build_root(binds, user):
    """Replaces the file system by a bare one. `binds` are (path now, path then, read only)."""
    os.umask(0o022)
    mount(None, "/", None, MS_REC | MS_SLAVE)
    # The mount point only matters until the pivot: afterwards the old tree is whole again below /old, with its own /tmp.
    mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=4m")
    os.mkdir("/tmp/old")
    check(libc.pivot_root(b"/tmp", b"/tmp/old"), "pivot_root")
    os.chdir("/")
    for path in SYSTEM:
        old = "/old" + path
        if os.path.islink(old):
            os.symlink(os.readlink(old), path)
        elif os.path.isdir(old):
            bind(old, path)
    os.mkdir("/etc")
    for name in ETC_FOLDERS:
        if os.path.isdir(f"/old/etc/{name}"):
            bind(f"/old/etc/{name}", f"/etc/{name}")
    for name in ETC_FILES:
        content = read_old(f"/etc/{name}")
        if content is not None:
            with open(f"/etc/{name}", "wb") as file:
                file.write(content)
    with open("/etc/passwd", "w") as file:
        file.write(f"root:x:0:0:root:/:/usr/sbin/nologin\napp:x:{user}:{user}:app:/home/app:/bin/sh\n")
    with open("/etc/group", "w") as file:
        file.write(f"root:x:0:\napp:x:{user}:\n")
    os.mkdir("/dev")
    for name in DEVICES:
        if os.path.exists(f"/old/dev/{name}"):
            bind(f"/old/dev/{name}", f"/dev/{name}", device=True)
    for name, target in (("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        os.symlink(target, f"/dev/{name}")
    for folder, size in (("/tmp", "128m"), ("/dev/shm", "64m")):
        os.makedirs(folder, exist_ok=True)
        mount("tmpfs", folder, "tmpfs", MS_NOSUID | MS_NODEV, f"mode=1777,size={size}")
    os.mkdir("/proc")
    try:
        mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    except OSError:
        # Inside some containers a fresh one is not allowed. Most apps do without; the old one would show other processes.
        pass
    for source, target, read_only in binds:
        bind("/old" + source, target, read_only)
    check(libc.umount2(b"/old", MNT_DETACH), "umount")
    os.rmdir("/old")


def read_old(path):
    """Content of a file of the old tree, following links as they were meant there."""
    for _ in range(8):
        old = "/old" + path
        if os.path.islink(old):
            path = os.path.normpath(os.path.join(os.path.dirname(path), os.readlink(old)))
            continue
        try:
            with open(old, "rb") as file:
                return file.read(1 << 20)
        except OSError:
            return None
    return None


def seal_root():
    flags = os.statvfs("/").f_flag
    mount(None, "/", None, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | (MS_RELATIME if flags & 4096 else 0))


# --- giving up rights -------------------------------------------------------------------------------------------------------


class CapabilityHeader(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("process", ctypes.c_int)]


def drop_rights(user):
    """Becomes `user` (where we may) without any capability, for good."""
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    for number in range(64):
        prctl(PR_CAPBSET_DROP, number)
    if os.geteuid() != user:
        try:
            os.setgroups([])
        except OSError:
            pass
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    header = CapabilityHeader(0x20080522, 0)
    check(libc.capset(ctypes.byref(header), ctypes.byref((ctypes.c_uint32 * 6)())), "capset")
    check(prctl(PR_SET_NO_NEW_PRIVS, 1), "no_new_privs")
    # A change of user hides our own /proc files from us; without rights there is nothing left to hide.
    prctl(PR_SET_DUMPABLE, 1)


def landlock_abi():
    return max(libc.syscall(SYS_LANDLOCK_CREATE, None, ctypes.c_size_t(0), 1), 0)


class LandlockRules(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("files", "network", "scoped")]


class LandlockPath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = [("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32)]


def landlock(readable, writable):
    """Limits file access to these paths, and signals and abstract sockets to our own kind. Returns whether it could."""
    abi = landlock_abi()
    if abi < 1:
        return False
    # Bits: execute, write file, read file, read dir, remove dir, remove file, make char/dir/reg/sock/fifo/block/sym,
    # refer (2), truncate (3), ioctl on devices (5).
    every = (1 << 13) - 1
    every |= (1 << 13 if abi >= 2 else 0) | (1 << 14 if abi >= 3 else 0) | (1 << 15 if abi >= 5 else 0)
    on_file = (1 << 0 | 1 << 1 | 1 << 2 | 1 << 14 | 1 << 15) & every
    read = 1 << 0 | 1 << 2 | 1 << 3
    rules = LandlockRules(every, 0, 3 if abi >= 6 else 0)
    size = 8 if abi < 4 else 16 if abi < 6 else 24
    rule_set = libc.syscall(SYS_LANDLOCK_CREATE, ctypes.byref(rules), ctypes.c_size_t(size), 0)
    if rule_set < 0:
        return False
    for path, allowed in [*((path, read) for path in readable), *((path, every) for path in writable)]:
        try:
            folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        if not os.path.isdir(path):
            allowed &= on_file
        libc.syscall(SYS_LANDLOCK_ADD, rule_set, 1, ctypes.byref(LandlockPath(allowed, folder)), 0)
        os.close(folder)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    done = libc.syscall(SYS_LANDLOCK_RESTRICT, rule_set, 0)
    os.close(rule_set)
    return done == 0


# Calls no web app needs and the kernel's holes are often behind; numbers on x86-64 and on 64-bit ARM. Most need rights that
# are gone anyway; user namespaces, keys, io_uring, bpf and tracing do not.
REFUSED = {
    "x86_64": (
        0xC000003E, 56,
        (101, 103, 155, 161, 163, 165, 166, 167, 169, 175, 176, 179, 246, 248, 249, 250, 272, 298, 304, 308, 310, 311, 313, 320, 321, 323),
    ),
    "aarch64": (
        0xC00000B7, 220,
        (117, 116, 41, 51, 89, 40, 39, 224, 142, 105, 106, 60, 104, 217, 218, 219, 97, 241, 265, 268, 270, 271, 273, 294, 280, 282),
    ),
}
REFUSED_EVERYWHERE = (425, 426, 427, 428, 429, 430, 431, 432, 442)
SYS_CLONE3 = 435
PR_SET_SECCOMP, SECCOMP_MODE_FILTER, SECCOMP_ALLOW, SECCOMP_ERRNO = 22, 2, 0x7FFF0000, 0x50000


class FilterProgram(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_void_p)]


def refuse_calls():
    """Makes the calls above fail with EPERM. Needs no_new_privs; an unknown processor goes without."""
    machine = os.uname().machine
    if machine not in REFUSED or sys.maxsize < 1 << 32:
        return
    architecture, clone, numbers = REFUSED[machine]
    load, equal, at_least, any_of, answer = 0x20, 0x15, 0x35, 0x45, 0x06
    refuse = (answer, 0, 0, SECCOMP_ERRNO | errno.EPERM)
    steps = [
        (load, 0, 0, 4), (equal, 1, 0, architecture), refuse,
        # The other numbering of the same processor.
        (load, 0, 0, 0), (at_least, 0, 1, 0x40000000), refuse,
        # Its flags are behind a pointer, so it cannot be judged; the C library falls back to the older call.
        (equal, 0, 1, SYS_CLONE3), (answer, 0, 0, SECCOMP_ERRNO | errno.ENOSYS),
    ]
    for number in (*numbers, *REFUSED_EVERYWHERE):
        steps += [(equal, 0, 1, number), refuse]
    steps += [(equal, 0, 3, clone), (load, 0, 0, 16), (any_of, 0, 1, CLONE_NEWUSER), refuse, (answer, 0, 0, SECCOMP_ALLOW)]
    code = b"".join(struct.pack("=HBBI", *step) for step in steps)
    program = FilterProgram(len(steps), ctypes.cast(code, ctypes.c_void_p))
    check(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(program)), "seccomp")


def limit(name, value):
    kind = getattr(resource, name)
    hard = resource.getrlimit(kind)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))


# --- the app ----------------------------------------------------------------------------------------------------------------


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
            try:
                os.kill(child, signal.SIGKILL)
            except OSError:
                pass
        for child in children:
            try:
                os.waitpid(child, 0)
            except OSError:
                pass


def be_app(start, listener, out, err, status):
    code = 1
    try:
        reset_signals()
        os.setpgid(0, 0)
        nothing = os.open("/dev/null", os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        close_all_but([listener, status])
        confine(start)
        code = serve(start, listener, status)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 0 if error.code is None else 1
    except BaseException as error:
        show(error)
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        pass
    os._exit(code)


def confine(start):
    sandbox, home = start["sandbox"], start["inside"]["home"]
    if sandbox == "namespaces":
        landlock(["/"], ["/home/app", "/tmp", "/dev"])
    elif sandbox == "landlock":
        os.makedirs(start["inside"]["tmp"], exist_ok=True)
        if os.geteuid() == 0 and everybody_reaches([start["tree"], *python_folders(start["environment"])]):
            for path in (home, start["inside"]["tmp"]):
                give(path, start["user"])
            drop_rights(start["user"])
        else:
            drop_rights(os.geteuid())
        readable = [*SYSTEM, *python_folders(start["environment"]), start["tree"], "/proc/self", "/proc/cpuinfo", "/proc/meminfo"]
        readable += [f"/etc/{name}" for name in (*ETC_FOLDERS, *ETC_FILES, "passwd", "group")]
        readable += [os.path.realpath("/etc/resolv.conf"), os.path.realpath("/etc/localtime")]
        if not landlock(readable, [home, start["inside"]["tmp"], *(f"/dev/{name}" for name in DEVICES)]):
            raise OSError(errno.EPERM, "Landlock could not be applied")
    else:
        os.makedirs(start["inside"]["tmp"], exist_ok=True)
    if sandbox != "off":
        refuse_calls()
    limits = start["limits"]
    limit("RLIMIT_CORE", 0)
    limit("RLIMIT_NOFILE", limits["open_files"])
    limit("RLIMIT_FSIZE", limits["file_bytes"])
    # Only a backstop against a burst between two looks of the server: it counts address space, stacks of threads too.
    limit("RLIMIT_DATA", limits["memory_bytes"] * 4 + (512 << 20))
    if sandbox == "namespaces" and start["userns"]:
        # Counted in the app's own user namespace; elsewhere it would count everything this user runs.
        limit("RLIMIT_NPROC", limits["processes"])


def everybody_reaches(paths):
    for path in paths:
        while True:
            if not os.stat(path).st_mode & 0o001:
                return False
            if path == "/":
                break
            path = os.path.dirname(path)
    return True


def give(folder, user):
    """Makes a folder and what is in it belong to `user`; never follows a link."""
    if os.lstat(folder).st_uid == user:
        return
    for _, folders, files, descriptor in os.fwalk(folder, follow_symlinks=False):
        for name in (*folders, *files):
            os.chown(name, user, user, dir_fd=descriptor, follow_symlinks=False)
    os.chown(folder, user, user, follow_symlinks=False)


def enter_environment(environment):
    """What starting without -S would have done; only ever called inside a sandbox, because `.pth` files are code."""
    packages = glob.glob(os.path.join(glob.escape(environment), "lib", "python3*", "site-packages"))
    site.main()
    sys.prefix = sys.exec_prefix = environment
    for folder in packages:
        if folder not in sys.path:
            site.addsitedir(folder)


def serve(start, listener, status):
    inside = start["inside"]
    os.environ.clear()
    os.environ.update(start["env"])
    os.chdir(inside["tree"])
    sys.argv = ["uvicorn"]
    # What multiprocessing and others look at; this program is no business of the app.
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main
    if not start["preloaded"]:
        enter_environment(start["environment"])
    app_folder = os.path.normpath(os.path.join(inside["tree"], start["app_dir"]))
    sys.path[:0] = list(dict.fromkeys([app_folder, inside["tree"]]))

    import asyncio

    try:
        import uvloop

        loop = uvloop.new_event_loop()
    except ImportError:
        loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    import uvicorn
    import uvicorn.config

    class Server(uvicorn.Server):
        async def startup(self, sockets=None):
            await super().startup(sockets=sockets)
            if self.started:
                os.write(status, b'{"ready": true}\n')

    async def work():
        app = load(start)
        sansio = "websockets-sansio"
        ws = sansio if sansio in uvicorn.config.WS_PROTOCOLS and can_import("websockets.server") else "auto"
        options = {
            "ws": ws, "lifespan": "auto", "proxy_headers": True, "forwarded_allow_ips": "*", "access_log": False,
            "server_header": False, "timeout_graceful_shutdown": start["grace_seconds"], "log_config": LOGGING,
        }
        server = Server(uvicorn.Config(app, **options))
        await server.serve(sockets=[socket.socket(fileno=listener)])
        return 0 if server.started else 3

    try:
        return loop.run_until_complete(work())
    finally:
        try:
            loop.run_until_complete(loop.shutdown_asyncgens())
        except BaseException:
            pass


LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(levelname)s: %(message)s"}},
    "handlers": {"plain": {"class": "logging.StreamHandler", "formatter": "plain", "stream": "ext://sys.stderr"}},
    "loggers": {"uvicorn": {"handlers": ["plain"], "level": "INFO", "propagate": False}},
}


def can_import(name):
    import importlib.util

    try:
        return importlib.util.find_spec(name) is not None
    except ImportError:
        return False


def load(start):
    import importlib

    target = importlib.import_module(start["module"])
    for part in start["attribute"].split("."):
        try:
            target = getattr(target, part)
        except AttributeError:
            raise PlainFailure(f"module {start['module']} has no attribute {start['attribute']}") from None
    return target() if start["factory"] else target


class PlainFailure(Exception):
    """A failure that needs no traceback."""


def show(error):
    if isinstance(error, PlainFailure):
        print(f"ERROR: {error}", file=sys.stderr)
        return
    # The app's author wants their own frames, not ours or the import system's.
    trace = look = error.__traceback__
    while look:
        if look.tb_frame.f_code.co_filename == __file__:
            trace = look.tb_next
        look = look.tb_next
    while trace and "importlib" in trace.tb_frame.f_code.co_filename:
        trace = trace.tb_next
    traceback.print_exception(type(error), error, trace)


# --- the zygote -------------------------------------------------------------------------------------------------------------


def be_zygote(config, control, done, parent):
    """Process 1 of an environment's zone."""
    close_all_but([control.fileno(), parent.fileno()])
    os.setsid()
    build_root([(path, path, True) for path in python_folders(config["environment"])] + [(config["slots"], "/slots", True)], config["user"])
    seal_root()
    drop_rights(config["user"])
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    done()
    os.environ.clear()
    os.environ.update({"PATH": "/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8"})
    os.chdir("/")
    enter_environment(config["environment"])
    for name in PRELOAD:
        try:
            __import__(name)
        except BaseException:
            pass
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
                lambda done, parent: be_init(start, descriptors, done, parent), app_namespaces(True), config["user"], privileged=False
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


def wake_on_child():
    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    wake_on_child.writer = writer
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    return reader


# --- the launcher -----------------------------------------------------------------------------------------------------------


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
            app_namespaces(True), self.config["user"], privileged=self.privileged,
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
                    signal.pidfd_send_signal(self.handles[name], message["signal"])
            elif message["do"] == "forget":
                if name in self.handles:
                    handle = self.handles.pop(name)
                    # Its pipes close a moment before it is gone for good; the handle becomes readable then.
                    select.select([handle], [], [], 2)
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
                lambda done, parent: be_init(start, descriptors, done, parent), flags, start["user"], privileged=self.privileged
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
                try:
                    os.unlink(path) if part == "data.sock" else os.rmdir(path)
                except OSError:
                    pass
        try:
            os.rmdir(slot)
        except OSError:
            pass


def host_process(handle):
    """The id, as our /proc counts, of the process that a handle stands for. The zygote's own word is not taken."""
    with open(f"/proc/self/fdinfo/{handle}") as file:
        for line in file:
            if line.startswith("Pid:") and int(line[4:]) > 0:
                return int(line[4:])
    raise OSError(errno.ESRCH, "the process has ended")


# --- what this machine gives --------------------------------------------------------------------------------------------------


def probe(user):
    """Tries each sandbox for real, in throwaway processes; prints what works and why the rest does not."""
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    privileged = os.geteuid() == 0
    if not (is_mapped("uid_map", user) and is_mapped("gid_map", user)):
        user = 65534
    found = {"zygote": False, "namespaces": False, "userns": False, "landlock": landlock_abi(), "reason": ""}

    def inner(done, parent):
        build_root([], user)
        seal_root()
        drop_rights(user)
        done()

    def outer(done, parent):
        build_root([], user)
        seal_root()
        drop_rights(user)
        spawn(inner, app_namespaces(True), user, privileged=False)
        done()

    for body, userns, names in (
        (outer, True, ("zygote", "namespaces", "userns")),
        (inner, True, ("namespaces", "userns")),
        (inner, False, ("namespaces",)),
    ):
        try:
            spawn(body, app_namespaces(userns), user, privileged=privileged)
        except OSError as error:
            found["reason"] = found["reason"] or f"namespaces: {error}"
            continue
        for name in names:
            found[name] = True
        break
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["probe"]:
        probe(int(sys.argv[2]))
    else:
        Launcher().run()
        os._exit(0)
