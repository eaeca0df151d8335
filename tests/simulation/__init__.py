"""Level 3: the real steps in the real frame, over a database and a broker in memory, against an adversary.

Real, and run as they are: the steps and their declarations, `BatchRunner` and its judge, the transaction with its unit
of work and identity map, `LockedRows`, the crash points, departures, the relay (publishing, sweeping, forgetting),
`Retry` with its attempts and the policy of what parks, the envelope as it is written and read, and the topology, by
which messages are routed, delayed and parked.

Modelled: PostgreSQL (`tests/memory/`, held to it by `tests/end_to_end/test_store*.py`, also for transactions that run
side by side); RabbitMQ and TCP (the broker takes and confirms all that is published at a moment, or nothing of it);
consumers (a delivery is acknowledged once its batch is done and its failures are sent on), with their deadlines, and
the concurrency of effects; delays (the adversary decides when a message comes back); leases (a sweep comes after they
have run out, or as if they had); the requests and jobs that begin a saga, whose queries are SQL. Each service has a
clock of its own.

The bounds are stated where they are set: `test_one_saga` for every order, `test_many_sagas` for chance.
"""
