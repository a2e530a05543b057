"""Chain gRPC of the exchange module, v2: human values × 1e18; deposits in the coin's smallest unit × 1e18."""

from hedged.sandbox.injective.serve_markets import MarketQueries
from hedged.sandbox.injective.serve_subaccounts import SubaccountQueries


class ExchangeQuery(MarketQueries, SubaccountQueries):
    """Markets, books, funding, open interest; positions, orders, deposits."""
