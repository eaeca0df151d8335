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
MAX_FOUND, MAX_ROUNDS = 2_000, 10
"""So many mentions are looked through at once for a page of a frequent state, and how often: then it is short"""
_UNDER_WAY = "(s.saga, s.state) IN (SELECT k.saga, k.state FROM kind AS k WHERE k.state = '{}')"
RARE = {**FLAGS, **{way: _UNDER_WAY.format(way) for way in ("out", "back")}}
"""What few sagas are: of those, whichever name the text is looked for, and not the other way round"""
# Each is looked up by itself: with EXISTS all that the text names would be read first, which may be most there is.
RARE_WITH_TEXT = f"""
    SELECT {SUMMARY} FROM saga AS s WHERE {{condition}} AND s.key < $2 AND ($1 = '' OR s.saga = $1) AND coalesce(
        nullif(s.saga_id = $5, false), (SELECT true FROM mention AS m WHERE m.value = $4 AND m.key = s.key LIMIT 1),
        (SELECT true FROM person AS p WHERE p.user_id = $6 AND p.key = s.key), false
    ) ORDER BY s.key DESC LIMIT $3
    """  # noqa: S608  # names from the code
KEYS = """
    (SELECT key FROM mention WHERE value = $1 AND key < $2 ORDER BY key DESC LIMIT $3)
    UNION (SELECT key FROM person WHERE user_id = $1 AND key < $2 ORDER BY key DESC LIMIT $3)
    UNION (SELECT key FROM saga WHERE saga_id = $4 AND key < $2)
    ORDER BY key DESC LIMIT $3
    """
KEYS_OF_USER = "SELECT key FROM person WHERE user_id = $1 AND key < $2 ORDER BY key DESC LIMIT $3"
BY_KEY = f"""
    SELECT {SUMMARY} FROM saga AS s WHERE s.key = ANY($1::bigint[]) AND ($2 = '' OR s.saga = $2)
        AND ($3 = '' OR s.state = $3 OR s.way = $3)
    ORDER BY s.key DESC LIMIT $4
    """  # noqa: S608  # names from the code
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
FORGET_ASIDE = "DELETE FROM aside WHERE event_id = $1 AND step = $2"
ASIDE = """
    SELECT step, is_parked, count(*) AS count FROM (SELECT step, is_parked FROM aside LIMIT 100000) AS a
    GROUP BY step, is_parked
    """
# Added up where they are: a page is sent what it shows, not what that is the sum of.
ANSWERS = """
    SELECT what, bucket, sum(count)::bigint AS count,
        coalesce(sum(count) FILTER (WHERE at >= $2), 0)::bigint AS lately
    FROM tally WHERE what = ANY($3::text[]) AND at >= $1 GROUP BY what, bucket
    """
MINUTES = """
    SELECT date_trunc('minute', at) AS at, what, bucket, sum(count)::bigint AS count
    FROM tally WHERE what = ANY($2::text[]) AND at >= $1 GROUP BY 1, what, bucket
    """
EVENT = "SELECT * FROM message WHERE saga_id = $1 AND event_id = $2 ORDER BY number LIMIT 100"
"""All sightings of one event"""
