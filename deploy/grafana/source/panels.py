"""What the dashboards are built from: panels with a unit, thresholds, and a description that says what to do."""

from collections.abc import Iterable, Mapping, Sequence
from string import ascii_uppercase

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.builders.dashboard import DashboardLink, FieldColor, ThresholdsConfig
from grafana_foundation_sdk.models.common import (
    BarGaugeDisplayMode,
    BigValueColorMode,
    BigValueGraphMode,
    BigValueTextMode,
    FieldTextAlignment,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    TooltipDisplayMode,
    VisibilityMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardLinkType,
    DashboardSpecialValueMapOptions,
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    SpecialValueMap,
    SpecialValueMatch,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMapping,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat
from runbook import link_to

SOURCE = DataSourceRef(type_val="prometheus", uid="prometheus")
GREEN, ORANGE, RED, BLUE = "green", "orange", "red", "blue"
Steps = Sequence[tuple[float | None, str]]
"""From which value on which colour; None: from the least."""
PLAIN: Steps = ((None, BLUE),)
GOOD_ABOVE_ZERO: Steps = ((None, ORANGE), (0, GREEN))
BAD_ABOVE_ZERO: Steps = ((None, GREEN), (0.5, RED))
Targets = Mapping[str, str]
"""PromQL by legend."""
Texts = Mapping[float, tuple[str, str]]
"""Text and colour by value."""
AnyPanel = stat.Panel | timeseries.Panel | table.Panel | bargauge.Panel | statetimeline.Panel


def number(
    title: str, expr: str | Targets, unit: str, about: str, steps: Steps = PLAIN, *, width: int = 4, height: int = 4,
    alerts: Iterable[str] = (), texts: Texts | None = None, empty: str = "unknown",
    names: bool = False, decimals: int | None = None, coloured: bool = False,
) -> stat.Panel:  # fmt: skip
    """Make a large number of now. `texts`: value → text and colour; `empty`: shown while there is none; `coloured`:
    the whole panel; `names`: with the series' names.
    """
    panel = stat.Panel().graph_mode(BigValueGraphMode.NONE)
    panel.color_mode(BigValueColorMode.BACKGROUND if coloured else BigValueColorMode.VALUE)
    panel.text_mode(BigValueTextMode.VALUE_AND_NAME if names else BigValueTextMode.AUTO)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    if decimals is not None:
        panel.decimals(decimals)
    panel.no_value(empty).mappings(_mappings(texts or {}, empty))
    _dress(panel, title, unit, about, steps, width, height, alerts)
    _ask(panel, expr, instant=True)
    return panel


def lines(
    title: str, expr: str | Targets, unit: str, about: str, steps: Steps = PLAIN, *, width: int = 12, height: int = 8,
    alerts: Iterable[str] = (), least: float | None = None, legend: str = "",
) -> timeseries.Panel:  # fmt: skip
    """Make a course in time; thresholds other than PLAIN are drawn as lines."""
    panel = timeseries.Panel().line_width(1).fill_opacity(6).show_points(VisibilityMode.AUTO)
    panel.legend(
        common.VizLegendOptions().show_legend(True).display_mode(LegendDisplayMode.TABLE).calcs(["lastNotNull", "max"])
        .placement(LegendPlacement.BOTTOM)
    )  # fmt: skip
    panel.tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
    drawn = GraphThresholdsStyleMode.OFF if steps is PLAIN else GraphThresholdsStyleMode.DASHED
    panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(drawn))
    if least is not None:
        panel.min(least)
    _dress(panel, title, unit, about, steps, width, height, alerts)
    panel.color_scheme(FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC_BY_NAME))
    _ask(panel, expr, legend=legend)
    return panel


def bars(
    title: str, expr: str, unit: str, about: str, steps: Steps = PLAIN, *, legend: str, width: int = 12, height: int = 8,
    alerts: Iterable[str] = (), least: float | None = None, most: float | None = None, empty: str = "none",
) -> bargauge.Panel:  # fmt: skip
    """Make a bar for each series, of now."""
    panel = bargauge.Panel().display_mode(BarGaugeDisplayMode.BASIC).orientation(VizOrientation.HORIZONTAL)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    panel.no_value(empty).mappings(_mappings({}, empty))
    if least is not None:
        panel.min(least)
    if most is not None:
        panel.max(most)
    _dress(panel, title, unit, about, steps, width, height, alerts)
    _ask(panel, expr, instant=True, legend=legend)
    return panel


def states(
    title: str, expr: str | Targets, about: str, texts: Texts, *, width: int = 12, height: int = 8,
    alerts: Iterable[str] = (), legend: str = "",
) -> statetimeline.Panel:  # fmt: skip
    """Make a band for each series that shows which state it was in when."""
    panel = statetimeline.Panel().show_value(VisibilityMode.NEVER).row_height(0.8).fill_opacity(80)
    panel.mappings(_mappings(texts))
    panel.legend(common.VizLegendOptions().show_legend(True).placement(LegendPlacement.BOTTOM))
    _dress(panel, title, "none", about, PLAIN, width, height, alerts)
    _ask(panel, expr, legend=legend)
    return panel


def listing(
    title: str, expr: str, about: str, *, columns: Sequence[str], value: str | None = None, unit: str = "none",
    steps: Steps = PLAIN, width: int = 12, height: int = 8, alerts: Iterable[str] = (), empty: str = "none",
) -> table.Panel:  # fmt: skip
    """Make a table of series of now: `columns` are labels in their order, `value` the title of the value, hidden if None."""
    panel = table.Panel().no_value(empty).align(FieldTextAlignment.AUTO).inspect(False)
    hidden = ["Time", "__name__", "job", "instance", *([] if value else ["Value"])]
    panel.with_transformation(
        DataTransformerConfig(
            id_val="organize",
            options={
                "excludeByName": dict.fromkeys(hidden, True),
                "indexByName": {name: i for i, name in enumerate([*columns, "Value"])},
                "renameByName": {"Value": value} if value else {},
            },
        )
    )
    _dress(panel, title, "none", about, PLAIN, width, height, alerts)
    if value:
        panel.override_by_name(
            value,
            [
                DynamicConfigValue("unit", unit),
                DynamicConfigValue("thresholds", _thresholds(steps).build()),
                DynamicConfigValue("custom.cellOptions", {"type": "color-text"}),
            ],
        )
    panel.with_target(
        prometheus.Dataquery()
        .expr(expr)
        .instant()
        .format(PromQueryFormat.TABLE)
        .ref_id("A")
        .datasource(SOURCE)
    )
    return panel


def _dress(
    panel: AnyPanel,
    title: str,
    unit: str,
    about: str,
    steps: Steps,
    width: int,
    height: int,
    alerts: Iterable[str],
) -> None:
    panel.title(title).unit(unit).description(about).datasource(SOURCE).span(width).height(height)
    panel.thresholds(_thresholds(steps))
    panel.color_scheme(FieldColor().mode(FieldColorModeId.THRESHOLDS))
    panel.links([_link(f"Runbook: {alert}", link_to(alert)) for alert in alerts])


def _mappings(texts: Texts, empty: str = "") -> list[ValueMapping]:
    """Map values to texts and, where `empty` is given, no value to that: else it shows in the least threshold's colour."""
    results = {f"{value:g}": ValueMappingResult(text, colour) for value, (text, colour) in texts.items()}
    found: list[ValueMapping] = [ValueMap(results)] if results else []
    if empty:
        nothing = DashboardSpecialValueMapOptions(
            SpecialValueMatch.NULL_AND_NAN, ValueMappingResult(empty, BLUE)
        )
        found.append(SpecialValueMap(nothing))
    return found


def _thresholds(steps: Steps) -> ThresholdsConfig:
    of = [Threshold(value, colour) for value, colour in steps]
    return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(of)


def _link(title: str, url: str) -> DashboardLink:
    return DashboardLink(title).type(DashboardLinkType.LINK).url(url).target_blank(True)


def _ask(panel: AnyPanel, expr: str | Targets, *, instant: bool = False, legend: str = "") -> None:
    """Ask; a legend with braces takes in labels."""
    targets = {legend: expr} if isinstance(expr, str) else expr
    for letter, (name, asked) in zip(ascii_uppercase, targets.items(), strict=False):
        query = prometheus.Dataquery().expr(asked).ref_id(letter).datasource(SOURCE)
        if name:
            query.legend_format(name)
        panel.with_target(query.instant() if instant else query.range())
