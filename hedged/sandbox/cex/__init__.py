"""Binance USD-M, Bybit and OKX on loopback: their REST protocols over TLS, one engine behind them."""
