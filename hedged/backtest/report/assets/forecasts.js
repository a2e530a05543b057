// The forecast fan, and how far the forecasts may be believed.
(() => {
  const { axisLook, color, data, day, keys, line, narrow, num, ruler, short, tip, valueAxis, when } = page;
  const { at, base, markKeys, marked, overTime, placed, pointed, shown, timeAxis, titled, told, zoom } = report;
  const FAN_VIEW_MS = 30 * 86400000;
  const rate = (value) => (value === null || value === undefined ? "not known" : `${num(value, 1, true)} %`);
  const pct = (share, digits = 1) => (share === null || share === undefined ? "–" : `${num(100 * share, digits)} %`);

  // ---- forecast and what came
  const hidden = new Set();
  const OUTER = "Forecast, 10–90 %", INNER = "Forecast, 25–75 %", MEAN = "Forecast, mean", REAL = "Realised";
  function band(label, low, high, opacity) {
    const width = high.map((value, i) => (value === null || low[i] === null ? null : value - low[i]));
    return [{ ...line(`${label} low`, overTime(low), "blue", 0), stack: label, stackStrategy: "all" },
      { ...line(label, overTime(width), "blue", 0), stack: label, stackStrategy: "all", areaStyle: { color: color("blue"), opacity } }];
  }
  function fan(again) {
    const view = data.fan[shown.symbol];
    if (!view) return null;
    document.getElementById("fan-horizon").textContent = num(view.horizon_h, 0);
    document.getElementById("fan-score").textContent = view.score ?? "";
    keys("fan", [...(view.low ? [["band", "blue", OUTER, 0.22]] : []), ...(view.lower ? [["band", "blue", INNER, 0.5]] : []),
      ["solid", "blue", MEAN], ["dotted", "ink", REAL], ...markKeys()], hidden, again);
    const formatter = ([{ axisValue }]) => {
      const i = Math.min(Math.max(Math.round((axisValue - at[0]) / data.grid.step), 0), at.length - 1);
      return tip(when(at[i]) + " UTC, a year", told([["90 %", rate(view.high?.[i])], ...(view.upper ? [["75 %", rate(view.upper[i])]] : []), ["Mean", rate(view.mean[i])],
        ...(view.lower ? [["25 %", rate(view.lower[i])]] : []), ["10 %", rate(view.low?.[i])], [REAL, rate(view.real[i])]], at[i]));
    };
    const on = (label, series) => (hidden.has(label) ? [] : series);
    return {
      ...base(formatter), dataZoom: zoom("fan", [0], data.period[1] - FAN_VIEW_MS), grid: placed(),
      xAxis: timeAxis({ axisLine: { onZero: false, lineStyle: { color: color("soft") } } }),
      yAxis: valueAxis("mean funding rate, % a year", { axisLabel: { ...axisLook().axisLabel, formatter: short } }),
      series: [...marked(), { ...line("zero", [[at[0], 0]], "grey", 0), markLine: ruler([[{ yAxis: 0 }, "solid"]]) },
        ...on(OUTER, view.low ? band(OUTER, view.low, view.high, 0.2) : []),
        ...on(INNER, view.lower ? band(INNER, view.lower, view.upper, 0.32) : []),
        ...on(MEAN, [line(MEAN, overTime(view.mean), "blue", 1.4)]),
        ...on(REAL, [line(REAL, overTime(view.real), "ink", 1.8, "dotted")])],
    };
  }
  function fanTable() {
    const view = data.fan[shown.symbol];
    const columns = [["10 %", view.low], ["25 %", view.lower], ["Mean", view.mean], ["75 %", view.upper], ["90 %", view.high], [REAL, view.real]].filter(([, values]) => values);
    return { heads: ["Time, UTC", ...columns.map(([label]) => `${label}, % a year`)],
      rows: at.map((t, i) => [when(t), ...columns.map(([, values]) => num(values[i], 2, true))]) };
  }

  // ---- reliability
  const believed = () => data.reliability[shown.all && data.reliability[""] ? "" : shown.symbol];
  const shareAxis = (name, vertical, extra = {}) => ({ ...axisLook(), type: "value", min: 0, max: 100, interval: narrow() || !vertical ? 25 : 20,
    ...(vertical ? { name, nameGap: 12, nameTextStyle: leftMost() } : titled(name)), ...extra });
  const leftMost = () => ({ ...page.nameLook(), align: "left", padding: [0, 0, 0, -18] });
  const square = () => ({ left: 6, right: 16, top: 30, bottom: 30, containLabel: true });
  const ideal = { ...line("ideal", [[0, 0], [100, 100]], "grey", 1.2, "dashed"), z: 1 };
  const points = (label, look, list, symbol) => ({ type: "scatter", name: label, symbol, symbolSize: 9, z: 4, emphasis: { disabled: true },
    itemStyle: { color: color(look), borderColor: color("paper"), borderWidth: 1 }, data: list });
  const percents = (list) => list.map((value) => (value === null ? null : 100 * value));
  function note(view) {
    const box = document.getElementById("reliability-note");
    if (!view) { box.textContent = "Nothing can be scored: no forecast’s horizon has passed within the run."; return; }
    const errors = view.mae !== null && view.mae_last !== null
      ? ` The forecast missed by ${num(view.mae, 1)} points of % a year on average; the last settled rate, taken as forecast, by ${num(view.mae_last, 1)}.` : "";
    box.textContent = `${num(view.n, 0)} forecasts whose horizon has passed; their windows overlap, and only about ${num(view.independent, 0)} fit one after another. Where a line lies on the dashed one, forecasts mean what they say.${errors}`;
  }
  function calibration() {
    const view = believed();
    note(view);
    if (!view) return null;
    const whiskers = view.levels.flatMap((level, i) => (view.low[i] === null ? [] : [[100 * level, 100 * view.low[i]], [100 * level, 100 * view.high[i]], [null, null]]));
    keys("calibration", [["disc", "blue", "came below"], ...(whiskers.length ? [["rule", "blue", "95 % interval"]] : []), ["dashed", "grey", "calibrated"]]);
    const formatter = ({ dataIndex: i }) => tip(`${pct(view.levels[i], 0)} quantile`, [["Came below", pct(view.share[i])],
      ["95 % interval", view.low[i] === null ? "too few days" : `${pct(view.low[i])} to ${pct(view.high[i])}`], ["Forecasts", num(view.n, 0)]]);
    return {
      ...page.base(formatter, { trigger: "item" }), grid: square(),
      xAxis: shareAxis("level of the quantile, %", false), yAxis: shareAxis("outcomes below it, %", true),
      series: [ideal, { ...line("interval", whiskers, "blue", 1.6), z: 2 }, { ...line("came", view.levels.map((level, i) => [100 * level, 100 * view.share[i]]), "blue", 1.4), z: 3 },
        points("came below", "blue", view.levels.map((level, i) => [100 * level, 100 * view.share[i]]), "circle")],
    };
  }
  const calibrationTable = () => { const view = believed(); return { heads: ["Level", "Came below", "From, 95 %", "To, 95 %", "Forecasts"],
    rows: view.levels.map((level, i) => [pct(level, 0), pct(view.share[i]), pct(view.low[i]), pct(view.high[i]), num(view.n, 0)]) }; };

  const pitBin = (view, i) => `${num(100 * view.pit.edges[i], 0)}–${num(100 * view.pit.edges[i + 1], 0)} %`;
  function pit() {
    const view = believed();
    if (!view) return null;
    const top = Math.max(1.5, Math.ceil(2 * Math.max(...view.pit.density)) / 2);
    keys("pit", [["area", "blue", "density", 0.35], ["dashed", "grey", "calibrated: 1"]]);
    const steps = [...view.pit.density.map((value, i) => [100 * view.pit.edges[i], value]), [100, view.pit.density[view.pit.density.length - 1]]];
    const formatter = (list) => {
      const x = pointed("pit") ?? list[0].axisValue, i = Math.max(view.pit.edges.findLastIndex((edge) => 100 * edge <= x), 0), k = Math.min(i, view.pit.count.length - 1);
      return tip(`Between the quantiles ${pitBin(view, k)}`, [["Density", num(view.pit.density[k])], ["Outcomes", num(view.pit.count[k], 0)], ["Of", num(view.n, 0)]]);
    };
    return {
      ...base(formatter), grid: square(), xAxis: shareAxis("place in the forecast’s law, %", false),
      yAxis: valueAxis("density (1 = as forecast)", { min: 0, max: top, interval: top > 3 ? Math.ceil(top / 3) : 0.5, nameTextStyle: leftMost() }),
      series: [{ ...line("density", steps, "blue", 1.4), step: "end", areaStyle: { color: color("blue"), opacity: 0.3 } },
        { ...line("ideal", [[0, 1], [100, 1]], "grey", 1.2, "dashed"), z: 4 }],
    };
  }
  const pitTable = () => { const view = believed(); return { heads: ["Between the quantiles", "Outcomes", "Density"],
    rows: view.pit.count.map((count, i) => [pitBin(view, i), num(count, 0), num(view.pit.density[i])]) }; };

  const CHANCES = [["up", "rate rises", "blue", "circle", "disc"], ["pays", "rate above zero", "orange", "diamond", "diamond"]];
  function direction() {
    const view = believed();
    const seen = CHANCES.filter(([key]) => view?.[key].length);
    if (!seen.length) return null;
    keys("direction", [...seen.map(([, label, look, , kind]) => [kind, look, label]), ["dashed", "grey", "calibrated"]]);
    const formatter = ({ seriesName, dataIndex: i }) => {
      const [key] = seen.find(([, label]) => label === seriesName), [probability, share, n] = view[key][i];
      return tip(`Chance that the ${seriesName}`, [["Told, mean", pct(probability)], ["Came so", pct(share)], ["Forecasts", num(n, 0)]]);
    };
    return {
      ...page.base(formatter, { trigger: "item" }), grid: square(),
      xAxis: shareAxis("told probability, %", false), yAxis: shareAxis("came so, %", true),
      series: [ideal, ...seen.flatMap(([key, label, look, symbol]) => {
        const list = view[key].map(([probability, share]) => [100 * probability, 100 * share]);
        return [{ ...line(`${label} line`, list, look, 1.4), z: 2 }, points(label, look, list, symbol)];
      })],
    };
  }
  const directionTable = () => ({ heads: ["Chance that the", "Told, mean", "Came so", "Forecasts"],
    rows: CHANCES.flatMap(([key, label]) => believed()[key].map(([probability, share, n]) => [label, pct(probability), pct(share), num(n, 0)])) });

  const BANDS = [["80", "80 % band", "blue", "solid"], ["50", "50 % band", "orange", "dashed"]];
  function coverage() {
    const view = believed()?.coverage, seen = BANDS.filter(([key]) => view?.[key]);
    if (!seen.length) return null;
    keys("coverage", [...seen.map(([, label, look, dash]) => [dash, look, `inside the ${label}`]), ["dotted", "grey", "expected"]]);
    const formatter = ([{ dataIndex: i }]) => tip(`${day(view.t[i])}, ${view.days === 1 ? "one day" : `${view.days} days`}`,
      [...seen.map(([key, label]) => [`Inside the ${label}`, pct(view[key][i])]), ["Forecasts", num(view.n[i], 0)]]);
    return {
      ...page.base(formatter), grid: square(), xAxis: timeAxis({ splitNumber: 3, name: `time, UTC; a point for ${view.days === 1 ? "each day" : `every ${view.days} days`}` }),
      yAxis: shareAxis("outcomes inside, %", true),
      series: [...seen.map(([key, label, look, dash], k) => ({ ...line(label, percents(view[key]).map((value, i) => [view.t[i], value]), look, 2, dash),
        markLine: ruler([[{ yAxis: Number(key) }, [1, 3]]]), ...(view.t.length < 40 ? { showSymbol: true, symbol: k ? "diamond" : "circle", symbolSize: 6, itemStyle: { color: color(look) } } : {}) })), ...marked()],
    };
  }
  const coverageTable = () => { const view = believed().coverage, seen = BANDS.filter(([key]) => view[key]); return { heads: ["Around", ...seen.map(([, label]) => `Inside the ${label}`), "Forecasts"],
    rows: view.t.map((t, i) => [day(t), ...seen.map(([key]) => pct(view[key][i])), num(view.n[i], 0)]) }; };

  const NOTHING = "No horizon has passed for this choice, so nothing can be scored.";
  Object.assign(report.charts, {
    fan: [fan, "No forecast was recorded for this symbol.", fanTable],
    calibration: [calibration, NOTHING, calibrationTable], pit: [pit, NOTHING, pitTable],
    direction: [direction, "Too few forecasts with a probability to compare.", directionTable], coverage: [coverage, NOTHING, coverageTable],
  });
})();
