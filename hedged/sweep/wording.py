"""What the words of a sweep's page and files mean."""

from hedged.sweep.file import ObjectiveConfig

DEFINITIONS = {
    "Trial": "One configuration: the base with these settings and this model. The default is the base with none "
    "changed.",
    "Score": "The objective, mean over folds.",
    "Net saving": "Hedged funding − unhedged funding − fees − spread, of all books; per position in bp.",
    "In sample, out of sample": "In sample: on the folds that a choice was made on. Out of sample: on the next fold, "
    "which the choice did not know. What Optuna draws has seen all folds but those held out, and is scored on these "
    "alone.",
    "p": "How often chance alone would show a gain as clear as this one somewhere among all trials (stepwise bootstrap "
    "of the largest studentised mean, days in blocks: White 2000, Romano & Wolf 2005). Below 0.05 it counts as real. "
    "After Optuna it rests on the folds held out alone; that of the best trial then needs no correction, as it was "
    "chosen on other days.",
    "Deflated Sharpe": "Probability that the best trial’s true Sharpe ratio of daily net savings is above what luck "
    "gives the best of so many (Bailey & López de Prado 2014). 95 % and more is convincing. Days count as independent.",
    "Probability of overfitting": "How often the best of one half of the days is below the median of all trials on the "
    "other half, over all halvings (CSCV, Bailey et al. 2017). About one half: choosing among these trials is worth "
    "nothing.",
}


def unit(objective: ObjectiveConfig) -> str:
    """Return the unit of scores."""
    return "bp a year" if objective.per == "notional" else objective.metric


def digits(objective: ObjectiveConfig) -> int:
    """Return how many digits a score is shown with."""
    return 1 if objective.per == "notional" else 3
