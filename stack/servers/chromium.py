"""Chromium: shows pages to tests; found, or installed with its package."""

import shutil
from pathlib import Path

from stack.progress import Progress
from stack.servers.packages import install

PACKAGE = "chromium"


def ensure_installed(log: Path, progress: Progress) -> str:
    """The path of Chromium; raises `StackError` with the command to run if this user may not install it."""
    if (found := shutil.which("chromium")) is not None:
        return found
    install(PACKAGE, log, progress)
    return shutil.which("chromium") or "chromium"
