"""Portrait: all that a service says of itself, gathered from its package without starting anything."""

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from fastapi import APIRouter, FastAPI
from pydantic import TypeAdapter
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from chassis.choreography.declaration import Service

# Nothing is opened with these; they stand for what has no default, where the whole of a service is put together.
_STAND_IN = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


@dataclass(frozen=True)
class Setting:
    """One variable of a service; `default` is None when the variable is required."""

    variable: str
    default: str | None
    meaning: str


@dataclass(frozen=True)
class Portrait:
    """A service with its words, tables, routes, jobs and settings."""

    service: Service
    summary: str
    tables: tuple[Any, ...]
    routes: tuple[tuple[str, str], ...]
    jobs: tuple[tuple[str, str], ...]
    settings: tuple[Setting, ...]


def portrait(service: Service) -> Portrait:
    """The portrait of the service whose package is `NAME_svc`; its modules are imported."""
    package = f"{service.name}_svc"
    kind: type[BaseSettings] = importlib.import_module(f"{package}.settings").Settings
    whole = importlib.import_module(f"{package}.main").definition(_stand_in(kind))
    jobs = [*whole.jobs, *([whole.purge] if whole.purge else [])]
    return Portrait(
        service=service,
        summary=first_line(importlib.import_module(package)),
        tables=tuple(_tables(importlib.import_module(f"{package}.models"))),
        routes=tuple(_routes(whole.router)),
        jobs=tuple((f"{job.every.total_seconds():g} s", first_line(job.work)) for job in jobs),
        settings=variables(kind),
    )


def variables(kind: type[BaseSettings]) -> tuple[Setting, ...]:
    """Each variable that a class of settings reads."""
    return tuple(_setting(kind, name, field) for name, field in kind.model_fields.items())


def first_line(documented: object) -> str:
    """The first line of a docstring."""
    return (documented.__doc__ or "").strip().partition("\n")[0]


def _stand_in(kind: type[BaseSettings]) -> BaseSettings:
    """Settings with every default, whatever the environment says."""
    required: dict[str, Any] = {name: it.annotation for name, it in kind.model_fields.items() if it.is_required()}
    return kind.model_construct(
        **{name: TypeAdapter(type_).validate_python(_STAND_IN) for name, type_ in required.items()}
    )


def _tables(models: ModuleType) -> Iterator[Any]:
    mine = (one for one in vars(models).values() if getattr(one, "__module__", None) == models.__name__)
    return (one for one in mine if hasattr(one, "__table__"))


def _routes(router: APIRouter) -> Iterator[tuple[str, str]]:
    """Each route and what it does, read from the OpenAPI document, which shows nested routers too."""
    app = FastAPI()
    app.include_router(router)
    for path, methods in app.openapi()["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation.get("description", "").partition("\n")[0]


def _setting(kind: type[BaseSettings], name: str, field: FieldInfo) -> Setting:
    prefix = kind.model_config.get("env_prefix", "")
    choices = getattr(field.validation_alias, "choices", ())
    variable = next((choice for choice in choices if choice.isupper()), f"{prefix}{name}".upper())
    default = None if field.is_required() else _shown(field.get_default(call_default_factory=True))
    return Setting(variable, default, field.description or "")


def _shown(value: object) -> str:
    if value is None:
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
