"""Words: times, lengths of time and states, as a page says them."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from window.looks import Summary
from window.story import Story, Way

_STATES = {Way.OUT: "under way", Way.BACK: "on its way back", Way.ENDED: "ended"}


def lasting(time: timedelta) -> str:
    """A length of time in one or two units: `12 ms`, `1.20 s`, `2 min 3 s`, `5 h 2 min`, `3 d 4 h`."""
    seconds = time.total_seconds()
    sign, seconds = ("\N{MINUS SIGN}" if seconds < 0 else ""), abs(seconds)
    if seconds < 1:
        return f"{sign}{seconds * 1000:.0f} ms"
    if seconds < 60:  # noqa: PLR2004  # a minute
        return f"{sign}{seconds:.2f} s" if seconds < 10 else f"{sign}{seconds:.1f} s"  # noqa: PLR2004
    return sign + _in_two_units(int(seconds))


def _in_two_units(seconds: int) -> str:
    units = [("d", 86400), ("h", 3600), ("min", 60), ("s", 1)]
    for (name, size), (next_name, next_size) in pairwise(units):
        if seconds >= size:
            rest = seconds % size // next_size
            return f"{seconds // size} {name} {rest} {next_name}" if rest else f"{seconds // size} {name}"
    return f"{seconds} s"


def elapsed(time: timedelta) -> str:
    """A time since a start, exact enough to tell two rows apart: `+12 ms`, `+1.20 s`, `+5:00.040`."""
    if abs(time) < timedelta(minutes=1):
        words = lasting(time)
        return words if time < timedelta() else f"+{words}"
    minutes, seconds = divmod(abs(time).total_seconds(), 60)
    return f"{'+' if time > timedelta() else chr(0x2212)}{minutes:.0f}:{seconds:06.3f}"


def moment(at: datetime) -> str:
    """A moment of UTC, to the millisecond."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}"


def clock(at: datetime) -> str:
    """The time of day in UTC, to the millisecond."""
    return moment(at)[11:]


def state(of: Story | Summary) -> str:
    """What has become of a saga, in a word or three."""
    return of.outcome or _STATES[of.way]


def mood(of: Story | Summary) -> str:
    """The class that colours a state: `good`, `bad`, `back`, `out` or `late`."""
    if of.way is Way.ENDED:
        return "good" if of.reason is None else "bad"
    if of.is_late:
        return "late"
    return of.way.value
