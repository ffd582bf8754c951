"""Times imports in fresh interpreters, taking turns; prints milliseconds of CPU time as JSON."""

import json
import subprocess
import sys

ROUNDS = 15
PROGRAM = "import time; {}; print(time.process_time() * 1e3)"
IMPORTS = {
    "nothing": "pass",
    "fastapi": "import fastapi",
    "vestibule": "import vestibule",
    "vestibule.service": "import vestibule.service",
}

times: dict[str, list[float]] = {name: [] for name in IMPORTS}
for _ in range(ROUNDS):
    for name, statement in IMPORTS.items():
        command = [sys.executable, "-c", PROGRAM.format(statement)]
        done = subprocess.run(command, capture_output=True, check=True, text=True)
        times[name].append(float(done.stdout))
print(json.dumps(times))
