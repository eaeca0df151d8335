"""Every endpoint with every kind of token: the table of docs/security.md is what the system does."""

from collections.abc import Mapping

import pytest

from tests.attacks.matrix import BEGIN, END, PAGE, Cells, asked, table

PUBLIC = {
    "GET /livez",
    "GET /readyz",
    "GET /concerts",
    "GET /concerts/{concert_id}/dates",
    "GET /dates/{date_id}/seats",
    "GET /docs",
    "GET /docs/oauth2-redirect",
    "GET /redoc",
    "GET /openapi.json",
    "GET /asyncapi",
    "GET /asyncapi.json",
    "GET /static-offline-docs/{file}",
}
OWN = {
    "GET /payments/{payment_id}",
    "GET /checkouts/{checkout_id}",
    "GET /checkouts/{checkout_id}/events",
    "GET /reservations/{payment_id}",
}
REFUSED = (401,) * 4


@pytest.fixture(scope="module")
async def cells(environment: Mapping[str, str]) -> Cells:
    """What the running system answers."""
    return await asked(environment)


async def test_the_table_is_current(cells: Cells) -> None:
    """`python -m tests.attacks.matrix` writes it anew."""
    written = PAGE.read_text().partition(BEGIN)[2].partition(END)[0]

    assert written == table(cells)


async def test_only_what_is_public_needs_no_token(cells: Cells) -> None:
    """A token that is missing, bad, expired or for another service opens nothing."""
    assert {operation for _, operation in cells} >= PUBLIC
    for (_, operation), found in cells.items():
        bad = tuple(found[who] for who in ("no token", "bad", "expired", "wrong audience"))
        assert bad == ((200,) * 4 if operation in PUBLIC else REFUSED), operation


async def test_only_operators_operate(cells: Cells) -> None:
    """Not fans, and not those who watch."""
    for (_, operation), found in cells.items():
        if "/operations/" in operation:
            assert {found[who] for who in ("fan", "other fan", "monitor")} == {403}, operation
            assert found["operator"] in (200, 202, 204), operation


async def test_nobody_sees_what_is_anothers(cells: Cells) -> None:
    """To everybody but its owner, it is not there."""
    seen = {operation for _, operation in cells}
    assert seen >= OWN
    for (_, operation), found in cells.items():
        if operation in OWN:
            assert found["fan"] == 200, operation
            assert {found[who] for who in ("other fan", "monitor", "operator")} == {404}, operation


async def test_operators_see_refunds(cells: Cells) -> None:
    """They may ask for one, as whoever has bought; to everybody else, what was bought is not there."""
    for path, status in (("GET /refunds/{refund_id}", 200), ("POST /checkouts/{checkout_id}/refund", 409)):
        found = cells["payment", path]
        assert [found[who] for who in ("fan", "operator", "other fan", "monitor")] == [status, status, 404, 404], path
    assert cells["payment", "GET /refunds/{refund_id}/events"] == cells["payment", "GET /refunds/{refund_id}"]


async def test_nobody_pays_what_is_anothers(cells: Cells) -> None:
    """Its owner, who has paid it, is told so; to everybody else, operators included, it is not there."""
    found = cells["payment", "POST /checkouts"]

    assert [found[who] for who in ("fan", "other fan", "monitor", "operator")] == [409, 404, 404, 404]


async def test_nobody_gives_back_what_is_anothers(cells: Cells) -> None:
    """Its owner, who was refunded, has nothing left of it; to everybody else, operators included, it is not there."""
    found = cells["reservation", "DELETE /reservations/{payment_id}"]

    assert [found[who] for who in ("fan", "other fan", "monitor", "operator")] == [200, 404, 404, 404]


async def test_whoever_is_known_may_charge_and_hold(cells: Cells) -> None:
    """Their own wallet, and for themselves."""
    for one, status in ((("point", "POST /points/charge"), 200), (("reservation", "POST /reservations"), 202)):
        assert {cells[one][who] for who in ("fan", "other fan", "monitor", "operator")} == {status}


async def test_only_who_watches_sees_metrics(cells: Cells) -> None:
    """The numbers of a service are not for strangers."""
    for (_, operation), found in cells.items():
        if operation == "GET /metrics":
            assert [found[who] for who in ("fan", "other fan", "monitor", "operator")] == [403, 403, 200, 200]
