"""Ctrl-C and SIGTERM: a run stops between two batches, and saves."""

import signal
from types import FrameType, TracebackType

from lightning.pytorch import Trainer
from lightning.pytorch.utilities.exceptions import SIGTERMException

from lab.training.lightning_internals import mark_sigterm, replace_sigterm_handling
from lab.training.trainer import rank


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


class AgreedStop:
    """Lets several processes stop before the same batch: each notes its SIGTERM, and before a batch they compare notes.

    Lightning's handler sends a message to the other processes from within whatever this one is doing, and each of them
    stops when it hears of it: one may be a batch further, and wait for the others forever.

    Args:
        trainer: whose processes these are; of a single one everything stays as it is.
    """

    def __init__(self, trainer: Trainer) -> None:
        self.trainer, self.signalled = trainer, False

    def install(self) -> None:
        """Take the place of Lightning's handler and of its question before each batch."""
        if self.trainer.world_size > 1:
            replace_sigterm_handling(self.trainer, self._note, self._agree)

    def _note(self, signum: int, frame: FrameType | None) -> None:
        if not self.signalled and self.trainer.strategy.launcher is not None:
            self.trainer.strategy.launcher.kill(signum)
        self.signalled = True
        if self.trainer.state.fn != "fit":  # where nothing is lost
            mark_sigterm(self.trainer)

    def _agree(self) -> None:
        if self.trainer.strategy.reduce_boolean_decision(self.signalled, all=False):
            mark_sigterm(self.trainer)
            raise SIGTERMException
