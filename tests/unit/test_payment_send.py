"""How payment_svc tells the external platform."""

from uuid import UUID

import pytest

from contracts import checkout, payment
from contracts.event import Event
from payment_svc.models import DeliveryStatus
from payment_svc.notices import send
from payment_svc.platform import Platform, PlatformUnavailableError
from tests.unit.examples import CHECKOUT_ID, PAYMENT_ID, an


class FakePlatform(Platform):
    """Answers as it is told, and remembers under which id it was asked."""

    def __init__(self, answer: str | Exception | None) -> None:
        self.answer = answer
        self.asked: list[UUID] = []
        self.kinds: list[str] = []

    async def deliver(self, delivery_id: UUID, kind: str, event: Event) -> str | None:
        """Take it or refuse it."""
        self.asked.append(delivery_id)
        self.kinds.append(kind)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def test_send_delivers_under_the_id_of_the_checkout() -> None:
    """The platform has the payment, and the delivery is written down."""
    # given
    platform = FakePlatform(None)
    # when
    event, delivery = await send(an(checkout.Completed), platform)
    # then
    assert event == an(payment.Sent)
    assert (platform.asked, platform.kinds) == ([CHECKOUT_ID], ["payment.paid"])
    assert (delivery.checkout_id, delivery.payment_id) == (CHECKOUT_ID, PAYMENT_ID)
    assert (delivery.status, delivery.reason) == (DeliveryStatus.SENT, None)


async def test_send_says_that_it_was_refused_for_good() -> None:
    """A refusal for good is an event with its reason, not an exception."""
    # given
    platform = FakePlatform("platform-gone")
    # when
    event, delivery = await send(an(checkout.Completed), platform)
    # then
    assert event == an(payment.SendFailed, reason="platform-gone")
    assert (delivery.status, delivery.reason) == (DeliveryStatus.FAILED, "platform-gone")


async def test_send_raises_while_the_platform_is_down() -> None:
    """What may work later is raised, so that it is tried again."""
    # given
    platform = FakePlatform(PlatformUnavailableError("the platform answered 503"))
    # when, then
    with pytest.raises(PlatformUnavailableError):
        await send(an(checkout.Completed), platform)
