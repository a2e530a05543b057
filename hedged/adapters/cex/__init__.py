"""Perpetuals of centralised exchanges over ccxt: one adapter, each venue a row of data (`exchanges.py`)."""
