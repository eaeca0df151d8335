"""AsyncAPI: what services say and hear, as an AsyncAPI 3.0 document that is derived from the steps.

A routing key on an exchange and a queue are two kinds of channel there. An event is published to a channel of the
first kind, a step consumes from one of the second; which routing keys a queue is bound to, the AMQP binding of
AsyncAPI (0.3.0) cannot say, so that stands in extensions (`x-…`).
"""

import inspect
from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from chassis.choreography.declaration import Service
from chassis.choreography.envelope import type_of
from chassis.choreography.graph import Choreography, EventType
from chassis.choreography.step import Step
from chassis.choreography.topology import topology
from chassis.documents.examples import enveloped
from contracts.event import Refusal

Json = dict[str, Any]

JSON = "application/json"
BINDING = {"bindingVersion": "0.3.0"}

ABOUT = """\
Every service publishes what happened to a durable topic exchange of its own, with the name of the event as the
routing key. Every step consumes from a durable queue of its own, which is bound to the events that it hears. So a
`send` operation names the channel of an event, and a `receive` operation the channel of a queue.

Messages are delivered at least once, in no certain order. `ce-id` tells that an event has come before;
`ce-correlationid` is the same in all messages of one saga.

The body is the event alone, as JSON in UTF-8. Of the AMQP properties, `correlation_id` is the id of the saga, `type`
the name of the event, `app_id` and `user_id` the service, and `message_id` is new with every attempt to publish.
"""


def _text(description: str, **constraints: str) -> Json:
    return {"type": "string", **constraints, "description": description}


_HEADERS = {
    "ce-specversion": _text("The version of CloudEvents.", const="1.0"),
    "ce-id": _text("The id of the event, the same whenever it is delivered again.", format="uuid"),
    "ce-source": _text("The service that says the event.", format="uri-reference"),
    "ce-type": _text("The name of the event, with its version."),
    "ce-time": _text("When the event happened.", format="date-time"),
    "ce-subject": _text("The id of the saga.", format="uuid"),
    "ce-correlationid": _text("The id of the saga.", format="uuid"),
    "ce-causationid": _text("The `ce-id` of the event that caused this one, if an event did.", format="uuid"),
    "traceparent": _text(
        "The trace that the event belongs to.", pattern="^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"
    ),
}
HEADERS: Json = {
    "type": "object",
    "title": "Headers of every event",
    "description": "CloudEvents 1.0 attributes in binary mode, and W3C Trace Context.",
    "required": [name for name in _HEADERS if name != "ce-causationid"],
    "properties": _HEADERS,
}


def document(graph: Choreography, title: str = "Choreography", version: str = "1.0.0") -> Json:
    """The AsyncAPI document of all services of a choreography, or of the only one in it."""
    schemas: Json = {"headers": HEADERS}
    messages = {type_of(event): _message(event, schemas) for event in graph.events}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": title,
            "version": version,
            "description": ABOUT,
            "tags": [{"name": saga, "description": f"The saga `{saga}`."} for saga in graph.sagas],
        },
        "defaultContentType": JSON,
        "servers": {"broker": _broker()},
        "channels": _event_channels(graph) | _queue_channels(graph),
        "operations": {name: operation for step in graph.steps for name, operation in _operations(graph, step)},
        "components": {
            "messages": messages,
            "schemas": dict(sorted(schemas.items())),
            "correlationIds": {
                "saga": {"location": "$message.header#/ce-correlationid", "description": "The id of the saga."}
            },
            "securitySchemes": {
                "user": {"type": "userPassword", "description": "Each service has a user of the broker of its own."}
            },
        },
    }


def to_yaml(document: Json) -> str:
    """The document as YAML, every part written out where it stands."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_str(self, data: str) -> yaml.ScalarNode:
        return self.represent_scalar("tag:yaml.org,2002:str", data, style="|" if "\n" in data else None)


_Dumper.add_representer(str, _Dumper.represent_str)


def _broker() -> Json:
    return {
        "host": "{host}",
        "protocol": "amqp",
        "protocolVersion": "0.9.1",
        "description": "RabbitMQ; services are told where by the variables of their environment.",
        "variables": {"host": {"default": "localhost:5672", "description": "Host and port of the broker."}},
        "security": [{"$ref": "#/components/securitySchemes/user"}],
    }


def _message(event: EventType, schemas: Json) -> Json:
    """The message that carries an event; puts the schema of its payload, and those inside it, into `schemas`."""
    schemas[type_of(event)] = _payload(event, schemas) | {"title": event.name}
    sample = enveloped(event)
    return {
        "name": event.name,
        "title": event.name.replace(".", " ").replace("-", " ").capitalize(),
        **_described(event),
        "tags": [{"name": event.saga}],
        "contentType": JSON,
        "headers": {
            "type": "object",
            "allOf": [{"$ref": "#/components/schemas/headers"}],
            "properties": {"ce-source": {"const": f"/{event.service}"}, "ce-type": {"const": type_of(event)}},
        },
        "correlationId": {"$ref": "#/components/correlationIds/saga"},
        "payload": {"$ref": f"#/components/schemas/{type_of(event)}"},
        **_bindings(messageType=event.name),
        "examples": [{"name": "example", "headers": sample.headers(), "payload": sample.event.model_dump(mode="json")}],
        "x-event": {
            "service": event.service,
            "saga": event.saga,
            "version": event.version,
            "understood": [*sorted(event.upcasters), event.version],
            "refusal": issubclass(event, Refusal),
            "end": event.end,
        },
    }


def _payload(event: EventType, schemas: Json) -> Json:
    """The schema of an event; what it refers to goes into `schemas`, under a longer name if its own is taken."""
    for prefix in ("", f"{type_of(event)}."):
        template = f"#/components/schemas/{prefix}{{model}}"
        schema = event.model_json_schema(mode="validation", ref_template=template)
        inner = {f"{prefix}{name}": nested for name, nested in schema.pop("$defs", {}).items()}
        if all(schemas.get(name, nested) == nested for name, nested in inner.items()):
            break
    schemas |= inner
    return schema


def _event_channels(graph: Choreography) -> Json:
    return {
        event.name: {
            "address": event.name,
            "title": f"Event {event.name}",
            "messages": _references("components", [event]),
            "tags": [{"name": event.saga}],
            **_bindings(**{"is": "routingKey", "exchange": _exchange(event.service)}),
        }
        for event in graph.events
    }


def _exchange(name: str) -> Json:
    return {"name": name, "type": "topic", "durable": True, "autoDelete": False}


def _queue_channels(graph: Choreography) -> Json:
    return {
        f"queue.{step.queue}": _queue_channel(service, step) for service in graph.services for step in service.listening
    }


def _queue_channel(service: Service, step: Step) -> Json:
    declared = topology(service)
    queue = {"name": step.queue, "durable": True, "exclusive": False, "autoDelete": False}
    return {
        "address": step.queue,
        "title": f"Queue {step.queue}",
        "messages": _references("components", step.hears),
        "tags": [{"name": step.saga}],
        **_bindings(**{"is": "queue", "queue": queue}),
        "x-bound-to": [
            {"exchange": binding.exchange, "routingKey": binding.routing_key}
            for binding in declared.bindings
            if binding.queue == step.queue
        ],
        "x-queue-arguments": next(queue.arguments for queue in declared.queues if queue.name == step.queue),
    }


def _operations(graph: Choreography, step: Step) -> Iterator[tuple[str, Json]]:
    """What a step receives and sends, one operation for each event."""
    for event in step.hears:
        operation = _operation(graph, step, event, f"queue.{step.queue}")
        yield f"{step.queue}.receive.{event.name}", {"action": "receive", **operation, **_bindings(ack=True)}
    for event in step.says:
        how = _bindings(userId=step.service, deliveryMode=2, mandatory=event.mandatory, timestamp=True)
        yield f"{step.queue}.send.{event.name}", {"action": "send", **_operation(graph, step, event, event.name), **how}


def _operation(graph: Choreography, step: Step, event: EventType, channel: str) -> Json:
    return {
        "channel": {"$ref": f"#/channels/{channel}"},
        "title": f"{step.queue} {'hears' if event in step.hears else 'says'} {event.name}",
        **_described(step.function),
        "tags": [{"name": step.saga}],
        "messages": list(_references(f"channels/{channel}", [event]).values()),
        "x-step": _step(graph, step),
    }


def _bindings(**amqp: Any) -> Json:
    return {"bindings": {"amqp": amqp | BINDING}}


def _step(graph: Choreography, step: Step) -> Json:
    undone_by = [other.queue for other in graph.undoing(step)]
    return {
        "name": step.queue,
        "service": step.service,
        "kind": step.kind.value,
        **({"undoes": step.undoes.queue} if step.undoes else {}),
        **({"undoneBy": undone_by} if undone_by else {}),
    }


def _references(place: str, events: Iterable[EventType]) -> Json:
    return {type_of(event): {"$ref": f"#/{place}/messages/{type_of(event)}"} for event in events}


def _described(documented: Any) -> Json:
    """The docstring: its first paragraph as the summary, the whole as the description if there is more."""
    text = inspect.cleandoc(documented.__doc__ or "")
    summary, _, more = text.partition("\n\n")
    return ({"summary": " ".join(summary.split())} if text else {}) | ({"description": text} if more else {})
