"""Forecast quality: is the model still worth having, and where does it err?"""

from grafana_foundation_sdk.models.dashboard import Dashboard
from pages import page
from panels import BAD_ABOVE_ZERO, BLUE, GREEN, ORANGE, RED, AnyPanel, bars, lines, listing, number, states

MARKET = 'venue=~"$venue",symbol=~"$symbol"'
YEAR = "8760 * "


def forecasts() -> Dashboard:
    """Build it."""
    return page(
        "hedged-forecasts", "hedged: Forecast quality", "Is the model still worth having, and where does it err?",
        [("The model", model()), ("Drift", drift()), ("Training", training()), ("How it does, by venue and market", by_market()), ("Settlements beside their forecasts", settlements()), ("What is forecast", told())],
    )  # fmt: skip


def model() -> list[AnyPanel]:
    """Drift."""
    drift = ((None, GREEN), (0.95, ORANGE), (1.05, RED))
    about = (
        "Pinball loss of the forecasts over the horizon, of three weeks, ÷ that of a plain weighted average of past rates. "
        "0.9 is as trained; above 1 the average would have done better: train a new model (`hedged train`). Empty for the "
        "first day after a start with a new model: a forecast is judged when its horizon is over."
    )
    return [
        number("Loss ÷ average's", {"{{venue}}": "hedged_forecast_loss_ratio"}, "none", about, drift, names=True, decimals=2,
               width=6, height=8, alerts=("HedgedModelDrifted",), empty="not judged yet"),
        lines("Loss ÷ average's, in time", {"{{venue}}": "hedged_forecast_loss_ratio"}, "none", about, drift, width=9,
              alerts=("HedgedModelDrifted",)),
        lines("Judged forecasts", {"{{venue}}": "hedged_forecasts_scored"}, "none",
              "How many outcomes that rests on. Below 30 the ratio says little.", width=5, least=0),
        lines("Series by forecaster", {"{{forecaster}}": "hedged_forecast_series"}, "none",
              "Who speaks for how many series. ewma stands in where a history is short; none: history too short for any, or a "
              "settlement overdue. Many at none: look at Venues and data age.", width=4, least=0),
        number("Models exchanged, a day", {"{{outcome}}": "increase(hedged_model_swaps_total[1d])"}, "none",
               "refused: another one goes on; the log says why (model_refused).", ((None, BLUE),), width=12, height=4, names=True,
               empty="none", decimals=0),
        number("EWMA in the model's place", {"now": "hedged_model_stood_in"}, "none",
               "1: the model gave way, or could not be opened (hedged model list).", BAD_ABOVE_ZERO, width=4, height=4,
               alerts=("HedgedModelStoodIn",), decimals=0),
        number("Models that gave way, a week", {"{{cause}}": "increase(hedged_model_demotions_total[7d])"}, "none",
               "By cause. The log says which and why (model_demoted).", ((None, BLUE),), width=8, height=4, names=True,
               empty="none", decimals=0),
        lines("Challengers ÷ champion", {"{{model}}": "hedged_challenger_ratio"}, "none",
              "Loss of the models in shadow ÷ the champion's, on the same outcomes. Below 1 they are better; how surely, the status "
              "page says.", ((None, GREEN), (1, ORANGE)), width=10),
        lines("Days of their contests", {"{{model}}": "hedged_challenger_days"}, "none",
              "Days of outcomes that both have forecast. 14 are the least, after 120 a contest is given up.", width=7, least=0),
        number("Contests decided, a week", {"{{outcome}}": "increase(hedged_model_promotions_total[7d])"}, "none",
               "What the daemon did by itself: promoted, rolled back, retired. The history says why (`hedged model show`).",
               ((None, BLUE),), width=7, height=8, names=True, empty="none", decimals=0),
    ]  # fmt: skip


def by_market() -> list[AnyPanel]:
    """Every measure, of the last three weeks. The symbol `all` is the whole venue."""
    venue = 'symbol="all",venue=~"$venue"'
    better = ((None, GREEN), (0.95, ORANGE), (1.05, RED))
    return [
        lines("Models beside the average", {"{{model}}": "hedged_model_loss_ratio"}, "none",
              "Pinball loss over all markets ÷ the weighted average's of the same hours, also of models that run in shadow or "
              "served before. Compared on the same outcomes only with the average: `hedged model diff` and the log of a "
              "promotion tell more.", better),
        lines("Error ÷ average's, by venue", {"{{venue}}": f"hedged_forecast_error_ratio{{{venue}}}"}, "none",
              "Distance of the median from what came, in units of a market's usual change.", better),
        lines("Direction right, by venue", {"{{venue}}": f"hedged_forecast_direction_right_ratio{{{venue}}}"}, "percentunit",
              "Of the forecasts over the horizon that called a direction, where the rate moved.", width=8, least=0),
        lines("Inside the 80 % band, by venue", {"{{venue}}": f"hedged_forecast_band_coverage_ratio{{{venue}}}"}, "percentunit",
              "0.8 is right. Far below: bands too narrow, hedges too large.", width=8, least=0),
        lines("Chance of a rise off by", {"{{venue}}": "hedged_forecast_calibration_error_ratio"}, "percentunit",
              "Expected calibration error, ten bins. Of 100 calibrated forecasts it is 0.06 to 0.15 by chance alone, of 600 0.02 to 0.06.", width=8,
              least=0),
        lines("Next settlement: direction right", {"{{venue}}": "hedged_settlement_direction_right_ratio"}, "percentunit",
              "Of the coming settlements that were called to rise or fall, and did. The venue's estimate is known by then.", least=0),
        lines("Next settlement: error ÷ the last rate's", {"{{venue}}": "hedged_settlement_error_ratio"}, "none",
              "Above 1 carrying the last rate on would have done better.", better),
        bars("Error ÷ average's, by market", f'hedged_forecast_error_ratio{{{MARKET},symbol!="all"}}', "none",
             "Few outcomes of one market: look at the venue before one of them.", better, legend="{{symbol}} {{venue}}", least=0,
             empty="too early"),
        bars("Direction right, by market", f'hedged_forecast_direction_right_ratio{{{MARKET},symbol!="all"}}', "percentunit",
             "Of calls over the horizon where the rate moved.", legend="{{symbol}} {{venue}}", least=0, most=1, empty="too early"),
        bars("Inside the 80 % band, by market", f'hedged_forecast_band_coverage_ratio{{{MARKET},symbol!="all"}}', "percentunit",
             "0.8 is right.", legend="{{symbol}} {{venue}}", least=0, most=1, width=24, empty="too early"),
    ]  # fmt: skip


def drift() -> list[AnyPanel]:
    """Whether model, inputs and market are as they were."""
    proof = ((None, GREEN), (0.8, ORANGE), (1.0, RED))
    moods = {0: ("no", BLUE), 1: ("yes", ORANGE)}
    return [
        lines("On the way to a proof of drift", {"{{detector}}": "hedged_model_drift"}, "none",
              "Above 1 drift is proven and a training is due at once. cusum: the sum of what it lost beyond halfway to useless; "
              "bootstrap: what it surely lost of the average's loss; direction: calls that were surely right too seldom. Empty "
              "for four weeks after another model took over.", proof, width=9, alerts=("HedgedModelDrifted",)),
        states("Regime", {"{{regime}}": "hedged_regime"},
               "By the moves of the last week among those of the window's days, once a day. Stormy: models are trained weekly.",
               moods, width=8),
        number("Moves of the week", {"{{of}}": "hedged_market_rank"}, "percentunit",
               "Share of the days before with less of them. Above 90 % a storm begins.", ((None, BLUE), (0.9, ORANGE)), names=True,
               width=4, height=8, decimals=0, empty="not known yet"),
        number("Correlation", {"{{of}}": "hedged_market_correlation"}, "none",
               "Mean over pairs of coins, of the last week's hours.", ((None, BLUE),), names=True, width=3, height=8, decimals=2,
               empty="not known yet"),
        bars("Inputs furthest from training", "hedged_feature_drift", "none",
             "Population stability index. A book of a few large coins is far from a training on all: half of the inputs are above "
             "0.25 while the model is well. Compare with earlier weeks.", legend="{{feature}} {{venues}}", least=0, width=12,
             empty="the model does not know"),
        lines("Inputs above 0.25", {"{{venues}}": "hedged_features_shifted"}, "none", "The same, counted. A jump wants a look.",
              width=6, least=0),
        lines("Inputs gone silent", {"{{venues}}": "hedged_features_silent"}, "none",
              "Nearly always known in training, mostly unknown in the last weeks. Up to five where no slow venue is followed.",
              ((None, GREEN), (6, ORANGE)), width=6, least=0, alerts=("HedgedInputsSilent",)),
    ]  # fmt: skip


def training() -> list[AnyPanel]:
    """Models trained anew."""
    return [
        number("Training now", "max(hedged_training_progress_ratio and hedged_training_running == 1)",
               "percentunit", "How far the training at hand is. Empty: none is at work.", ((None, BLUE),), width=6, height=6,
               empty="none"),
        number("The last model is of", "time() - max(hedged_training_last_timestamp_seconds > 0)", "s",
               "How long ago a training came to a model, taken in or not. A month is usual. Empty: none since the start.",
               ((None, BLUE),), width=6, height=6, empty="none since the start"),
        number("It took", "max(hedged_training_seconds > 0)", "s", "All its attempts together.", ((None, BLUE),), width=4, height=6,
               empty="none since the start"),
        number("How trainings ended, a month", {"{{outcome}}": "increase(hedged_training_total[30d])"}, "none",
               "added: a challenger; rejected: worse than the average on its hold-out; the others broke off and go on later "
               "(`hedged model training`).", ((None, BLUE),), width=4, height=6, names=True, empty="none", decimals=0),
        number("Failed in a row", "max(hedged_training_failures)", "none",
               "Trainings that came to no model by a fault. The model that serves goes on.", ((None, GREEN), (1, ORANGE), (3, RED)),
               width=4, height=6, alerts=("HedgedTrainingFails",)),
    ]  # fmt: skip


def settlements() -> list[AnyPanel]:
    """What came."""
    return [
        bars("Settlements outside their 80 % band", f"hedged_forecast_missed_ratio{{{MARKET}}}", "percentunit",
             "Of the last 24 of each market. A fifth is right. Far above it nothing is opened on that market.",
             ((None, GREEN), (0.4, ORANGE), (0.6, RED)), legend="{{symbol}} {{venue}}", least=0, most=1,
             alerts=("HedgedForecastMisses",)),
        lines("Distance of the last settlement", {"{{symbol}} {{venue}}": f"hedged_forecast_deviation_bands{{{MARKET}}}"}, "none",
              "From its median, in half-widths of the 80 % band. Above 3 and far enough in rate it is told.",
              ((None, GREEN), (3, ORANGE)), least=0, alerts=("HedgedFundingDeviates",)),
        listing("Alarmingly far, the last time", f"time() - hedged_forecast_deviated_timestamp_seconds{{{MARKET}}}",
                "How long ago. Empty: never since the start. The log has both rates (funding_deviates).",
                columns=("symbol", "venue"), value="ago", unit="s", alerts=("HedgedFundingDeviates",), empty="never since the start"),
        number("Markets closed by misses", "sum(hedged_forecast_misses)", "none",
               "Nothing is opened there until forecasts hit again.", BAD_ABOVE_ZERO, width=12, height=8,
               alerts=("HedgedForecastMisses",)),
    ]  # fmt: skip


def told() -> list[AnyPanel]:
    """The forecasts themselves."""
    rate = "hedged_forecast_rate_per_hour"
    return [
        lines("Forecast funding, a year", {"{{symbol}} {{venue}}": f'{YEAR}{rate}{{{MARKET},band="mean"}}'}, "percentunit",
              "Mean over the horizon. Plus: longs pay. Where a venue lies below Injective, a long is held there more cheaply."),
        lines("Its 80 % band, a year", {"{{symbol}} {{venue}} {{band}}": f'{YEAR}{rate}{{{MARKET},band!="mean"}}'}, "percentunit",
              "One in ten outcomes is below p10, one in ten above p90. Choose one symbol above to see it."),
    ]  # fmt: skip
