"""A fast engine for backtests: the daemon's pure core over arrays, without loop, journal, polling and executor."""
