"""Pages: what operators see in a browser."""
