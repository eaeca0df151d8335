"""The figures of several processes of each service on one machine, and what they are compared by."""

from collections.abc import Iterator, Sequence
from statistics import median

from pydantic import BaseModel, Field

from tests.bench.wishes import EACH, Wish

WAITED_FOR = 3
"""Up to so many processes a fan who waits should not notice"""


class Throughput(BaseModel):
    """What was done in a second, round by round, with so many processes of each service."""

    wish: Wish
    is_hot: bool
    """Whether all seats were on one evening"""
    processes: int
    rounds: list[float] = Field(default_factory=list)
    commits: list[float] = Field(default_factory=list)
    """How many transactions of the services each of them took: the fewer events share one, the more"""

    def add(self, per_second: float, commits: float) -> None:
        """One more round."""
        self.rounds.append(per_second)
        self.commits.append(commits)

    @property
    def shown(self) -> str:
        """Both, for people."""
        return f"{self.per_second:.0f} ({median(self.commits):.1f})"

    @property
    def per_second(self) -> float:
        """The median of the rounds."""
        return median(self.rounds)

    @property
    def name(self) -> str:
        """What is asked for, and for which evenings."""
        where = "" if self.wish is Wish.CHARGE else ", one hot evening" if self.is_hot else ", many evenings"
        return f"{self.wish}{where}"


class Fleet(BaseModel):
    """Throughput over processes, and how long a checkout takes its client who waits for it; processes by number."""

    throughput: list[Throughput] = Field(default_factory=list)
    waits: dict[int, float] = Field(default_factory=dict)
    """The p50 of `POST /checkouts` with `Prefer: wait`, one after the other, at each process in turn"""

    def of(self, wish: Wish, processes: int, *, is_hot: bool = False) -> Throughput:
        """The throughput of one kind, which is begun when it is not known yet."""
        for one in self.throughput:
            if (one.wish, one.processes, one.is_hot) == (wish, processes, is_hot):
                return one
        self.throughput.append(Throughput(wish=wish, is_hot=is_hot, processes=processes))
        return self.throughput[-1]

    @property
    def kinds(self) -> Sequence[str]:
        """What was asked for, in the order in which it was."""
        return list(dict.fromkeys(one.name for one in self.throughput))

    def named(self, name: str) -> list[Throughput]:
        """One kind over processes."""
        return sorted((one for one in self.throughput if one.name == name), key=lambda one: one.processes)

    @property
    def slowdown(self) -> float:
        """How much longer a client waits with two or three processes than with one, where it is longer."""
        return max(p50 for count, p50 in self.waits.items() if 1 < count <= WAITED_FOR) / self.waits[1]

    def seconds(self) -> Iterator[tuple[Wish, float]]:
        """What is done with two processes for one that is done with one, many evenings."""
        for wish in EACH:
            yield wish, self.of(wish, 2).per_second / self.of(wish, 1).per_second

    def heat(self) -> Iterator[tuple[Wish, float]]:
        """What is done on one hot evening for one that is done on many: the median of all rounds, two by two.

        They take turns at being the first, because the machine drifts by more than what is looked for.
        """
        for wish in (Wish.HOLD, Wish.CHECKOUT):
            hot = [one for one in self.throughput if one.wish is wish and one.is_hot]
            pairs = [zip(one.rounds, self.of(wish, one.processes).rounds, strict=True) for one in hot]
            yield wish, median(on_one / on_many for rounds in pairs for on_one, on_many in rounds)
