"""Policy: which errors are worth another attempt, and which park their message at once.

| error | a step that can refuse | a step that has to succeed |
| --- | --- | --- |
| the message cannot be understood, is too large, or was not said by who may say it | parks | parks |
| its version is newer than this code | another attempt, for a day | another attempt, for a day |
| the step says that a person has to do something first, or that its own rows know better | parks | parks |
| its process has died each time while it was handled | parks | parks |
| the step is not written yet | parks | another attempt |
| the database can never store the value (PostgreSQL, class 22) | parks | another attempt |
| a row is missing that came before all that it could hear | parks after the last delay | parks after the last delay |
| anything else: a lost race, a defect | another attempt | another attempt |

What the environment does is no error of a message: whoever meets it waits (`chassis.run.judge`).
"""

from chassis.choreography.step import Step
from chassis.errors import DeadlyMessageError, ForgedMessageError, MalformedMessageError, NeedsPersonError
from chassis.store.failures import is_data_error


def is_worth_another_attempt(step: Step, error: Exception) -> bool:
    """Whether the message of a step may succeed later, without anybody changing it or the code."""
    if isinstance(error, (MalformedMessageError, ForgedMessageError, DeadlyMessageError, NeedsPersonError)):
        return False
    if isinstance(error, NotImplementedError) or is_data_error(error):
        return not step.can_refuse
    return True
