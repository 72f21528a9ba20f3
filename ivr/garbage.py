"""Garbage that refers to itself is collected when nobody would notice.

Left alone, Python looks through every object of the process whenever it thinks fit: tenths of a
second with a thousand calls up, in which no key is heard and no call answered. A call leaves hardly
any such garbage behind, so that look can wait until there is no call, or for a good while.
"""

import asyncio
import contextlib
import gc
from collections.abc import Callable, Iterator

LONGEST = 900.0
"""Seconds after which it is done even though there are calls."""
_NEVER = 2**30


@contextlib.contextmanager
def nothing_to_find() -> Iterator[None]:
    """Around imports: what they make stays, so that looking through it, again and again as it
    grows, is a tenth of their time for nothing. It is not looked through later either."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextlib.contextmanager
def in_our_hands() -> Iterator[None]:
    """What is there now is never looked through again, and what has grown old only on demand.

    Young objects go on being looked through by themselves.
    """
    first, second, third = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(first, _NEVER, _NEVER)
    try:
        yield
    finally:
        gc.set_threshold(first, second, third)
        gc.unfreeze()


async def keep_the_young_few(every: float = 1.0) -> None:
    """Look through the young objects `every` so many seconds; never returns.

    Python looks when many more were made than went. With calls that come and go as many go as are
    made, old ones for young ones: they would gather by the hundred thousand before it does.
    """
    while True:
        await asyncio.sleep(every)
        gc.collect(0)


async def collect_when_quiet(calls: Callable[[], int], every: float = 60.0) -> None:
    """Look `every` so many seconds whether it is quiet; never returns. `calls`: those there are."""
    waited = 0.0
    while True:
        await asyncio.sleep(every)
        waited += every
        if not calls() or waited >= LONGEST:
            gc.collect()
            waited = 0.0
