"""Hedges what perpetual funding on Injective would cost, all day long."""

import os

__version__ = "0.1.0"

# ONNX Runtime's wheels report to their maker from the moment they are loaded, and keep an identifier of the machine on
# disk. A daemon that holds keys calls nobody but its venues. It asks the environment once, so this stands before all.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
