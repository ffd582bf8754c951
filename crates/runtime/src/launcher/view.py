"""The file system as an app or a zygote sees it."""

import contextlib
import ctypes
import os
import sys

from .kernel import (
    AT_RECURSIVE,
    MNT_DETACH,
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_NOSUID,
    MOUNT_ATTR_RDONLY,
    MS_BIND,
    MS_NOATIME,
    MS_NODEV,
    MS_NODIRATIME,
    MS_NOEXEC,
    MS_NOSUID,
    MS_RDONLY,
    MS_REC,
    MS_RELATIME,
    MS_REMOUNT,
    MS_SLAVE,
    SYS_MOUNT_SETATTR,
    check,
    libc,
    mount,
    text,
)

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store")
ETC_FOLDERS = ("ssl", "ca-certificates", "pki", "crypto-policies", "alternatives", "ld.so.conf.d", "fonts")
ETC_FILES = (
    "resolv.conf",
    "hosts",
    "nsswitch.conf",
    "host.conf",
    "gai.conf",
    "services",
    "protocols",
    "localtime",
    "timezone",
    "ca-certificates.conf",
    "ld.so.cache",
    "ld.so.conf",
    "mime.types",
    "os-release",
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
    done = libc.syscall(
        SYS_MOUNT_SETATTR, -100, text(target), AT_RECURSIVE, ctypes.byref(attributes), ctypes.sizeof(attributes)
    )
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
    # The mount point only matters until the pivot: afterwards the old tree is whole again below /old, with its
    # own /tmp.
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
    # Inside some containers a fresh one is not allowed. Most apps do without; the old one would show other processes.
    with contextlib.suppress(OSError):
        mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
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
    mount(
        None, "/", None, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | (MS_RELATIME if flags & 4096 else 0)
    )
