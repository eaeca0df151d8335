"""Queries: what pages ask of the archive, each answered by an index, however much is stored."""

SUMMARY = """s.saga_id, s.saga, s.way, s.outcome, s.reason, s.begun_at, s.last_at, s.ended_at, s.last_event, s.events,
    s.retries, s.parked, s.is_late, s.oddities, s.key"""

# Of each kind of saga and each state the newest, from an index that has them in this order; then the newest of those.
# Rows are compared as a whole, since with three conditions another index seems to promise the same, and reads millions.
BY_STATE = f"""
    SELECT {SUMMARY} FROM kind AS k CROSS JOIN LATERAL (
        SELECT * FROM saga WHERE (saga.saga, saga.state, saga.key) < (k.saga, k.state, $3)
        ORDER BY saga.saga DESC, saga.state DESC, saga.key DESC LIMIT $4
    ) AS s
    WHERE s.saga = k.saga AND s.state = k.state AND ($1 = '' OR k.saga = $1) AND
        ($2::text[] IS NULL OR k.state = ANY($2) OR ($5 AND NOT k.state = ANY($6)))
    ORDER BY s.key DESC LIMIT $4
    """  # noqa: S608  # names from the code
FLAGS = {"late": "is_late", "odd": "oddities > 0", "parked": "parked > 0", "retrying": "retrying > 0"}
FLAGGED = f"""
    SELECT {SUMMARY} FROM saga AS s WHERE {{flag}} AND key < $2 AND ($1 = '' OR saga = $1) ORDER BY key DESC LIMIT $3
    """  # noqa: S608  # names from the code
MAX_FOUND, MAX_ROUNDS = 2_000, 3
"""So many mentions of a text are looked through for a page, and how often: one with a rare state may be short"""
KEYS = """
    (SELECT key FROM mention WHERE value = $1 AND key < $2 ORDER BY key DESC LIMIT $3)
    UNION (SELECT key FROM person WHERE user_id = $1 AND key < $2 ORDER BY key DESC LIMIT $3)
    UNION (SELECT key FROM saga WHERE saga_id = $4 AND key < $2)
    ORDER BY key DESC LIMIT $3
    """
BY_KEY = f"SELECT {SUMMARY} FROM saga AS s WHERE s.key = ANY($1::bigint[]) ORDER BY s.key DESC"  # noqa: S608
IN_FLIGHT = f"""
    SELECT {SUMMARY} FROM kind AS k CROSS JOIN LATERAL (
        SELECT * FROM saga WHERE (saga.saga, saga.state, saga.key) > (k.saga, k.state, 0)
        ORDER BY saga.saga, saga.state, saga.key LIMIT $1
    ) AS s
    WHERE s.saga = k.saga AND s.state = k.state AND k.state = ANY($2) ORDER BY s.key LIMIT $1
    """  # noqa: S608  # names from the code
PUT_ASIDE = """
    SELECT m.number, m.place, m.event_id, m.saga_id, m.event, m.version, m.service, m.cause, m.occurred_at, m.seen_at,
        m.step, m.attempt, m.delay, m.error, m.traceparent, m.headers, m.body, m.user_id, a.until
    FROM (SELECT * FROM aside WHERE number < $1 ORDER BY number DESC LIMIT $2) AS a JOIN message AS m ON m.key = a.key
    ORDER BY a.number DESC
    """
ASIDE = """
    SELECT step, is_parked, count(*) AS count FROM (SELECT step, is_parked FROM aside LIMIT 100000) AS a
    GROUP BY step, is_parked
    """
TALLIES = "SELECT at, what, bucket, count FROM tally WHERE at >= $1 AND (what LIKE 'step:%') = $2"
EVENT = "SELECT * FROM message WHERE saga_id = $1 AND event_id = $2 ORDER BY number LIMIT 100"
"""All sightings of one event"""
