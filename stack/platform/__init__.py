"""The external data platform, as the stack plays it."""
