"""Perpetuals of centralised exchanges over ccxt: one adapter, each venue a row of data (`exchanges.py`)."""

from hedged.adapters.cex.sdk import open_lazily

open_lazily()
