"""Together: many items in one go; when that fails, one by one, so that only the culprit fails."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


async def together(
    work: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
    items: Sequence[Item],
    *,
    is_shared: Callable[[Exception], bool],
) -> list[Result | Exception]:
    """What `work` makes of the items, in their order: for each its result, or the error that it alone has caused.

    `work` gets all items at once. When it raises, it gets each by itself, unless the error `is_shared`, as an outage
    is: then every item has that error.
    """
    try:
        return list(await work(items))
    except Exception as error:  # noqa: BLE001  # it is returned
        if len(items) == 1 or is_shared(error):
            return [error] * len(items)
    return [outcome for item in items for outcome in await together(work, [item], is_shared=is_shared)]
