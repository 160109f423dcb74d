"""Tasks that continue after the response to a request."""

import asyncio
from collections.abc import Coroutine


class BackgroundTasks:
    """The running tasks of the event loop."""

    def __init__(self) -> None:
        """Create an empty group."""
        self._tasks: set[asyncio.Task[object]] = set()

    def start[T](self, coroutine: Coroutine[object, object, T]) -> asyncio.Task[T]:
        """Start ``coroutine`` and return its task."""
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def settle(self) -> None:
        """Wait until no task is running."""
        while self._tasks:
            await asyncio.wait(tuple(self._tasks))

    def cancel(self) -> None:
        """Cancel all tasks. A callback that is already sent still arrives."""
        for task in tuple(self._tasks):
            task.cancel()
