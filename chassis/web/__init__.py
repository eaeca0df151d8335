"""The REST interface of a service: the application, who asks, problems, health."""

from chassis.web.app import Definition
from chassis.web.bearer import Claims, CurrentClaims, CurrentOperator, CurrentUser
from chassis.web.current import CurrentRuntime
from chassis.web.idempotency import IdempotencyKey, Keyed, once, recall
from chassis.web.idempotency import metadata as idempotency_metadata
from chassis.web.prefer import PreferredWait, answered
from chassis.web.problem import Problem, documented, not_found
from chassis.web.serve import run
from chassis.web.streams import CurrentStreams

__all__ = [
    "Claims",
    "CurrentClaims",
    "CurrentOperator",
    "CurrentRuntime",
    "CurrentStreams",
    "CurrentUser",
    "Definition",
    "IdempotencyKey",
    "Keyed",
    "PreferredWait",
    "Problem",
    "answered",
    "documented",
    "idempotency_metadata",
    "not_found",
    "once",
    "recall",
    "run",
]
