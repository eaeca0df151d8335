"""A checkout that completes and one that rolls back, for people to watch."""
