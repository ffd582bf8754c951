"""The commands of the Python package: `vestibule audit` and `vestibule prestart`, also as `python -m vestibule`.

The server's program has the same name. What is not for this package is handed over to it, if it is found on the path.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_HANDED_OVER = "VESTIBULE_HANDED_OVER_BY"
_NOT_FOUND = 127
_USAGE = """\
usage: vestibule COMMAND ...

  audit module:app   list what an app serves with the guard in front of it
  prestart           wait until the database answers

Other commands are those of the server. They are handed over to its program `vestibule` when it is on the PATH.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command.

    Args:
        arguments: Without the program's name; those of the process otherwise.

    Returns:
        The exit code.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    command, rest = (arguments[0], list(arguments[1:])) if arguments else ("", [])
    if command == "audit":
        from vestibule.audit import main as audit

        return audit(rest)
    if command == "prestart":
        from vestibule.service.prestart import main as prestart

        return prestart(rest)
    return _hand_over(list(arguments))


def _hand_over(arguments: list[str]) -> int:
    server = find_server()
    # The program that runs instead of this one has the same process id; if that is this one again, it ends here.
    if server is None or os.environ.get(_HANDED_OVER) == str(os.getpid()):
        asked = arguments[0] if arguments else ""
        if asked in ("", "-h", "--help", "help"):
            sys.stdout.write(_USAGE)
            return 0
        sys.stderr.write(
            f"vestibule: {asked!r} is a command of the server, and its program `vestibule` is not on the PATH."
            " This is the Python package: its commands are audit and prestart.\n"
        )
        return _NOT_FOUND
    environment = {**os.environ, _HANDED_OVER: str(os.getpid())}
    if os.name == "posix":
        os.execve(server, [str(server), *arguments], environment)  # noqa: S606
    return subprocess.run([server, *arguments], env=environment, check=False).returncode  # noqa: S603


def find_server(path: str | None = None) -> Path | None:
    """The server's program: the first `vestibule` on the path that is a program and not a script, such as this one.

    Args:
        path: Folders to look in, separated as in `PATH`, which is the default.
    """
    folders = (os.environ.get("PATH", "") if path is None else path).split(os.pathsep)
    for folder in filter(None, folders):
        for name in ("vestibule", "vestibule.exe"):
            candidate = Path(folder) / name
            if candidate.is_file() and os.access(candidate, os.X_OK) and not _is_script(candidate):
                return candidate
    return None


def _is_script(candidate: Path) -> bool:
    try:
        with candidate.open("rb") as file:
            return file.read(2) == b"#!"
    except OSError:
        return True


if __name__ == "__main__":
    sys.exit(main())
