"""The same daemon on a virtual clock: backtests over recorded data and the demo over the simulator."""
