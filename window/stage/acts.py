"""Acts: what the buttons of the page do, and how that is told."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from uuid import UUID

from window.stage.asking import Asks, StageError

STOP_SECONDS, FAIL_SECONDS = 20, 60


@dataclass(frozen=True)
class Asked:
    """A button that was pressed: who pressed it, and the fields of its form."""

    ask: Asks
    token: str
    fields: Mapping[str, Sequence[str]]

    def text(self, name: str) -> str:
        """A field; empty without one."""
        return next(iter(self.fields.get(name, ())), "").strip()

    def number(self, name: str, what: str) -> int:
        """A field that holds a whole number; raises StageError for another."""
        return _whole(self.text(name), what)

    def identity(self, name: str, what: str) -> str:
        """A field that holds an id; raises StageError for another."""
        try:
            return str(UUID(self.text(name)))
        except ValueError as error:
            raise StageError(f"That is no {what}.") from error

    @property
    def seats(self) -> list[int]:
        """The seats that are chosen; raises StageError if there are none."""
        chosen = [_whole(seat, "a seat") for seat in self.fields.get("seat", ())]
        if not chosen:
            raise StageError("Choose a seat first.")
        return chosen

    @property
    def fan(self) -> str:
        """The fan, as part of a path."""
        return quote(self.text("fan"), safe="")

    async def do(self, path: str, body: Mapping[str, Any] | None = None, method: str = "POST") -> Any:
        """What the stage answers."""
        return await self.ask(self.token, method, path, body)


async def charge(asked: Asked) -> str:
    """Put points into the wallet."""
    amount = asked.number("amount", "the points")
    wallet = await asked.do(f"/fans/{asked.fan}/charge", {"amount": amount})
    return f"Charged {amount:,} points: the wallet holds {wallet['balance']:,}."


async def hold(asked: Asked) -> str:
    """Hold the seats that are chosen."""
    seats = asked.seats
    held = await asked.do(f"/fans/{asked.fan}/hold", {"seat_ids": seats})
    told = {"temp": f"{_seats(seats)} held: pay before the time is up.", "requested": "Asked for; no answer yet."}
    return told.get(held["status"], f"{_seats(seats)} not held: {held['reason'] or held['status']}.")


async def pay(asked: Asked) -> str:
    """Begin to pay for a hold."""
    payment_id = asked.identity("payment_id", "hold")
    checkout = await asked.do(f"/fans/{asked.fan}/pay", {"payment_id": payment_id})
    return f"Checkout {checkout['checkout_id']} is under way: watch it."


async def give_back(asked: Asked) -> str:
    """Give a hold back that is not paid."""
    payment_id = asked.identity("payment_id", "hold")
    held = await asked.do(f"/fans/{asked.fan}/holds/{payment_id}", method="DELETE")
    return f"The hold is {held['status']}: its seats are on sale again in a moment."


async def refund(asked: Asked) -> str:
    """Begin to take back a completed checkout."""
    checkout_id = asked.identity("checkout_id", "checkout")
    wanted = await asked.do(f"/fans/{asked.fan}/refund", {"checkout_id": checkout_id})
    return f"Refund {wanted['refund_id']} is under way: watch it."


async def call_off(asked: Asked) -> str:
    """Call off the evening that is shown."""
    date_id = asked.number("date", "the evening")
    evening = await asked.do(f"/dates/{date_id}/cancel")
    return f"The evening is called off: {evening['held']:,} held and {evening['sold']:,} sold seats are given back."


async def withdraw(asked: Asked) -> str:
    """Take the seats that are chosen off sale."""
    return await _operate(asked, "withdraw", "withdrawn")


async def put_back(asked: Asked) -> str:
    """Put the seats that are chosen back on sale."""
    return await _operate(asked, "return", "back on sale")


async def crowd(asked: Asked) -> str:
    """Have twenty fans want the seat that is chosen."""
    seats = asked.seats
    if len(seats) != 1:
        raise StageError("A crowd wants one seat: choose a single one.")
    rush = await asked.do("/crowd", {"seat_id": seats[0]})
    reasons = ", ".join(f"{count} refused with {reason}" for reason, count in rush["refusals"].items())
    winner = ", ".join(rush["bought_by"]) or "nobody"
    return f"{rush['fans']} fans: {winner} has the seat; {reasons or 'nobody was refused'}."


async def platform(asked: Asked) -> str:
    """Have the platform answer 500, be slow, or be well again."""
    mode = asked.text("mode")
    if mode == "well":
        await asked.do("/platform", method="DELETE")
        return "The platform is well again."
    await asked.do("/platform", {"mode": mode, "seconds": FAIL_SECONDS}, "PUT")
    what = {"error": "answers 500", "slow": "takes 3 s for each delivery"}
    return f"The platform {what.get(mode, 'fails')} for {FAIL_SECONDS} s."


async def process(asked: Asked) -> str:
    """Pause, resume, kill or stop a service."""
    name, how = asked.text("name"), asked.text("how")
    body = {"seconds": STOP_SECONDS} if how == "stop" else None
    await asked.do(f"/processes/{quote(name, safe='')}/{quote(how, safe='')}", body)
    told = {
        "pause": f"{name} stands still, for 60 s at most.",
        "resume": f"{name} goes on.",
        "kill": f"{name} was killed; it is started again.",
        "stop": f"{name} is stopped for {STOP_SECONDS} s.",
    }
    return told.get(how, "Done.")


async def poison(asked: Asked) -> str:
    """Put a broken message into the queue of a step."""
    poisoned = await asked.do("/poison", {"step": asked.text("step")})
    return f"{poisoned['step']} was sent a broken {poisoned['event']}; it will be among what is parked."


ACTS: Mapping[str, Callable[[Asked], Awaitable[str]]] = {
    "charge": charge,
    "hold": hold,
    "pay": pay,
    "give-back": give_back,
    "refund": refund,
    "withdraw": withdraw,
    "return": put_back,
    "call-off": call_off,
    "crowd": crowd,
    "platform": platform,
    "process": process,
    "poison": poison,
}
"""By the last part of their path"""


async def _operate(asked: Asked, how: str, done: str) -> str:
    for seat in asked.seats:
        await asked.do(f"/seats/{seat}/{how}")
    return f"{_seats(asked.seats)} {done}."


def _seats(seats: Sequence[int]) -> str:
    return "1 seat" if len(seats) == 1 else f"{len(seats)} seats"


def _whole(text: str, what: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 13):  # noqa: PLR2004  # below a trillion
        raise StageError(f"A whole number is needed for {what}.")
    return int(text)
