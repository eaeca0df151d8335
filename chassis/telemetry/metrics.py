"""Metrics: what a process knows of its own trouble, for Prometheus."""

from prometheus_client import Counter, Gauge, Histogram

batch_size = Histogram("saga_batch_size", "Events in one batch.", ["step"], buckets=(1, 2, 5, 10, 20, 50, 100, 200))
batch_seconds = Histogram("saga_batch_seconds", "From taking a batch to its acknowledgement.", ["step"])
step_seconds = Histogram(
    "saga_step_seconds",
    "From an event to the commit of the step that heard it, the waiting in its queue included.",
    ["step"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
handled = Counter("saga_handled", "Attempts of a step at an event, by outcome: done or failed.", ["step", "outcome"])
outcomes = Counter("saga_outcomes", "Ends of sagas, at their owner, by the last event.", ["saga", "end"])
saga_seconds = Histogram(
    "saga_seconds",
    "From the beginning of a saga to its end, at the owner of what it shows.",
    ["saga", "end"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600),
)
effect_seconds = Histogram("saga_effect_seconds", "The I/O of one effect, with its repetitions.", ["step"])
retries = Counter("saga_retries", "Events sent to another attempt, by the delay before it.", ["step", "delay"])
parkings = Counter("saga_parkings", "Messages put aside for a person.", ["step"])
disbelieved = Counter(
    "saga_disbelieved", "Messages that were not believed, by why: forged, or contradicted.", ["step", "why"]
)
said = Counter("saga_said", "Events that were said and committed.", ["event"])
looks = Counter("saga_looks", "Looks at the database by requests that wait for an outcome.", ["why"])
unpublished = Counter("saga_unpublished", "Attempts to publish an event that the broker did not confirm.", ["event"])
turned_away = Counter("saga_turned_away", "Requests turned away, by what there was too much of.", ["reason"])

outbox_depth = Gauge("saga_outbox_depth", "Events that are said and not known to be published, up to 10,000.")
outbox_oldest = Gauge("saga_outbox_oldest_seconds", "Age of the oldest of them.")
ready = Gauge("saga_ready", "Whether what the service needs is as it should be, by what that is.", ["check"])
backlog = Gauge("saga_backlog_messages", "Messages that wait in this process for their step.", ["step"])
queue_depth = Gauge("saga_queue_messages", "Messages that wait in the queue of a step for any process.", ["queue"])
parked_for = Gauge(
    "saga_parked_for_seconds", "For how long some message has been parked, as far as this process has seen."
)
parked = Gauge("saga_parked_messages", "Messages in the parked queue of the service.")
clock_ahead = Gauge(
    "saga_clock_ahead_seconds", "How far the clock of a service is ahead of this one, at the least.", ["service"]
)
consumers = Gauge("saga_consumers", "Consumers of this process, by queue.", ["queue"])
struggling = Gauge("saga_struggling_messages", "Messages of steps that must succeed and keep failing.", ["step"])
unfinished_oldest = Gauge("saga_unfinished_oldest_seconds", "Age of the oldest work that the service owns.")
