"""The record of the forecasts: who said what of which settlements, what came of it, and how good that was. Pure.

A `Sheet` holds what all forecasters said at one hour, the `ScoreBook` the sheets of the last weeks, each forecaster
under its name whether it serves or not; `measures` says how good they were, `stored` is what outlives the process.
"""
