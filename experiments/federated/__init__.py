"""Federated averaging of one network over three operators who keep their histories to themselves (docs/experiments.md).

Source: McMahan et al. 2017, "Communication-efficient learning of deep networks from decentralized data". The engine is
Flower, in an environment of its own (`requirements.txt`); only `node` and `server` import it.
"""
