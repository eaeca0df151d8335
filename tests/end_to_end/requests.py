"""The requests of `requests.http`, read as the REST client of an editor reads them."""

import re
from dataclasses import dataclass, field

from stack.directory import ROOT

FILE = ROOT / "requests.http"
_VARIABLE = re.compile(r"^@(?P<name>\w+) =[ ]?(?P<value>.*)$", re.MULTILINE)
_LINE = re.compile(r"^(?P<method>GET|POST) \{\{(?P<service>\w+)\}\}(?P<path>/\S*)$")


@dataclass(frozen=True)
class Request:
    """One request, its variables still in it."""

    method: str
    service: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""

    def filled(self, values: dict[str, str]) -> "Request":
        """The same with values for its variables."""

        def fill(text: str) -> str:
            return re.sub(r"\{\{(\w+)\}\}", lambda found: values[found[1]], text)

        headers = {name: fill(value) for name, value in self.headers.items()}
        return Request(self.method, self.service, fill(self.path), headers, fill(self.body))


def variables() -> dict[str, str]:
    """The variables at the top, by their names."""
    return {found["name"]: found["value"] for found in _VARIABLE.finditer(FILE.read_text())}


def requests() -> list[Request]:
    """The requests, in their order."""
    _, *parts = re.split(r"^###.*\n", FILE.read_text(), flags=re.MULTILINE)
    return [_request(part) for part in parts]


def _request(part: str) -> Request:
    head, _, body = part.strip().partition("\n\n")
    first, *rest = head.splitlines()
    line = _LINE.match(first)
    assert line is not None, f"no request: {first!r}"
    headers = dict(header.split(": ", 1) for header in rest)
    return Request(line["method"], line["service"], line["path"], headers, body)
