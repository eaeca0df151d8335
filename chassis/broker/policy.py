"""Policy: which errors are worth another attempt, and which park their message at once.

| error | a step that can refuse | a step that has to succeed |
| --- | --- | --- |
| the message cannot be understood | parks | parks |
| the step is not written yet | parks | another attempt |
| the database can never store the value (PostgreSQL, class 22) | parks | another attempt |
| anything else: a missing row, a lost race, a defect | another attempt | another attempt |

An outage of the environment is no error of a message: whoever meets one waits (`chassis.store.failures.is_outage`).
"""

from chassis.choreography.step import Step
from chassis.errors import MalformedMessageError
from chassis.store.failures import is_data_error


def is_worth_another_attempt(step: Step, error: Exception) -> bool:
    """Whether the message of a step may succeed later, without anybody changing it or the code."""
    if isinstance(error, MalformedMessageError):
        return False
    if isinstance(error, NotImplementedError) or is_data_error(error):
        return not step.can_refuse
    return True
