"""Who is ended is ended with its children, also where these have a group of their own."""

import os
import select
import signal
import subprocess
import sys

from stack.run import family

PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; print(1, flush=True); time.sleep(60)"],
                         start_new_session=True, stdout=subprocess.PIPE)
child.stdout.read(1)
print(child.pid, flush=True)
child.wait()
"""


def test_a_process_is_frozen_and_ended_with_its_children() -> None:
    """The child has a session of its own, as those of PostgreSQL have."""
    # given
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:  # noqa: S603
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        end = os.pidfd_open(child)
        # when
        frozen = family.freeze(parent.pid)
        # then
        assert frozen == [parent.pid, child]
        # when
        family.kill(parent.pid)
        # then
        assert parent.wait(10) == -signal.SIGKILL
    # It may end a moment after its parent.
    with os.fdopen(end) as descriptor:
        assert select.select([descriptor], [], [], 10)[0]
