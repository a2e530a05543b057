"""The recorder as the configuration wants it, with the metrics that it reports to."""

from hedged.app import Parts
from hedged.buffer.recorder import Recorder, Reported
from hedged.domain.clock import DAY_MS, SECOND_MS
from hedged.telemetry.metrics import Metrics


def make_recorder(parts: Parts, metrics: Metrics, *, rehearsal: bool) -> Recorder | None:
    """Make what records the collected data; None where nothing is recorded, as what was recorded before never is."""
    config = parts.config
    directory = None if rehearsal else config.recorder.directory(config.data.source, config.state_dir)
    if directory is None:
        return None
    report = Reported(
        rows=metrics.recorded_rows.inc,
        given_up=metrics.recorder_given_up.inc,
        failing=metrics.recorder_failing.set,
    )
    bar_ms, history_ms = config.cycle.bar_s * SECOND_MS, config.cycle.history_days * DAY_MS
    if parts.held is not None and (directory / "funding").exists():
        # what came before was recorded by whoever kept the bars
        history_ms = parts.clock.now_ms() - int(parts.held.times_ms[-1])
    return Recorder(directory, parts.sources, parts.symbols, bar_ms, history_ms, report)
