// What the report's charts share: what is shown, time axes with regimes and models on them, zoom that is kept.
const report = (() => {
  const { axisLook, charts, color, data, line, narrow, nameLook, printing } = page;
  const at = Array.from({ length: data.grid.n }, (_, i) => data.grid.start + i * data.grid.step);
  const fillsOf = (symbol) => data.timeline[symbol]?.fills.length ?? 0;
  const busiest = (best, symbol) => (fillsOf(symbol) > fillsOf(best) ? symbol : best);
  const shown = { all: true, symbol: data.symbols.reduce(busiest, data.symbols[0] ?? ""), saving: false };

  /** The last place of a sorted list whose value is at most x; -1 when there is none. */
  const placeOf = (sorted, x) => {
    let low = 0, high = sorted.length;
    while (low < high) { const mid = (low + high) >> 1; if (sorted[mid] <= x) low = mid + 1; else high = mid; }
    return low - 1;
  };
  const titled = (name, gap = 28) => ({ name, nameLocation: "middle", nameGap: gap, nameTextStyle: nameLook() });
  const timeAxis = (extra = {}) => page.timeAxis({ min: data.period[0], max: data.period[1], splitNumber: narrow() ? 3 : 6,
    axisPointer: { snap: false }, ...titled("time, UTC"), ...extra });
  /** A slider over the whole run; where the reader has moved it, it stays. */
  const zoom = (name, axes = [0], from = data.period[0]) => {
    const before = printing() ? null : charts.get(name)?.getOption()?.dataZoom?.[0];
    const [start, end] = before && before.startValue != null ? [before.startValue, before.endValue]
      : [printing() ? data.period[0] : Math.max(from, data.period[0]), data.period[1]];
    return [page.slider({ xAxisIndex: axes, filterMode: "none", startValue: start, endValue: end })];
  };
  /** The value of a chart's first x axis under the pointer: what the library tells is the nearest point's, however far. */
  let pointer = null;
  for (const kind of ["pointermove", "pointerdown"])
    window.addEventListener(kind, (event) => { pointer = event.clientX; }, true);
  const pointed = (name) => (pointer === null ? null
    : charts.get(name).convertFromPixel({ xAxisIndex: 0 }, pointer - document.getElementById(name).getBoundingClientRect().left));
  const base = (formatter) => page.base(formatter, { snap: false });
  const overTime = (values) => values.map((value, i) => [at[i], value]);
  const placed = (bottom = 62) => ({ left: 6, right: 14, top: 30, bottom: printing() ? bottom - 20 : bottom, containLabel: true });

  // ---- regimes as shades, changes of the model as rules: a series of its own, so that no line need carry them
  const SHADES = ["blue", "orange", "teal", "purple", "grey"], KNOWN = { calm: "teal", stormy: "orange" }, PLAIN = "normal";
  const shaded = data.regimes.filter((one) => one.name !== PLAIN);
  const names = [...new Set(shaded.map((one) => one.name))];
  const shade = (name) => KNOWN[name] ?? SHADES[names.indexOf(name) % SHADES.length];
  const swaps = data.models.slice(1);
  const regimeOf = (t) => data.regimes.find((one) => one.from <= t && t < one.to)?.name;
  const marked = () => (data.regimes.length || swaps.length ? [{
    ...line("marks", [], "grey", 0),
    markArea: { silent: true, label: { show: false }, data: shaded.map((one) =>
      [{ xAxis: one.from, itemStyle: { color: color(shade(one.name)), opacity: 0.09 } }, { xAxis: one.to }]) },
    markLine: { silent: true, symbol: "none", label: { show: false }, data: swaps.map((one) =>
      ({ xAxis: one.from, lineStyle: { color: color("purple"), type: [2, 4], width: 1.4 } })) },
  }] : []);
  const markKeys = () => [...names.map((name) => ["band", shade(name), name, 0.2]),
    ...(swaps.length ? [["rule", "purple", "another model"]] : [])];
  /** The first legend that is given them names shades and rules, which no click hides. */
  const told = (pairs, t) => (regimeOf(t) ? [...pairs, ["Regime", regimeOf(t)]] : pairs);

  return { at, axisLook, base, markKeys, marked, overTime, placed, placeOf, pointed, shown, timeAxis, titled, told, zoom, charts: {} };
})();
