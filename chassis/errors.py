"""Errors: everything that the chassis raises, with one base for each room, and the text of an error for a log line."""

from collections.abc import Mapping


class ChassisError(Exception):
    """The base of all errors of the chassis."""


class ChoreographyError(ChassisError):
    """A declaration or a message that cannot be understood."""


class StoreError(ChassisError):
    """A transaction or a database that is not as it should be."""


class BrokerError(ChassisError):
    """A connection to the broker, or what should have gone over it."""


class WebError(ChassisError):
    """A request that is answered with an error."""


class DeclarationError(ChoreographyError, TypeError):
    """A signature that cannot be read as a step."""


class UnreadableStepError(ChoreographyError):
    """A `steps.py` that cannot be imported, for example because it names an event that does not exist."""


class NothingDeclaredError(ChoreographyError):
    """A folder in which no service declares a step."""


class NewServiceError(ChoreographyError):
    """A service that cannot be written under this name, or in this place of a saga."""


class PublishedChangedError(ChoreographyError):
    """A version of an event has another schema than the one that was published."""


class NewerVersionError(ChoreographyError):
    """An event of a version that is newer than this code; newer code will understand it."""


class MalformedMessageError(ChoreographyError, ValueError):
    """A message that can never be understood; another attempt would not help."""


class ForgedMessageError(ChoreographyError):
    """A message that somebody else has said than the one who may; another attempt would not help."""


class CommitUnknownError(StoreError):
    """The connection was lost during COMMIT, so nobody knows whether the transaction counts."""


class OutcomeUnknownError(StoreError):
    """Nobody knows whether what a request asked for has been done; `result` is its answer if it has, where known."""

    def __init__(self, result: object = None) -> None:
        super().__init__("nobody knows whether this has been done")
        self.result = result


class BusyError(StoreError):
    """Turned away before anything was done, because too much is under way."""


class NoPrimaryError(StoreError, ConnectionError):
    """None of the servers of a database can be written to at the moment; one may be about to take over."""


class RolledBackError(StoreError):
    """Rolled back although COMMIT was sent: an earlier error was swallowed."""


class ForgottenError(StoreError):
    """What a restored database has forgotten cannot be done again as it was."""


class RowGoneError(StoreError):
    """A row that has changed is no longer there, or has another primary key."""


class MissingRowError(StoreError, LookupError):
    """A step needs a row that is not there."""


class CulpritsError(StoreError):
    """Some items of a batch cannot be worked on, and nothing was done; `reasons` says why, by their place in it."""

    def __init__(self, reasons: Mapping[int, Exception]) -> None:
        super().__init__(f"{len(reasons)} of a batch: {next(iter(reasons.values()))}")
        self.reasons = reasons


class NotLockedError(StoreError):
    """A row was changed that was read without a lock, so the change could overwrite somebody else's."""


class UserBusyError(StoreError):
    """A user cannot be erased while messages that name them are on their way."""


class MigrationError(StoreError):
    """The database could not be brought up to date."""


class NotMigratedError(StoreError):
    """The database is not up to date, and it is for somebody else to migrate it."""


class SessionEndedError(BrokerError):
    """The broker ended what a session stands on: its connection, a channel or a consumer."""


class QueueLostError(SessionEndedError):
    """The queue of a session was deleted."""

    def __init__(self, queue: str) -> None:
        super().__init__(f"the queue {queue} is gone")
        self.queue = queue


class UnreachableBrokerError(BrokerError):
    """The broker cannot be asked, and why."""


class QueueInUseError(BrokerError):
    """A queue cannot be made anew while somebody consumes from it."""


class NeedsPersonError(ChoreographyError):
    """Raised by a step whose message will not succeed before a person has done something: it is parked at once."""


class ContradictedError(NeedsPersonError):
    """Raised by a step that hears what its own rows know to be otherwise: its message is parked at once."""


class NotYetError(ChoreographyError):
    """An effect has to come after another one that has not succeeded yet. To wait for it is no attempt."""


class DeadlyMessageError(BrokerError):
    """A message that ends the process that handles it, as often as it has been tried."""


class KeysUnreadableError(WebError):
    """The keys that tokens are checked with cannot be read, and never could."""


class NotPublishedError(BrokerError):
    """The broker did not confirm a message, so nobody knows whether it has it; `returned` if it had no queue for it."""

    def __init__(self, reason: str, *, returned: bool = False) -> None:
        super().__init__(reason)
        self.returned = returned


_LINE = "\n"


def describe(error: BaseException) -> str:
    """An error in one line; a group names everything inside it.

    What a database adds in further lines, the values of a row among them, is left out: a log names no user.
    """
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(describe(inner) for inner in error.exceptions)
    return f"{type(error).__name__}: {str(error).partition(_LINE)[0]}".rstrip(": ")
