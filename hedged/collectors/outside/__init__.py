"""From outside the venues: what CoinGlass and CoinGecko know of them, what they announce, signals by webhook."""
