"""What the timeline of the demo says about causes."""

from datetime import timedelta

from stack.demo.timeline import Observer, Said
from tests.unit.examples import NOW


def said(event: str, after: int, cause: str | None) -> Said:
    """An event of one saga, so many seconds after it began."""
    return Said(event, "saga", NOW + timedelta(seconds=after), event.partition(".")[0], event, cause, "{}")


REQUESTED = said("reservation.requested", 0, None)
EXPIRED = said("reservation.expired", 9, None)
CANCELLED = said("payment.cancelled", 10, "reservation.expired")
FOREIGN = said("payment.published", 2, "unheard")


def test_a_cause_is_named_or_called_unseen() -> None:
    """A saga begins with a request, and the clock may end a hold; an event that nobody saw is not called a request."""
    observer = Observer()
    observer.see(REQUESTED)
    observer.see(EXPIRED)
    observer.see(CANCELLED)
    observer.see(FOREIGN)

    causes = [observer.cause_of(one) for one in observer.timeline("saga")]

    assert causes == ["the request", "event unheard, unseen", "the clock", "reservation.expired"]
