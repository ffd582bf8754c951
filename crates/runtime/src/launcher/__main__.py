"""Entry of the program: `python -I -S FOLDER` serves, `python -I -S FOLDER probe UID` tries what the machine gives."""

import os
import sys

from vestibule_launcher.launcher import Launcher
from vestibule_launcher.probe import probe

if sys.argv[1:2] == ["probe"]:
    probe(int(sys.argv[2]))
else:
    Launcher().run()
    # Not by the usual way out: nothing is to be flushed or waited for.
    os._exit(0)
