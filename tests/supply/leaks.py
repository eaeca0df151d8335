"""`python -m tests.supply.leaks`: fail if a file of the repository holds what looks like a key, a token or a password.

Nothing is sent anywhere to find out whether it is a real one. What is none, and not worth a line in `KNOWN`, may have
`pragma: allowlist secret` in a comment behind it.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import typer
from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.settings import default_settings

from stack.directory import ROOT
from stack.signing import SigningKey

KNOWN = (
    r"\w+-development",  # compose.yaml, and the users of broker and database that are generated beside it
    "password|secret|nothing",  # the word itself, in documents, defaults and tests
    # The public half of the key that everybody knows, in JSON
    *(rf"{part}\\?" for part in SigningKey.for_development().public.values()),
    r"is the password right\?",  # a question to the reader of a log
    r"eyJhbGciOiJub25lIn0\.eyJzdWIiOiI3In0\.",  # a token without a signature, which is to be refused
    r"[a-z]+-(broker|db-ca)|platform|rabbitmq-(ca|tls)",  # names of Secrets
    "DATABASE_PASSWORD|OWNER_PASSWORD",  # and of variables
    "secret-|whsec_",  # tests repeat them
    "whsec_bm90IGFza2Vk",  # "not asked", in a test
    "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",  # "0123456789abcdef" twice, for the pages of a service
)
"""Patterns of whole words that look like secrets and are not"""
FOREIGN = (
    "ArtifactoryDetector",
    "CloudantDetector",
    "DiscordBotTokenDetector",
    "IPPublicDetector",
    "IbmCloudIamDetector",
    "IbmCosHmacDetector",
    "MailchimpDetector",
    "NpmDetector",
    "SendGridDetector",
    "SoftlayerDetector",
    "SquareOAuthDetector",
    "TelegramBotTokenDetector",
    "TwilioKeyDetector",
)
"""Detectors for places that this system has nothing to do with: they take a third of the time"""
_FILTER = "detect_secrets.filters.regex.should_exclude_secret"


def leaks(root: Path) -> list[str]:
    """What looks like a secret below a folder, and the file and line of each."""
    with default_settings() as settings:
        settings.disable_plugins(*FOREIGN)
        settings.filters |= {_FILTER: {"pattern": [f"^({one})$" for one in KNOWN]}}
        found = SecretsCollection(root=str(root))
        found.scan_files(*files(root))
    return sorted(f"{file}:{one.line_number}: {one.type}" for file, one in found)


def files(root: Path) -> list[str]:
    """What git has or would take; where git does not answer, every file that is not below a folder with a dot."""
    git = shutil.which("git")
    if git and (root / ".git").exists():
        command = [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)  # noqa: S603  # ours
        if listed.returncode == 0:
            return listed.stdout.rstrip("\0").split("\0")
    return [str(path.relative_to(root)) for path in _unpacked(root)]


def _unpacked(root: Path) -> Iterator[Path]:
    for folder, below, names in os.walk(root):
        below[:] = [name for name in below if name == ".ci" or not name.startswith((".", "__pycache__"))]
        yield from (Path(folder, name) for name in names)


def main() -> None:
    """Say every leak, and end with 1 if there is any."""
    found = leaks(ROOT)
    for leak in found:
        typer.echo(f"{leak} looks like a secret", err=True)
    raise SystemExit(bool(found))


if __name__ == "__main__":
    main()
