"""A signature is a declaration."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

import pytest

from chassis.choreography.declaration import By, Via
from chassis.choreography.step import Dependency, Kind, RowParameter
from tests.unit.lamps import Broken, Circuit, Dark, Ladder, Lamp, Lit, Pressed, a_service

LAMP = RowParameter("lamp", Lamp, many=False, optional=False, column="lamp_id", via=None)


def test_a_signature_says_what_is_heard_touched_and_said() -> None:
    """The first parameter is heard, tables are rows, `now` is the time, the rest are resources, the return is said."""
    # given
    service = a_service()

    # when
    @service.step
    def light(pressed: Pressed, lamp: Lamp, ladder: Ladder, now: datetime) -> Lit | Broken | None: ...

    # then
    step = service.declared(light)
    assert (step.service, step.name, step.queue, step.kind) == ("lamps", "light", "lamps.light", Kind.STEP)
    assert step.hears == (Pressed,)
    assert step.says == (Lit, Broken)
    assert step.rows == (LAMP,)
    assert step.dependencies == (Dependency("ladder", Ladder),)
    assert step.takes_now
    assert step.function is light
    assert step.undoes is None


@pytest.mark.parametrize(
    ("hint", "rows"),
    [
        (Lamp, LAMP),
        (Lamp | None, replace(LAMP, optional=True)),
        (list[Lamp], replace(LAMP, many=True)),
        (Annotated[list[Lamp], By("room_id")], replace(LAMP, many=True, column="room_id")),
        (Annotated[Lamp | None, By("room_id")], replace(LAMP, optional=True, column="room_id")),
    ],
)
def test_the_form_of_a_row_says_how_many_there_are(hint: Any, rows: RowParameter) -> None:
    """`Row` is there, `Row | None` may be, `list[Row]` are all; markers say how they are found."""
    # given
    service = a_service()

    def light(pressed: Pressed, lamp: Any) -> Lit | None: ...

    light.__annotations__["lamp"] = hint
    # when
    service.step(light)
    # then
    assert service.declared(light).rows == (rows,)


def test_rows_may_be_found_by_what_earlier_ones_carry() -> None:
    """`Via` names the earlier parameter; the column is the primary key of the rows that are looked for."""
    # given
    service = a_service()

    # when
    @service.step
    def light(pressed: Pressed, lamp: Lamp, circuits: Annotated[list[Circuit], Via("lamp")]) -> Lit | None: ...

    # then
    circuits = RowParameter("circuits", Circuit, many=True, optional=False, column="circuit_id", via="lamp")
    assert service.declared(light).rows == (LAMP, circuits)


def test_a_step_may_hear_and_say_several_events() -> None:
    """Unions keep their order, and what comes into being beside an event is no event."""
    # given
    service = a_service()

    # when
    @service.step
    def switch(event: Pressed | Broken) -> tuple[Lit | Broken, Lamp] | Dark | None: ...

    # then
    step = service.declared(switch)
    assert step.hears == (Pressed, Broken)
    assert step.says == (Lit, Broken, Dark)
    assert not step.rows
    assert not step.takes_now


def test_an_undo_names_what_it_undoes() -> None:
    """The declaration of the compensation holds that of the step."""
    # given
    service = a_service()

    @service.step
    def light(pressed: Pressed) -> Lit | Broken:
        raise NotImplementedError

    # when
    @service.undo(light)
    def darken(lost: Broken) -> Dark | None: ...

    # then
    step = service.declared(darken)
    assert (step.kind, step.undoes) == (Kind.UNDO, service.declared(light))


def test_a_start_hears_nothing() -> None:
    """What begins a saga has no queue; its rows are given by whoever begins."""
    # given
    service = a_service()

    # when
    @service.start
    def press(lamp: Lamp, how_often: int) -> tuple[Pressed, Circuit]:
        raise NotImplementedError

    # then
    step = service.declared(press)
    assert (step.kind, step.hears, step.says) == (Kind.START, (), (Pressed,))
    assert service.listening == []


def test_a_lapse_undoes_without_hearing() -> None:
    """What the clock gives up is declared as the way back of what it undoes."""
    # given
    service = a_service()

    @service.step
    def light(pressed: Pressed) -> Lit:
        raise NotImplementedError

    # when
    @service.lapse(light)
    def burn_out(lamps: list[Lamp], now: datetime) -> Dark | None: ...

    # then
    step = service.declared(burn_out)
    assert (step.kind, step.hears, step.says) == (Kind.LAPSE, (), (Dark,))
    assert step.undoes == service.declared(light)


def test_a_pivot_is_a_step_of_its_own_kind() -> None:
    """The point of no return is told apart from other steps, and heard like them."""
    # given
    service = a_service()

    # when
    @service.pivot
    def light(pressed: Pressed) -> Lit | Broken:
        raise NotImplementedError

    # then
    step = service.declared(light)
    assert (step.kind, step.saga, step.refusals) == (Kind.PIVOT, "switching", (Broken,))
    assert service.listening == [step]


def test_a_resource_shows_how_a_saga_ended() -> None:
    """Each end of a saga is some status of a REST resource."""
    # given
    service = a_service()
    # when
    service.shows("/lamps", {Dark: "off"})
    # then
    assert service.resources == {"/lamps": {Dark: "off"}}


def test_an_effect_is_async() -> None:
    """What does I/O is told apart by its kind."""
    # given
    service = a_service()

    # when
    @service.effect
    async def ring(lit: Lit, ladder: Ladder) -> Dark:
        raise NotImplementedError

    # then
    step = service.declared(ring)
    assert step.kind is Kind.EFFECT
    assert step.dependencies == (Dependency("ladder", Ladder),)
    assert service.listening == [step]


@pytest.mark.parametrize(("says", "can"), [(Lit | Broken, True), (Broken | None, True), (Lit | Dark, False)])
def test_who_says_a_refusal_can_refuse(says: Any, can: bool) -> None:
    """A step that may say no refusal has to succeed in the end."""
    # given
    service = a_service()

    def light(pressed: Pressed) -> Any: ...

    light.__annotations__["return"] = says
    # when
    service.step(light)
    # then
    assert service.declared(light).can_refuse is can


def test_a_name_may_avoid_a_builtin() -> None:
    """An underscore at the end belongs to Python, not to the queue."""
    # given
    service = a_service()

    # when
    @service.step
    def open_(pressed: Pressed) -> Lit:
        raise NotImplementedError

    # then
    assert service.declared(open_).queue == "lamps.open"


def test_a_declared_function_stays_a_function() -> None:
    """Declaring does not wrap: a test calls what production calls."""

    def light(pressed: Pressed) -> Lit:
        return Lit.after(pressed)

    assert a_service().step(light) is light
    assert light(Pressed(room_id=5)) == Lit(room_id=5)
