"""A database and a broker in memory, for tests that run the real frame without servers.

They pass the same suite as PostgreSQL (`tests/end_to_end/test_store.py`), and route by the declared topology.
"""
