"""Work background_thread a block, in a thread of its own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread


@contextmanager
def background_thread(work: Callable[[Event], None]) -> Iterator[None]:
    """Runs `work` for as long as the block runs; it has to return soon after the event that it is given is set."""
    stop = Event()
    thread = Thread(target=work, args=(stop,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
