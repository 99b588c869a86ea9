"""Become a program that the kernel ends together with its starter; run as a script, does nothing else.

A separate step between fork and exec, because Python code in a forked child of a process with threads is unsafe.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Expect the starter's pid, then the program and its arguments."""
    starter, *command = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(starter):
        sys.exit(1)  # the starter died before the request above was in place
    os.execvp(command[0], command)  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    main()
