"""The pages that show the REST interface work without the internet."""

import re

import pytest

from stack.services import SERVICES
from tests.end_to_end.system import System


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("page", ["/docs", "/redoc"])
async def test_page_names_no_foreign_host(system: System, service: str, page: str) -> None:
    """Every script, style and picture comes from the service itself."""
    # when
    answer = await system.ask("GET", service, page)
    # then
    assert answer.status_code == 200
    assert not re.findall(r"(?:src|href)=[\"'](?:https?:)?//", answer.text)
    assets = re.findall(r"(?:src|href)=[\"'](/[^\"']+)", answer.text)
    assert len(assets) >= 2
    for asset in assets:
        assert (await system.ask("GET", service, asset)).status_code == 200
