"""Serving forecasts: from the hourly grid to the law of the coming mean rates. Nothing here imports torch."""
