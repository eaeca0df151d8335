"""Metrics: what a process knows of its own trouble, for Prometheus."""

from prometheus_client import Counter, Gauge, Histogram

batch_size = Histogram("saga_batch_size", "Events in one batch.", ["step"], buckets=(1, 2, 5, 10, 20, 50, 100, 200))
batch_seconds = Histogram("saga_batch_seconds", "From taking a batch to its acknowledgement.", ["step"])
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
parked = Gauge("saga_parked_messages", "Messages in the parked queue of the service.")
clock_ahead = Gauge(
    "saga_clock_ahead_seconds", "How far the clock of a service is ahead of this one, at the least.", ["service"]
)
consumers = Gauge("saga_consumers", "Consumers of this process, by queue.", ["queue"])
struggling = Gauge("saga_struggling_messages", "Messages of steps that must succeed and keep failing.", ["step"])
unfinished_oldest = Gauge("saga_unfinished_oldest_seconds", "Age of the oldest work that the service owns.")
