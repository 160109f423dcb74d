"""Many processes of a function, started as fast as the emulator can."""

import operator
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event

from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed


def start_processes(
    threads: ThreadPoolExecutor, number: int, running: Callable[[], int], keep_busy: Callable[[], object]
) -> None:
    """Start processes of a function one after the other, until ``number`` of them are ``running``.

    The emulator starts one for a call that finds none free, and before that it unpacks the layer: dozens
    of its threads that do so at once take three times as long. ``keep_busy`` makes a call that takes some
    seconds, and little else. Raises ``tenacity.RetryError`` if one does not start within a minute.
    """
    all_run = Event()

    def keep_one_busy() -> None:
        while not all_run.is_set():
            keep_busy()

    busy = []
    try:
        for wanted in range(1, number + 1):
            busy.append(threads.submit(keep_one_busy))
            too_few = retry_if_result(partial(operator.gt, wanted))
            until_it_runs = Retrying(retry=too_few, wait=wait_fixed(0.1), stop=stop_after_delay(60))
            until_it_runs(running)
    finally:
        all_run.set()
    for each in busy:
        each.result()
