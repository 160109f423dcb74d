"""What PayNearMe still does when a call has its answer: tasks of the one event loop."""

import asyncio
from collections.abc import Coroutine


class TaskGroup:
    """The tasks that are under way."""

    def __init__(self) -> None:
        """Begin with none."""
        self._tasks: set[asyncio.Task[object]] = set()

    def start[T](self, coroutine: Coroutine[object, object, T]) -> asyncio.Task[T]:
        """Start ``work`` and return its task, which goes on by itself."""
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def settle(self) -> None:
        """Return when nothing is under way any more."""
        while self._tasks:
            await asyncio.wait(tuple(self._tasks))

    def cancel(self) -> None:
        """Cancel everything. A callback that is on its way arrives all the same."""
        for task in tuple(self._tasks):
            task.cancel()
