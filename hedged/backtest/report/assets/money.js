// Funding added up, and the waterfall from unhedged to hedged.
(() => {
  const { axisLook, color, data, keys, line, narrow, num, short, tip, valueAxis, when } = page;
  const { at, base, markKeys, marked, overTime, placed, placeOf, shown, timeAxis, titled, told, zoom } = report;
  const OWN = [["unhedged", "Unhedged", "orange", "dashed"], ["hedged", "Hedged", "blue", "solid"],
    ["net", "Hedged, after costs", "ink", "dotted"]];
  const LOOKS = [["teal", "dashed"], ["purple", "dashed"], ["grey", "solid"], ["blue", "dotted"], ["orange", "dotted"], ["teal", "dotted"]];
  const baselines = data.baselines.labels ?? {};
  const hidden = new Set([...Object.values(baselines)]);

  /** Lines of what is chosen: [label, look, dash, [[ms, USD], …]]. */
  function lines() {
    const symbol = shown.all ? "" : shown.symbol, own = data.cumulative[symbol];
    if (!own) return [];
    const minus = (values) => values.map((value, i) => value - own.unhedged[i]);
    const mine = shown.saving
      ? [["Funding saved", "blue", "solid", overTime(minus(own.hedged))], ["Net saving, after costs", "ink", "dotted", overTime(minus(own.net))]]
      : OWN.map(([key, label, look, dash]) => [label, look, dash, overTime(own[key])]);
    const days = data.baselines.t ?? [];
    const unhedgedAt = (t) => own.unhedged[Math.max(placeOf(at, t), 0)];
    const others = Object.entries(baselines).map(([name, label], i) => [label, ...LOOKS[i % LOOKS.length],
      [[at[0], 0], ...days.map((t, k) => [Math.min(t, data.period[1]), data.baselines.lines[symbol][name][k] + (shown.saving ? 0 : unhedgedAt(t))])]]);
    return [...mine, ...others];
  }
  const valueAt = (points, t) => points[Math.max(placeOf(points.map(([x]) => x), t), 0)]?.[1];

  function cumulative(again) {
    const all = lines();
    if (!all.length || !data.symbols.length) return null;
    const last = (points) => num(points[points.length - 1][1], 2, true);
    keys("cumulative", [...all.map(([label, look, dash, points]) => [dash, look, label, "", hidden.has(label) ? "" : last(points)]), ...markKeys()], hidden, again);
    const seen = all.filter(([label]) => !hidden.has(label));
    const formatter = (points) => {
      const t = points[0].axisValue, own = data.cumulative[shown.all ? "" : shown.symbol], i = Math.max(placeOf(at, t), 0);
      const pairs = seen.map(([label, , , values]) => [label, num(valueAt(values, t), 2, true)]);
      return tip(`${when(t)} UTC, USD`, told(shown.saving ? pairs : [...pairs, ["Net saving so far", num(own.net[i] - own.unhedged[i], 2, true)]], t));
    };
    return {
      ...base(formatter), dataZoom: zoom("cumulative"), grid: placed(),
      xAxis: timeAxis(), yAxis: valueAxis(shown.saving ? "saved against unhedged, USD" : "funding since the start, USD", { scale: false, axisLabel: { ...axisLook().axisLabel, formatter: short } }),
      series: [...marked(), { ...line("zero", [], "grey", 0), markLine: page.ruler([[{ yAxis: 0 }, "solid"]]) },
        ...seen.map(([label, look, dash, points]) => line(label, points, look, look === "ink" ? 1.8 : 2.2, dash))],
    };
  }
  function cumulativeTable() {
    const all = lines().filter(([label]) => !hidden.has(label));
    return { heads: ["Time, UTC", ...all.map(([label]) => `${label}, USD`)],
      rows: at.map((t) => [when(t), ...all.map(([, , , points]) => num(valueAt(points, t), 2, true))]) };
  }

  // ---- waterfall: each step is laid on a clear base, above and below zero apart
  const change = (bar) => num(bar.total ? bar.to : bar.to - bar.from, 2, true);
  function waterfall() {
    const bars = data.waterfall;
    if (bars.every((bar) => bar.from === 0 && bar.to === 0)) return null;
    const look = (bar) => color(bar.total ? "grey" : bar.to >= bar.from ? "teal" : "orange");
    const part = (bar, sign) => {
      const low = Math.min(sign * bar.from, sign * bar.to), high = Math.max(sign * bar.from, sign * bar.to);
      return { clear: sign * Math.max(low, 0), full: sign * Math.max(high - Math.max(low, 0), 0) };
    };
    const stack = (kind, sign) => ({
      type: "bar", stack: "all", barWidth: 22, silent: true, emphasis: { disabled: true },
      data: bars.map((bar) => ({ value: part(bar, sign)[kind], itemStyle: { color: kind === "clear" ? "transparent" : look(bar), borderRadius: 2 } })),
    });
    const formatter = ([{ dataIndex: i }]) => tip(bars[i].name, [[bars[i].total ? "Total" : "Change", change(bars[i]) + " USD"], ["Stands at", num(bars[i].to, 2, true) + " USD"]]);
    document.getElementById("waterfall").style.height = `${bars.length * 46 + 62}px`;
    return {
      ...base(formatter), grid: { left: narrow() ? 142 : 170, right: 18, top: 4, bottom: 52 },
      xAxis: { ...axisLook(), type: "value", splitNumber: narrow() ? 3 : 6, axisLabel: { ...axisLook().axisLabel, formatter: short }, ...titled(narrow() ? "USD" : "funding and costs, USD: right is received, left is paid") },
      yAxis: { ...axisLook(), type: "category", inverse: true, data: bars.map((bar) => bar.name), splitLine: { show: false },
        axisLabel: { interval: 0, margin: 12, formatter: (name, i) => `{name|${name.replace(/[{}|]/g, "")}}\n{value|${change(bars[i])}}`,
          rich: { name: { color: color("ink"), fontSize: 13, lineHeight: 17, align: "right" }, value: { color: color("soft"), fontSize: 13, lineHeight: 17, align: "right" } } } },
      series: [stack("clear", 1), stack("full", 1), stack("clear", -1), stack("full", -1)],
    };
  }
  const waterfallTable = () => ({ heads: ["Step", "Change, USD", "Stands at, USD"],
    rows: data.waterfall.map((bar) => [bar.name, change(bar), num(bar.to, 2, true)]) });

  Object.assign(report.charts, {
    cumulative: [cumulative, "No funding was recorded.", cumulativeTable],
    waterfall: [waterfall, "No funding was paid or received, and nothing was traded.", waterfallTable],
  });
})();
