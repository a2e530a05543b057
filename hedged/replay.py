"""`hedged run --replay`: the daemon, with its page and its journal on disk, over recorded days."""

from hedged.backtest.recorded import BacktestOptions, load_world
from hedged.backtest.virtual_time import run_virtually
from hedged.config import Config
from hedged.daemon import run_daemon
from hedged.domain.clock import LoopClock
from hedged.domain.market import INJECTIVE
from hedged.execution.journal.file import JOURNAL_FILE


def replay_daemon(config: Config, options: BacktestOptions) -> None:
    """Run the daemon over recorded data as fast as it goes.

    A rehearsal has a journal of its own, new each time, in `state_dir/replay`: it never touches the account.
    """
    config, world = load_world(config, options)
    config = config.model_copy(update={"state_dir": config.state_dir / "replay"})
    for name in ("", "-wal", "-shm"):
        (config.state_dir / f"{JOURNAL_FILE}{name}").unlink(missing_ok=True)
    sources = world.venues([INJECTIVE, *config.hedge.venues])
    window = options.window
    run_virtually(lambda: run_daemon(config, LoopClock(window.from_ms), sources, window.to_ms))
