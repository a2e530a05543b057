"""ccxt opened lazily tells what the whole of it tells."""

import json
import subprocess
import sys

SCRIPT = """
import json, sys
if sys.argv[1] == "lazy":
    import hedged.adapters.cex
import ccxt
import ccxt.async_support as quick
from ccxt.async_support import binanceusdm, okx
from ccxt.async_support.binance import binance
assert issubclass(quick.binanceusdm, quick.binance) and quick.binance is binance and quick.okx is okx
assert issubclass(quick.okx, quick.Exchange) and issubclass(quick.InvalidNonce, ccxt.BaseError)
assert issubclass(ccxt.kraken, ccxt.Exchange) and quick.BadResponse is ccxt.BadResponse
assert not hasattr(quick, "nowhere")
print(json.dumps([sorted(quick.exchanges), len([name for name in sys.modules if name.startswith("ccxt.")])]))
"""


def told(how: str) -> list:
    run = subprocess.run([sys.executable, "-c", SCRIPT, how], check=True, capture_output=True, text=True)
    return json.loads(run.stdout)


def test_it_knows_the_same_exchanges_and_reads_the_named_ones_alone() -> None:
    """If this fails, a venue of the configuration is unknown, or errors of ccxt pass for others; or the daemon holds a
    hundred exchanges that it never asks.
    """
    lazy, whole = told("lazy"), told("whole")
    assert lazy[0] == whole[0]
    assert lazy[1] < whole[1] / 3
