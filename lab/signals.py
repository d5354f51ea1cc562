"""Ctrl-C and SIGTERM: a run stops between two batches, and saves."""

import signal
from types import FrameType, TracebackType

from lab.trainer import rank


class CtrlC:
    """Turns the first Ctrl-C into SIGTERM, after which Lightning stops between two batches.

    A second Ctrl-C, or one before the run has begun, stops at once. The other processes of a launcher leave it to the
    first one to stop them.
    """

    def __enter__(self) -> "CtrlC":
        self.pressed = False
        handler = self._stop if rank() == 0 else signal.SIG_IGN
        self._previous = signal.signal(signal.SIGINT, handler)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        signal.signal(signal.SIGINT, self._previous)

    def _stop(self, signum: int, frame: FrameType | None) -> None:
        running = signal.getsignal(signal.SIGTERM) not in (signal.SIG_DFL, None)
        if self.pressed or not running:
            raise KeyboardInterrupt
        self.pressed = True
        print("\nStopping after this batch; press Ctrl-C again to stop at once.", flush=True)
        signal.raise_signal(signal.SIGTERM)
