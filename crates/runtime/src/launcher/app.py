"""The app's own process: confined, then serving."""

import contextlib
import errno
import glob
import os
import signal
import site
import socket
import sys
import traceback
import types

from .kernel import PR_SET_PDEATHSIG, prctl
from .messages import close_all_but
from .namespaces import reset_signals
from .rights import drop_rights, landlock, limit, refuse_calls
from .view import DEVICES, ETC_FILES, ETC_FOLDERS, SYSTEM, python_folders

OURS = os.path.dirname(os.path.abspath(__file__))

# Modules taken out of the app's sight stay alive here, because their functions are still at work.
KEPT = []


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
        readable = [
            *SYSTEM,
            *python_folders(start["environment"]),
            start["tree"],
            "/proc/self",
            "/proc/cpuinfo",
            "/proc/meminfo",
        ]
        readable += [f"/etc/{name}" for name in (*ETC_FOLDERS, *ETC_FILES, "passwd", "group")]
        readable += [os.path.realpath("/etc/resolv.conf"), os.path.realpath("/etc/localtime")]
        if not landlock(readable, [home, start["inside"]["tmp"], *(f"/dev/{name}" for name in DEVICES)]):
            raise OSError(errno.EPERM, "Landlock could not be applied")
    else:
        os.makedirs(start["inside"]["tmp"], exist_ok=True)
    # Where no pid namespace ends us, the end of init does.
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
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
    # We were started as the interpreter that the environment was made from, which trusts nothing in it.
    sys.executable = os.path.join(environment, "bin", "python")
    sys.prefix = sys.exec_prefix = environment
    site.main()
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
    sys.path[:] = [folder for folder in sys.path if not OURS.startswith(folder + "/")]
    for name in [name for name in sys.modules if name.startswith("vestibule_launcher")]:
        KEPT.append(sys.modules.pop(name))
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
            "ws": ws,
            "lifespan": "auto",
            "proxy_headers": True,
            "forwarded_allow_ips": "*",
            "access_log": False,
            "server_header": False,
            "timeout_graceful_shutdown": start["grace_seconds"],
            "log_config": LOGGING,
        }
        server = Server(uvicorn.Config(app, **options))
        await server.serve(sockets=[socket.socket(fileno=listener)])
        return 0 if server.started else 3

    try:
        return loop.run_until_complete(work())
    finally:
        with contextlib.suppress(BaseException):
            loop.run_until_complete(loop.shutdown_asyncgens())


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
        if look.tb_frame.f_code.co_filename.startswith(OURS):
            trace = look.tb_next
        look = look.tb_next
    while trace and "importlib" in trace.tb_frame.f_code.co_filename:
        trace = trace.tb_next
    traceback.print_exception(type(error), error, trace)
