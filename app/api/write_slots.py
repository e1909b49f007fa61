"""So many requests write at once as there are connections to write with. The others wait without a thread, which those who read need."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated
from weakref import WeakKeyDictionary

from fastapi import Depends, Request

from app.errors import Busy

# As long as a connection is waited for.
PATIENCE_SECONDS = 10.0


class WriteSlots:
    """Of each event loop its own: a process that serves has one."""

    def __init__(self, n_slots: int) -> None:
        self._n_slots = n_slots
        self._of: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()

    def here(self) -> asyncio.Semaphore:
        return self._of.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(self._n_slots))


async def take_slot(request: Request) -> AsyncIterator[None]:
    """Until the answer is made. Raises Busy."""
    slots = request.app.state.write_slots.here()
    try:
        await asyncio.wait_for(slots.acquire(), PATIENCE_SECONDS)
    except TimeoutError:
        raise Busy from None
    try:
        yield
    finally:
        slots.release()


# The last of an endpoint's parameters: nobody holds one while their key is looked up or their body comes.
WriteSlot = Annotated[None, Depends(take_slot)]
