"""Another load: fans who hold their seats already, so that each of them is one checkout and nothing else."""

import asyncio
from collections.abc import Sequence
from functools import partial

from tests.chaos.purchases import Purchase
from tests.chaos.shoppers import Shoppers
from tests.chaos.site import Site
from tests.end_to_end.fan import Fan

MAX_AT_ONCE = 400


class Payers(Shoppers):
    """Fans who pay for what they hold, one after the other, however many are waiting for an answer."""

    def __init__(self, site: Site, rate: float, purchases: Sequence[Purchase]) -> None:
        super().__init__(site, rate)
        self._purchases = purchases

    async def _stock(self) -> None:
        """They have their seats."""

    async def _come(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number, purchase in enumerate(self._purchases):
            await asyncio.sleep(began + number / self.rate - loop.time())
            if len(self._under_way) < MAX_AT_ONCE:
                self._let_in(partial(_pay, purchase))


async def _pay(purchase: Purchase, shoppers: Shoppers, _: Fan) -> None:
    await shoppers.order(purchase.fan, purchase.payment_id)
