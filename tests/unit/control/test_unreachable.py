"""A takeover where a venue cannot be opened: the others are, and it stays unknown."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from hedged.config import LIVE_ACKNOWLEDGEMENT, parse_config
from hedged.control.resting import cancel_resting
from hedged.domain.clock import SystemClock
from hedged.domain.errors import Retryable
from hedged.domain.market import INJECTIVE
from hedged.execution.accounts import Accounts
from hedged.execution.journal.thread import Journal
from hedged.wiring.takeover import Opened, open_for_closing

ADDRESS = "inj1xqqtfuya52mua6a4d5c2nqvvwwmfht3gdw99qr"


def test_what_cannot_be_opened_is_unknown_never_flat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a takeover without a key reports that nothing is held there."""
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    config = parse_config(
        {
            "mode": "live", "live_acknowledgement": LIVE_ACKNOWLEDGEMENT, "data": {"source": "venues"},
            "book": {"source": "injective", "address": ADDRESS}, "hedge": {"venues": ["binance", "okx"]},
            "injective": {"key_file": str(tmp_path / "none")},
            "cex": {"binance": {"key_env": "NO_SUCH_KEY", "secret_env": "NO_SUCH_KEY"}},
        }
    )  # fmt: skip
    said: list[str] = []

    async def main() -> Opened:
        journal = Journal.open(None, durable=False)
        try:
            async with AsyncExitStack() as cleanup:
                opened = await open_for_closing(config, journal, SystemClock(), cleanup, said.append)
                account = await Accounts(opened.trading, journal, 0).refresh(1)
                assert set(account.unknown) == {"binance", "okx", INJECTIVE}
                swept = await cancel_resting(opened.trading, "mine", ())
                assert len(swept.left) == 3
                for venue in opened.trading.values():
                    with pytest.raises(Retryable):
                        await venue.lookup("x")
                return opened
        finally:
            journal.close()

    opened = asyncio.run(main())
    assert opened.sources == {}
    assert sorted(text.split(":")[0] for text in said) == [
        "binance cannot be opened", "injective cannot be opened", "okx cannot be opened",
    ]  # fmt: skip
