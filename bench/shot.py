"""Run one command and say on standard output what it took, as JSON: `run.py` starts this file for every run.

A process of its own, because the largest memory of a process is also that of whoever started it, up to then: here that is
a few megabytes. Standard input holds ``{"command", "where", "environment", "output"}``; what the command says goes to the file
``output``. Seconds of wall time, of processor time (all its processes), and kilobytes of its largest process.
"""

import json
import os
import sys
import time


def main() -> None:
    asked = json.load(sys.stdin)
    said = os.open(asked["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    began = time.perf_counter()
    child = os.fork()
    if child == 0:
        try:
            os.chdir(asked["where"])
            for descriptor, place in ((nothing, 0), (said, 1), (said, 2)):
                os.dup2(descriptor, place)
            os.execvpe(asked["command"][0], asked["command"], asked["environment"])  # noqa: S606
        finally:
            os._exit(127)
    _, status, used = os.wait4(child, 0)
    wall = time.perf_counter() - began
    code = os.waitstatus_to_exitcode(status)
    print(json.dumps({"wall": wall, "cpu": used.ru_utime + used.ru_stime, "kb": used.ru_maxrss, "code": code}))


main()
