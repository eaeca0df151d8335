"""promtool: checks the rules of Prometheus; found, or installed with its package."""

import shutil
from pathlib import Path

from stack.progress import Progress
from stack.servers.packages import install

PACKAGE = "prometheus"


def ensure_installed(log: Path, progress: Progress) -> str:
    """The path of promtool; raises `StackError` with the command to run if this user may not install it."""
    if (found := shutil.which("promtool")) is not None:
        return found
    install(PACKAGE, log, progress)
    return shutil.which("promtool") or "promtool"
