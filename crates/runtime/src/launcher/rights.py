"""Giving up rights for good: users, capabilities, Landlock, system calls, limits."""

import contextlib
import ctypes
import errno
import os
import resource
import struct
import sys

from .kernel import (
    CLONE_NEWUSER,
    PR_CAP_AMBIENT,
    PR_CAP_AMBIENT_CLEAR_ALL,
    PR_CAPBSET_DROP,
    PR_SET_DUMPABLE,
    PR_SET_NO_NEW_PRIVS,
    SYS_LANDLOCK_ADD,
    SYS_LANDLOCK_CREATE,
    SYS_LANDLOCK_RESTRICT,
    check,
    libc,
    prctl,
)


class CapabilityHeader(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("process", ctypes.c_int)]


def drop_rights(user):
    """Becomes `user` (where we may) without any capability, for good."""
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    for number in range(64):
        prctl(PR_CAPBSET_DROP, number)
    if os.geteuid() != user:
        with contextlib.suppress(OSError):
            os.setgroups([])
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


# Calls no web app needs and the kernel's holes are often behind; numbers on x86-64 and on 64-bit ARM. Most need
# rights that
# are gone anyway; user namespaces, keys, io_uring, bpf and tracing do not. memfd_create, memfd_secret and shmget do not
# either, but what they hold is counted nowhere: an app could take the machine's memory unseen.
REFUSED = {
    "x86_64": (
        0xC000003E,
        56,
        (
            29,
            101,
            103,
            155,
            161,
            163,
            165,
            166,
            167,
            169,
            175,
            176,
            179,
            246,
            248,
            249,
            250,
            272,
            298,
            304,
            308,
            310,
            311,
            313,
            319,
            320,
            321,
            323,
        ),
    ),
    "aarch64": (
        0xC00000B7,
        220,
        (
            117,
            116,
            41,
            51,
            89,
            40,
            39,
            224,
            142,
            105,
            106,
            60,
            104,
            217,
            218,
            219,
            97,
            241,
            265,
            268,
            270,
            271,
            273,
            294,
            279,
            280,
            282,
            194,
        ),
    ),
}
REFUSED_EVERYWHERE = (425, 426, 427, 428, 429, 430, 431, 432, 442, 447)
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
        (load, 0, 0, 4),
        (equal, 1, 0, architecture),
        refuse,
        # The other numbering of the same processor.
        (load, 0, 0, 0),
        (at_least, 0, 1, 0x40000000),
        refuse,
        # Its flags are behind a pointer, so it cannot be judged; the C library falls back to the older call.
        (equal, 0, 1, SYS_CLONE3),
        (answer, 0, 0, SECCOMP_ERRNO | errno.ENOSYS),
    ]
    for number in (*numbers, *REFUSED_EVERYWHERE):
        steps += [(equal, 0, 1, number), refuse]
    steps += [
        (equal, 0, 3, clone),
        (load, 0, 0, 16),
        (any_of, 0, 1, CLONE_NEWUSER),
        refuse,
        (answer, 0, 0, SECCOMP_ALLOW),
    ]
    code = b"".join(struct.pack("=HBBI", *step) for step in steps)
    program = FilterProgram(len(steps), ctypes.cast(code, ctypes.c_void_p))
    check(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(program)), "seccomp")


def limit(name, value):
    kind = getattr(resource, name)
    hard = resource.getrlimit(kind)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))
