"""The machine that figures come from."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from pydantic import BaseModel


class Machine(BaseModel):
    """Where the figures come from."""

    processor: str
    cores: int
    memory: int
    system: str
    python: str
    at: datetime

    @classmethod
    def this(cls) -> Self:
        """The machine that this runs on."""
        models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
        return cls(
            processor=models[0].partition(":")[2].strip() if models else platform.processor(),
            cores=len(os.sched_getaffinity(0)),
            memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            system=platform.platform(),
            python=platform.python_version(),
            at=datetime.now(UTC),
        )
