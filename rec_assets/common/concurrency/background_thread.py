"""Background work in a thread that lives as long as a `with` block."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread


@contextmanager
def background_thread(work: Callable[[Event], None]) -> Iterator[None]:
    """Runs `work` in a daemon thread until the block ends.

    Args:
        work: receives an event, and must return soon after the event is set.
    """
    stop = Event()
    thread = Thread(target=work, args=(stop,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
