"""A media worker in whose event loop something else works: 20 ms of every 120 ms. For one figure only.

python -m bench.media.stalls <the arguments of python -m media>
"""

import asyncio
import contextlib
import sys
import time

from media import __main__ as worker

WORK, EVERY = 0.02, 0.12  # seconds


async def serve_and_work(settings: worker.Settings) -> None:
    working = asyncio.create_task(_work())
    try:
        await serve(settings)
    finally:
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working


async def _work() -> None:
    """Holds the interpreter as any Python code does: by running."""
    while True:
        await asyncio.sleep(EVERY - WORK)
        end = time.perf_counter() + WORK
        while time.perf_counter() < end:
            sum(range(50))


serve = worker.serve

if __name__ == "__main__":
    worker.serve = serve_and_work
    sys.exit(worker.main())
