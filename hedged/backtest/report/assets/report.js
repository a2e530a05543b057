// Draws the charts from the JSON in #data. One symbol is shown at a time, named by the address: #symbol=INJ.
(() => {
  const { axisLook, charts, color, data, esc, keys, line, narrow, num, printing, short, tip, valueAxis, when } = page;
  const at = Array.from({ length: data.grid.n }, (_, i) => data.grid.start + i * data.grid.step);
  const busiest = (best, symbol) => (fillsOf(symbol) > fillsOf(best) ? symbol : best);
  const fillsOf = (symbol) => data.timeline[symbol]?.fills.length ?? 0;
  const shown = { all: true, symbol: data.symbols.reduce(busiest, data.symbols[0] ?? "") };

  /** The last place of a sorted list whose value is at most x; -1 when there is none. */
  const placeOf = (sorted, x) => {
    let low = 0, high = sorted.length;
    while (low < high) { const mid = (low + high) >> 1; if (sorted[mid] <= x) low = mid + 1; else high = mid; }
    return low - 1;
  };

  const timeAxis = (extra = {}) => page.timeAxis({ min: data.period[0], max: data.period[1], ...extra });
  const zoom = (axes = [0], from = data.period[0]) => [page.slider({ xAxisIndex: axes, filterMode: "none",
    startValue: printing() ? data.period[0] : Math.max(from, data.period[0]), endValue: data.period[1] })];
  const base = (formatter) => page.base(formatter, { snap: false });
  const zeroLine = () => page.ruler([[{ yAxis: 0 }, "solid"]]);
  const overTime = (values) => values.map((value, i) => [at[i], value]);

  // ---- funding, added up
  function cumulative() {
    const lines = data.cumulative[shown.all ? "" : shown.symbol];
    if (!lines || !data.symbols.length) return null;
    const looks = [["unhedged", "Unhedged", "orange", "dashed"], ["hedged", "Hedged", "blue", "solid"],
      ["net", "Hedged, after fees and spread", "ink", "dotted"]];
    const last = (values) => num(values[values.length - 1], 2, true);
    keys("cumulative", looks.map(([key, label, look, dash]) => [dash, look, label, "", last(lines[key])]));
    const formatter = ([point]) => tip(when(at[point.dataIndex]) + " UTC", [
      ...looks.map(([key, label]) => [label, num(lines[key][point.dataIndex], 2, true)]),
      ["Saved so far, after costs", num(lines.net[point.dataIndex] - lines.unhedged[point.dataIndex], 2, true)]]);
    return {
      ...base(formatter), dataZoom: zoom(),
      grid: { left: 4, right: 12, top: 30, bottom: 42, containLabel: true },
      xAxis: timeAxis(), yAxis: valueAxis("USD", { axisLabel: { ...axisLook().axisLabel, formatter: short } }),
      series: looks.map(([key, label, look, dash]) => ({
        ...line(label, overTime(lines[key]), look, key === "net" ? 1.8 : 2.2, dash),
        ...(key === "unhedged" ? { markLine: zeroLine() } : {}),
      })),
    };
  }

  // ---- decisions and hedge size
  const ROW_WORDS = { nothing: "Nothing to do", hold: "Held", acted: "Acted", refused: "Refused", frozen: "Frozen" };
  const ROW_LOOKS = { nothing: "grey", hold: "blue", acted: "teal", refused: "orange", frozen: "purple" };
  // Neighbouring layers differ in lightness as well as in hue.
  const LAYER_LOOKS = [["blue", 0.6], ["teal", 0.22], ["purple", 0.5], ["orange", 0.2], ["grey", 0.5]];
  const layerLook = (i) => LAYER_LOOKS[i % LAYER_LOOKS.length];
  const MARKS = {
    hedge_open: ["Hedge opened", "M6 0 12 11H0Z"], hedge_close: ["Hedge closed", "M0 1H12L6 12Z"],
    own_cut: ["Own position cut", "M6 0 12 6 6 12 0 6Z"],
    own_restore: ["Own position restored", "M6 0 12 6 6 12 0 6ZM6 3.4 3.4 6 6 8.6 8.6 6Z"],
    relocate: ["Moved to another venue", "M1 1H11V11H1Z"],
    stop: ["Stop", "M1 3 3 1 6 4 9 1 11 3 8 6 11 9 9 11 6 8 3 11 1 9 4 6Z"],
  };
  const changeAfter = (view, t) => Math.min(placeOf(view.t, t) + 1, view.t.length - 1);
  const shareAfter = (view, t) => view.layers.reduce((sum, layer) => sum + layer.values[changeAfter(view, t)], 0);
  const ownShareAfter = (view, t) => view.layers.find((layer) => layer.name === "Own cut")?.values[changeAfter(view, t)] ?? 0;
  function timelineTip(view, value) {
    const i = placeOf(view.t, value), j = placeOf(view.strip.from, value), strip = view.strip;
    const near = (charts.get("timeline")?.getOption().dataZoom?.[0]) ?? { startValue: data.period[0], endValue: data.period[1] };
    const reach = Math.max(450000, (near.endValue - near.startValue) / 150);
    const fills = view.fills.filter((fill) => Math.abs(fill.t - value) <= reach);
    const pairs = view.layers.map((layer) => [layer.name, `${num(layer.values[Math.max(i, 0)], 1)} %`]);
    if (fills.length) {
      const told = fills.slice(0, 4).flatMap((fill) => [[`${MARKS[fill.purpose]?.[0] ?? fill.purpose}, ${fill.venue}`,
        `${fill.side} ${num(fill.quantity, 4).replace(/\.?0+$/, "")} @ ${num(fill.price, 4)}`]]);
      const whys = [...new Set(fills.slice(0, 4).map((fill) => data.sentences[fill.why]))];
      if (fills.length > 4) whys.push(`and ${fills.length - 4} more fills close by`);
      return tip(when(fills[0].t) + " UTC", [...pairs, ...told], whys);
    }
    if (j < 0 || value >= strip.to[j]) return tip(when(value) + " UTC", pairs);
    const span = strip.to[j] - strip.from[j] > 900000 ? `${when(strip.from[j])} to ${when(strip.to[j])}: ` : "";
    return tip(when(value) + " UTC", [...pairs, ["Decision", ROW_WORDS[data.rows[strip.row[j]]]]], [span + (data.sentences[strip.why[j]] || "no reason given")]);
  }
  function stripSeries(view, rows, grid) {
    return rows.map((name, y) => {
      const row = data.rows.indexOf(name), points = [];
      view.strip.from.forEach((from, i) => {
        if (view.strip.row[i] === row) points.push([from, y], [view.strip.to[i], y], [view.strip.to[i], null]);
      });
      return { ...line(ROW_WORDS[name], points, ROW_LOOKS[name], 9), xAxisIndex: grid, yAxisIndex: grid,
        lineStyle: { width: 9, color: color(ROW_LOOKS[name]), cap: "butt" }, showSymbol: name !== "nothing" && name !== "hold",
        symbol: "rect", symbolSize: [3, 9], itemStyle: { color: color(ROW_LOOKS[name]) } };
    });
  }
  function sizeSeries(view) {
    const areas = view.layers.map((layer, i) => {
      const [look, opacity] = layerLook(i);
      return { ...line(layer.name, view.t.map((t, k) => [t, layer.values[k]]), look, 1), step: "end", stack: "size",
        areaStyle: { color: color(look), opacity } };
    });
    const level = (fill) => (/^own/.test(fill.purpose) ? ownShareAfter : shareAfter)(view, fill.t);
    const marks = Object.entries(MARKS).map(([purpose, [name, path]]) => ({
      type: "scatter", name, symbol: `path://${path}`, symbolSize: 9, z: 5, clip: false,
      symbolOffset: [0, /^own/.test(purpose) ? 6 : -6], silent: true,
      itemStyle: { color: color("ink"), borderColor: color("paper"), borderWidth: 1 },
      data: view.fills.filter((fill) => fill.purpose === purpose).map((fill) => [fill.t, level(fill)]),
    }));
    return [...areas, ...marks.filter((series) => series.data.length)];
  }
  function timeline() {
    const view = data.timeline[shown.symbol], box = document.getElementById("timeline");
    const note = document.getElementById("timeline-note");
    note.textContent = "";
    if (!view) return null;
    const sized = view.layers.length > 0 || view.fills.length > 0;
    const rows = data.rows.filter((_, i) => view.strip.row.includes(i)).reverse();
    const stripHeight = rows.length * 21, left = 96, right = 12;
    box.style.height = sized ? "" : `${stripHeight + 84}px`;
    note.textContent = sized ? "" : `No hedge was ever held in ${shown.symbol}.`;
    const used = new Set(view.fills.map((fill) => fill.purpose));
    keys("timeline", [...view.layers.map((layer, i) => ["area", layerLook(i)[0], layer.name, layerLook(i)[1]]),
      ...Object.entries(MARKS).filter(([purpose]) => used.has(purpose)).map(([, [label, path]]) => ["shape", "ink", label, path])]);
    const strip = { left, right, bottom: 62, height: stripHeight }, size = { left, right, top: 30, bottom: 62 + stripHeight + 18 };
    const stripAxis = { ...axisLook(), type: "category", data: rows.map((name) => ROW_WORDS[name]), splitLine: { show: false },
      axisLabel: { color: color("soft"), fontSize: 12, interval: 0 } };
    const sizeAxis = valueAxis("% of the own position", { min: 0, minInterval: 1, nameTextStyle: { ...valueAxis("").nameTextStyle, padding: [0, 0, 0, -left + 4] },
      max: ({ max }) => (max > 9 ? 10 * Math.ceil(max / 9) : 10) });
    const formatter = (points) => timelineTip(view, points[0].axisValue);
    return {
      ...base(formatter), axisPointer: { link: [{ xAxisIndex: "all" }] }, dataZoom: zoom(sized ? [0, 1] : [0]),
      grid: sized ? [size, strip] : [strip],
      xAxis: sized ? [timeAxis({ axisLabel: { show: false } }), timeAxis({ gridIndex: 1 })] : [timeAxis()],
      yAxis: sized ? [sizeAxis, { ...stripAxis, gridIndex: 1 }] : [stripAxis],
      series: sized ? [...sizeSeries(view), ...stripSeries(view, rows, 1)] : stripSeries(view, rows, 0),
    };
  }

  // ---- forecast and what came
  const FAN_VIEW_MS = 30 * 86400000;
  function fan() {
    const view = data.fan[shown.symbol];
    if (!view) return null;
    document.getElementById("fan-horizon").textContent = num(view.horizon_h, 0);
    document.getElementById("fan-score").textContent = view.score ?? "";
    keys("fan", [["band", "blue", "Forecast, p10 to p90", 0.22], ["solid", "blue", "Forecast, mean"], ["dotted", "ink", "Realised"]]);
    const rate = (value) => `${num(value, 1, true)} %`;
    const formatter = ([{ dataIndex: i }]) => tip(when(at[i]) + " UTC", [["p90", rate(view.high[i])], ["Mean", rate(view.mean[i])],
      ["p10", rate(view.low[i])], ["Realised", view.real[i] === null ? "not known" : rate(view.real[i])]]);
    const width = view.high.map((high, i) => (high === null || view.low[i] === null ? null : high - view.low[i]));
    return {
      ...base(formatter), dataZoom: zoom([0], data.period[1] - FAN_VIEW_MS),
      grid: { left: 4, right: 12, top: 30, bottom: 42, containLabel: true },
      xAxis: timeAxis({ axisLine: { onZero: false, lineStyle: { color: color("soft") } } }),
      yAxis: valueAxis("% a year", { axisLabel: { ...axisLook().axisLabel, formatter: short } }),
      series: [
        { ...line("p10", overTime(view.low), "blue", 0), stack: "band", stackStrategy: "all" },
        { ...line("p90", overTime(width), "blue", 0), stack: "band", stackStrategy: "all", areaStyle: { color: color("blue"), opacity: 0.22 } },
        line("Mean", overTime(view.mean), "blue", 1.4),
        { ...line("Realised", overTime(view.real), "ink", 1.8, "dotted"), markLine: zeroLine() },
      ],
    };
  }

  // ---- waterfall: each step is laid on a clear base, above and below zero apart
  function waterfall() {
    const bars = data.waterfall;
    if (bars.every((bar) => bar.from === 0 && bar.to === 0)) return null;
    const look = (bar) => color(bar.total ? "grey" : bar.to >= bar.from ? "teal" : "orange");
    const part = (bar, sign) => {
      const low = Math.min(sign * bar.from, sign * bar.to), high = Math.max(sign * bar.from, sign * bar.to);
      return { clear: sign * Math.max(low, 0), full: sign * Math.max(high - Math.max(low, 0), 0) };
    };
    const stack = (kind, sign) => ({
      type: "bar", stack: "all", barWidth: 20, silent: true, emphasis: { disabled: true },
      data: bars.map((bar) => ({ value: part(bar, sign)[kind], itemStyle: { color: kind === "clear" ? "transparent" : look(bar) } })),
    });
    const change = (bar) => num(bar.total ? bar.to : bar.to - bar.from, 2, true);
    const formatter = ([{ dataIndex: i }]) => tip(bars[i].name, [[bars[i].total ? "Total" : "Change", change(bars[i]) + " USD"], ["Stands at", num(bars[i].to, 2, true) + " USD"]]);
    document.getElementById("waterfall").style.height = `${bars.length * 46 + 40}px`;
    return {
      ...base(formatter), grid: { left: narrow() ? 138 : 160, right: 16, top: 4, bottom: 30 },
      xAxis: { ...axisLook(), type: "value", splitNumber: narrow() ? 3 : 6, axisLabel: { ...axisLook().axisLabel, formatter: short } },
      yAxis: { ...axisLook(), type: "category", inverse: true, data: bars.map((bar) => bar.name), splitLine: { show: false },
        axisLabel: { interval: 0, margin: 12, formatter: (name, i) => `{name|${name.replace(/[{}|]/g, "")}}\n{value|${change(bars[i])}}`,
          rich: { name: { color: color("ink"), fontSize: 13, lineHeight: 17, align: "right" }, value: { color: color("soft"), fontSize: 13, lineHeight: 17, align: "right" } } } },
      series: [stack("clear", 1), stack("full", 1), stack("clear", -1), stack("full", -1)],
    };
  }

  // ---- put on the page
  const DRAWN = { cumulative, timeline, fan, waterfall };
  const EMPTY = { cumulative: "No funding was recorded.", timeline: "No decision was recorded for this symbol.",
    fan: "No forecast was recorded for this symbol.", waterfall: "No funding was paid or received, and nothing was traded." };
  const drawAll = () => Object.entries(DRAWN).forEach(([name, option]) =>
    page.put(name, option(), EMPTY[name], { symbol: shown.symbol }));
  function switches() {
    document.querySelectorAll(".switch").forEach((box) => {
      const all = box.dataset.all === "true" ? [["", "All"]] : [];
      const choices = [...all, ...data.symbols.map((symbol) => [symbol, symbol])];
      page.buttons(box, "Symbol", choices, all.length && shown.all ? "" : shown.symbol, choose);
    });
  }
  function choose(symbol) {
    shown.all = symbol === "";
    if (symbol) shown.symbol = symbol;
    page.address("symbol", symbol);
    switches();
    drawAll();
  }
  function follow() {
    const asked = page.asked("symbol");
    if (asked !== null && (asked === "" || data.symbols.includes(asked))) choose(asked);
    const named = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (named?.tagName === "DETAILS") named.open = true;
  }

  switches();
  page.begin(drawAll, follow, (on) => {
    document.querySelectorAll("details:not(#fills)").forEach((one) => { one.open = on; });
  });
})();
