"""Metrics: what a process knows of its own trouble, for Prometheus."""

from prometheus_client import Counter, Gauge, Histogram

batch_size = Histogram("batch_size", "Events in one batch.", ["step"], buckets=(1, 2, 5, 10, 20, 50, 100, 200))
batch_seconds = Histogram("batch_seconds", "From taking a batch to its acknowledgement.", ["step"])
effect_seconds = Histogram("effect_seconds", "The I/O of one effect, with its repetitions.", ["step"])
retries = Counter("retries", "Events sent to another attempt, by the delay before it.", ["step", "delay"])
parkings = Counter("parkings", "Messages put aside for a person.", ["step"])
unpublished = Counter("unpublished", "Attempts to publish an event that the broker did not confirm.", ["event"])

outbox_depth = Gauge("outbox_depth", "Events that are said and not known to be published.")
outbox_oldest = Gauge("outbox_oldest_seconds", "Age of the oldest of them.")
parked = Gauge("parked_messages", "Messages in the parked queue of the service.")
consumers = Gauge("consumers", "Consumers of this process, by queue.", ["queue"])
struggling = Gauge("struggling_messages", "Messages of steps that must succeed and keep failing.", ["step"])
unfinished_oldest = Gauge("unfinished_oldest_seconds", "Age of the oldest work that the service owns.")
