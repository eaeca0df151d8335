"""The cards of the services say what their code says, wherever they are made."""

from pathlib import Path

import pytest

from chassis.choreography.loading import load
from chassis.documents.cards import card
from chassis.documents.picture import at_a_glance
from chassis.documents.portrait import Portrait, portrait

GRAPH = load(Path(__file__).parents[2])


@pytest.fixture(params=GRAPH.services, ids=lambda service: service.name)
def known(request: pytest.FixtureRequest) -> Portrait:
    """The portrait of each service in turn."""
    return portrait(request.param)


def payment() -> str:
    """The card of payment_svc."""
    return card(GRAPH, portrait(next(service for service in GRAPH.services if service.name == "payment")))


def test_everything_on_a_card_is_explained(known: Portrait) -> None:
    """No table, route, job, step or setting is without words of its own: they are missing in the code, then."""
    words: list[tuple[str, str | None]] = [*known.routes, *known.jobs]
    words += [(setting.variable, setting.meaning) for setting in known.settings]
    words += [(table.__name__, table.__doc__) for table in known.tables]
    words += [(step.queue, step.function.__doc__) for step in known.service.steps]

    assert [name for name, meaning in words if not meaning] == []
    assert known.summary


def test_a_card_does_not_depend_on_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A card shows defaults, also where the variables are set, and never a secret."""
    before = payment()
    monkeypatch.setenv("PAYMENT_PORT", "9")
    monkeypatch.setenv("PAYMENT_CHECKOUT_DAYS", "2")
    monkeypatch.setenv("PAYMENT_PLATFORM_SECRET", "whsec_c2VjcmV0")

    assert payment() == before
    assert "whsec_c2VjcmV0" not in before


@pytest.mark.parametrize(
    "line",
    [
        "| `payment.cancel` | `reservation.expired`, `reservation.given-up` | `payment.cancelled` | "
        "Withdraw the payment of a hold that is over; a paid one cannot be, as its reservation is confirmed. |",
        "- What `payment.pay` did is taken back by `payment.revert` when the saga fails or lapses.",
        "| `payment` | What a user owes for held seats; `checkout_id` is the checkout that has locked or paid it. |",
        "- The database refuses a row of `payment` where `total_price > 0` does not hold.",
        "| `GET /operations/stuck` | ",
        "| `payment.retry.5s` | `5s.#` | `x-message-ttl: 5000`, `x-dead-letter-exchange: payment.redeliver` |",
        "| `PAYMENT_MAX_POINTS` | `1000000` | The largest total of a payment |",
        "| `PAYMENT_PLATFORM_URL` | required | ",
        "| `TOKEN_KEYS` | required | ",
    ],
)
def test_a_card_shows(line: str) -> None:
    """A card shows steps, guarantees, tables, constraints, nested routes, queues, defaults and what has none."""
    assert line in payment()


def test_the_picture_shows_every_step_of_the_saga() -> None:
    """The picture of the README has every step of the checkout, and the refusal of the pivot leads back."""
    picture = at_a_glance(GRAPH, "checkout")

    for step in (*GRAPH.way_out("checkout"), *GRAPH.way_back("checkout")):
        assert f'"{step.queue}"' in picture
    assert 'seat_reserve{{"seat.reserve"}} -. refused .-> payment_revert["payment.revert"]' in picture
    assert 'point_refund["point.refund"] -.-> payment_close["payment.close"]' in picture
