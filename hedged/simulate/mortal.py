"""A virtual loop that can die: between any two of its steps, without a word to anybody."""

from hedged.backtest.virtual_time import VirtualLoop


class Died(BaseException):
    """The process was killed."""


class MortalLoop(VirtualLoop):
    """`fuse`: after so many more steps the process is killed; None: it is not."""

    fuse: int | None = None

    def _run_once(self) -> None:
        if self.fuse is not None:
            ready = len(self._ready)  # type: ignore[attr-defined]  # of BaseEventLoop
            if ready >= self.fuse:
                self.fuse = None
                raise Died
            self.fuse -= max(1, ready)
        super()._run_once()
