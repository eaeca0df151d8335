"""What is made of the figures of a run."""

import pytest

from tests.bench.figures import (
    Archive,
    Asked,
    Contest,
    Figures,
    Floor,
    Goal,
    Growth,
    Lag,
    Latency,
    Overload,
    Watched,
)
from tests.bench.goals import goals, half_of
from tests.bench.quantiles import percentile, ratio
from tests.bench.scale import CALM, MAX_BATCH


def found(figures: Figures) -> list[tuple[float, bool]]:
    """The results of the goals, and whether they were reached."""
    return [(goal.result, goal.met) for goal in goals(figures)]


@pytest.mark.parametrize(("percent", "value"), [(0, 1), (50, 5), (90, 9), (95, 10), (100, 10)])
def test_a_percentile_is_one_of_the_values(percent: float, value: float) -> None:
    """It is the smallest one that so many percent of the values do not exceed."""
    assert percentile([10, 9, 8, 7, 6, 5, 4, 3, 2, 1], percent) == value


def test_a_contender_is_judged_by_its_median() -> None:
    """One round in which the machine had other things to do changes nothing."""
    cpu = [
        {"payment_svc": 1.0, "seat_svc": 2.0, "postgres": 4.0},
        {"payment_svc": 1.0, "seat_svc": 2.0, "postgres": 5.0},
    ]
    contest = Contest(rounds=[100, 10, 101], cpu=[*cpu, cpu[0]])

    assert (contest.per_second, contest.cpu_of("services"), contest.cpu_of("PostgreSQL")) == (100, 3, 4)


def test_a_ratio_is_taken_round_by_round() -> None:
    """A machine that slows down from round to round slows down both."""
    assert ratio([2, 20, 240, 2000], [1, 10, 100, 1000]) == (2, 2, 2)


@pytest.mark.parametrize(("result", "met"), [(1.24, False), (1.25, True), (2, True)])
def test_a_goal_that_is_a_least_is_met_from_there_on(result: float, met: bool) -> None:
    """The bound itself counts."""
    assert Goal(name="ratio", at_least=1.25, result=result).met is met


def test_goals_are_ratios_within_a_run() -> None:
    """Throughput is divided by that of the facades, latency by what could not be faster."""
    rates = {"saga": 250, "facade": 200, "facade-sql": 500, "broker": 300, "direct": 100, "direct-sql": 400}
    figures = Figures(
        saturation={name: Contest(rounds=[rate], cpu=[{"postgres": 1000 / rate}]) for name, rate in rates.items()},
        batches={1: [50.0, 40.0], MAX_BATCH: [270.0, 270.0]},
        latency=[
            Latency(contender="saga", rate=CALM, checkouts=1, p50=0.02, p95=0.03, p99=0.04),
            Latency(contender="saga", rate=125, checkouts=1, p50=0.02, p95=0.03, p99=0.04),
        ],
        floor=Floor(commit=0.001, publish=0.001, p50=0.01),
        growth=Growth(finished=1_000_000, empty=200, full=100),
        overload=Overload(factor=3, saturation=[300, 310, 290], completed=[150, 270, 290]),
        peak_memory={"point_svc": 100 * 2**20, "facade": 200 * 2**20},
        idle_percent=1.5,
    )

    assert found(figures) == [
        (1.25, False),
        (0.5, False),
        (2, False),
        (3, False),
        (0.75, True),
        (6, True),
        (2, True),
        (1, True),
        (2, True),
        (0.9, True),
        (0.5, False),
        (100, False),
        (1.5, False),
    ]


def test_the_window_is_charged_for_what_it_makes_others_do() -> None:
    """Its own processor time is left out; what broker, services and load use more because of it is not."""
    # given
    with_it = Contest(rounds=[160.0], cpu=[{"rabbitmq": 2.0, "postgres": 6.0, "window": 2.5, "window sessions": 0.5}])
    without = Contest(rounds=[200.0], cpu=[{"rabbitmq": 1.6, "postgres": 6.0, "window": 0.1, "window sessions": 0.0}])
    lag = Lag(seen_p50=0.1, seen_p99=0.5, stored_p50=0.1, stored_p99=0.75, told_p50=0.4, told_p99=2)
    # when
    watched = Watched(watched=with_it, unwatched=without, lag=lag)
    # then
    assert (watched.ratio, watched.ratio_apart) == (0.8, 0.95)
    assert found(Figures(watched=watched)) == [(0.95, True), (0.75, True)]


def test_the_slowest_question_counts() -> None:
    """Of the pages, and of the searches, each against its own bound."""
    asked = [
        Asked(name="now", is_search=False, p95=0.125, empty=0.001),
        Asked(name="parked", is_search=False, p95=0.005, empty=0.001),
        Asked(name="search: seat", is_search=True, p95=0.0625, empty=0.001),
    ]
    archive = Archive(events=10, sagas=2, bytes=1, filling=1, judging=1, asked=asked)

    assert found(Figures(archive=archive)) == [(125, True), (62.5, False)]


def test_a_goal_that_was_not_measured_is_not_named() -> None:
    """A run of one part says nothing about the others."""
    assert goals(Figures(saturation={"saga": Contest(rounds=[100])})) == []


def test_half_of_saturation_is_a_whole_number_of_requests() -> None:
    """The rate is found again among the latencies by its value."""
    assert half_of(Figures(saturation={"saga": Contest(rounds=[301.0])}), "saga") == 150
