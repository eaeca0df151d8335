"""Numbers: what the window tells Prometheus about itself."""

from prometheus_client import Counter, Gauge, Histogram

lag = Histogram(
    "window_lag_seconds",
    "From when an event occurred to when the window saw it.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
stored = Counter("window_stored", "Messages that were stored, by where they were seen.", ["place"])
unreadable = Counter("window_unreadable", "Messages that are no event of ours.")
told = Counter("window_told", "Sagas that were told anew.")
behind = Gauge("window_behind_messages", "Messages that are stored and not told yet.")
listening = Gauge("window_listening", "Whether the window's queue delivers to this process.")
gone = Gauge("window_queue_gone", "Whether the window's queue or one of its bindings is missing.")
gaps = Counter("window_gaps", "Times of which not everything was seen.")
oddities = Counter("window_oddities", "What should not be, by its kind.", ["kind"])
disagreements = Gauge("window_audit_disagreements", "Rules of conservation that what was seen does not keep.")
