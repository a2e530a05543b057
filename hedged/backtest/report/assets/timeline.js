// Decisions on a timeline: how large the hedge was, every fill, and a strip of what was decided and why.
(() => {
  const { axisLook, charts, color, data, esc, keys, line, narrow, num, tip, valueAxis, when } = page;
  const { base, markKeys, marked, placeOf, pointed, shown, timeAxis, told, zoom } = report;
  const hidden = new Set(["Price exposure kept"]);
  // ---- decisions and hedge size
  const CYCLE_MS = 900000, EXPOSURE = "Price exposure kept";
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
  /** What is left of the position's price exposure, in percent: a part moved elsewhere keeps it. */
  const exposure = (view, i) => view.layers.reduce((left, layer) => (layer.name.startsWith("Moved") ? left : left - layer.values[i]), 100);
  const shareAfter = (view, t) => view.layers.reduce((sum, layer) => sum + layer.values[changeAfter(view, t)], 0);
  const ownShareAfter = (view, t) => view.layers.find((layer) => layer.name === "Own cut")?.values[changeAfter(view, t)] ?? 0;
  /** What stood at an instant: { title, pairs, texts } for hover, tap and buttons alike. */
  function told_at(view, t, reach) {
    const i = Math.max(placeOf(view.t, t), 0), j = placeOf(view.strip.from, t), strip = view.strip;
    const fills = view.fills.filter((fill) => Math.abs(fill.t - t) <= reach);
    const pairs = view.layers.map((layer) => [layer.name, `${num(layer.values[i], 1)} %`]);
    if (view.layers.length) pairs.push([EXPOSURE, `${num(exposure(view, i), 1)} %`]);
    if (fills.length) {
      const trades = fills.slice(0, 4).map((fill) => [`${MARKS[fill.purpose]?.[0] ?? fill.purpose}, ${fill.venue}`,
        `${fill.side} ${num(fill.quantity, 4).replace(/\.?0+$/, "")} @ ${num(fill.price, 4)}`]);
      const whys = [...new Set(fills.slice(0, 4).map((fill) => data.sentences[fill.why]))];
      if (fills.length > 4) whys.push(`and ${fills.length - 4} more fills close by`);
      return { title: `${when(fills[0].t)} UTC`, pairs: told([...pairs, ...trades], t), texts: whys };
    }
    if (j < 0 || t >= strip.to[j]) return { title: `${when(t)} UTC`, pairs: told(pairs, t), texts: ["No decision was recorded here."] };
    const span = strip.to[j] - strip.from[j] > CYCLE_MS ? `${when(strip.from[j])} to ${when(strip.to[j])}: ` : "";
    return { title: `${when(t)} UTC`, pairs: told([...pairs, ["Decision", ROW_WORDS[data.rows[strip.row[j]]]]], t),
      texts: [span + (data.sentences[strip.why[j]] || "no reason given")] };
  }
  const reachNow = () => {
    const near = charts.get("timeline")?.getOption().dataZoom?.[0] ?? { startValue: data.period[0], endValue: data.period[1] };
    return Math.max(CYCLE_MS / 2, (near.endValue - near.startValue) / 150);
  };
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
    const areas = view.layers.map((layer, i) => [layer, i]).filter(([layer]) => !hidden.has(layer.name)).map(([layer, i]) => {
      const [look, opacity] = layerLook(i);
      return { ...line(layer.name, view.t.map((t, k) => [t, layer.values[k]]), look, 1), step: "end", stack: "size",
        areaStyle: { color: color(look), opacity } };
    });
    const kept = hidden.has(EXPOSURE) || !view.layers.length ? [] : [{ ...line(EXPOSURE, view.t.map((t, k) => [t, exposure(view, k)]), "ink", 1.6, "dashed"), step: "end" }];
    const level = (fill) => (/^own/.test(fill.purpose) ? ownShareAfter : shareAfter)(view, fill.t);
    const marks = Object.entries(MARKS).map(([purpose, [name, path]]) => ({
      type: "scatter", name, symbol: `path://${path}`, symbolSize: 9, z: 5, clip: false,
      symbolOffset: [0, /^own/.test(purpose) ? 6 : -6], silent: true,
      itemStyle: { color: color("ink"), borderColor: color("paper"), borderWidth: 1 },
      data: view.fills.filter((fill) => fill.purpose === purpose && !hidden.has(name)).map((fill) => [fill.t, level(fill)]),
    }));
    const cap = { ...line("cap", [], "grey", 0), markLine: { silent: true, symbol: "none", data: data.cap == null ? [] : [{ yAxis: 100 * data.cap,
      lineStyle: { color: color("soft"), type: [3, 4], width: 1 }, label: { formatter: `cap ${num(100 * data.cap, 0)} %`, position: "insideEndTop", color: color("soft"), fontSize: 12 } }] } };
    return [...areas, ...kept, ...(areas.length || kept.length ? [cap] : []), ...marks.filter((series) => series.data.length)];
  }
  function timeline(again) {
    const view = data.timeline[shown.symbol], box = document.getElementById("timeline");
    const note = document.getElementById("timeline-note");
    note.textContent = "";
    document.getElementById("told").hidden = !view;
    if (!view) return null;
    const sized = view.layers.length > 0 || view.fills.length > 0;
    const rows = data.rows.filter((_, i) => view.strip.row.includes(i)).reverse();
    const stripHeight = rows.length * 21, left = 96, right = 14, below = page.printing() ? 48 : 80;
    box.style.height = sized ? "" : `${stripHeight + below + 22}px`;
    note.textContent = [sized ? "" : `No hedge was ever held in ${shown.symbol}.`, view.strip.merged,
      view.fills_left_out ? `${num(view.fills_left_out, 0)} later fills are not drawn; they are in fills.parquet.` : ""].join(" ");
    const used = new Set(view.fills.map((fill) => fill.purpose));
    keys("timeline", [...view.layers.map((layer, i) => ["area", layerLook(i)[0], layer.name, layerLook(i)[1]]),
      ...(view.layers.length ? [["dashed", "ink", EXPOSURE]] : []),
      ...Object.entries(MARKS).filter(([purpose]) => used.has(purpose)).map(([, [label, path]]) => ["shape", "ink", label, path]), ...markKeys()], hidden, again);
    const strip = { left, right, bottom: below, height: stripHeight }, size = { left, right, top: 30, bottom: below + stripHeight + 18 };
    const stripAxis = { ...axisLook(), type: "category", data: rows.map((name) => ROW_WORDS[name]), splitLine: { show: false },
      axisLabel: { color: color("soft"), fontSize: 12, interval: 0 } };
    const sizeAxis = valueAxis("hedge, % of the own position", { min: 0, minInterval: 1, nameTextStyle: { ...valueAxis("").nameTextStyle, padding: [0, 0, 0, -left + 4] },
      max: ({ max }) => (hidden.has(EXPOSURE) ? (max > 9 ? 10 * Math.ceil((max + 4) / 10) : 10) : 100) });
    const formatter = (points) => {
      const { title, pairs, texts } = told_at(view, pointed("timeline") ?? points[0].axisValue, reachNow());
      return narrow() ? tip(title, [], ["The reason stands below."]) : tip(title, pairs, texts); // a phone shows one of them at a time
    };
    return {
      ...base(formatter), axisPointer: { link: [{ xAxisIndex: "all" }] }, dataZoom: zoom("timeline", sized ? [0, 1] : [0]),
      grid: sized ? [size, strip] : [strip],
      xAxis: sized ? [timeAxis({ axisLabel: { show: false }, name: "" }), timeAxis({ gridIndex: 1 })] : [timeAxis()],
      yAxis: sized ? [sizeAxis, { ...stripAxis, gridIndex: 1 }] : [stripAxis],
      series: [...marked(), ...(sized ? sizeSeries(view) : []), ...stripSeries(view, rows, sized ? 1 : 0)],
    };
  }
  function timelineTable() {
    const { strip } = data.timeline[shown.symbol];
    return { heads: ["From, UTC", "To, UTC", "Decision", "Reason"],
      rows: strip.from.map((from, i) => [when(from), when(strip.to[i]), ROW_WORDS[data.rows[strip.row[i]]], data.sentences[strip.why[i]] || "no reason given"]) };
  }

  // ---- the reason that stays: by tap, by click, and by buttons from one change to the next
  let kept = null;
  function show(t, reach = 1000) {
    const view = data.timeline[shown.symbol];
    if (!view) return;
    kept = t;
    const { title, pairs, texts } = told_at(view, t, reach);
    document.getElementById("told-what").innerHTML = `<b>${esc(title)}</b> <span>${pairs.map(([name, value]) => `${esc(name)}: ${esc(value)}`).join(" · ")}</span>${
      texts.map((text) => `<p>${esc(text)}</p>`).join("")}`;
    document.getElementById("told").dataset.at = t;
  }
  const instants = () => {
    const view = data.timeline[shown.symbol];
    return view ? [...new Set([...view.strip.from, ...view.fills.map((fill) => fill.t)])].sort((a, b) => a - b) : [];
  };
  function step(by) {
    const all = instants(), now = kept === null ? (by > 0 ? -1 : all.length) : placeOf(all, kept);
    const next = all[Math.min(Math.max(kept !== null && by < 0 && all[now] < kept ? now : now + by, 0), all.length - 1)];
    if (next !== undefined) show(next);
  }
  /** Begin anew with a symbol: nothing kept but what stands last. */
  function forget() {
    const all = instants();
    document.getElementById("told-what").textContent = "";
    if (all.length) show(all[0]);
  }
  function listen() {
    const chart = charts.get("timeline");
    if (!chart || chart.told) return;
    chart.told = true;
    chart.getZr().on("click", ({ offsetX, offsetY }) => {
      const grids = data.timeline[shown.symbol] ? chart.getOption().grid.map((_, i) => i) : [];
      if (!grids.some((i) => chart.containPixel({ gridIndex: i }, [offsetX, offsetY]))) return;
      show(Math.round(chart.convertFromPixel({ xAxisIndex: 0 }, offsetX)), reachNow());
    });
  }
  document.getElementById("earlier").addEventListener("click", () => step(-1));
  document.getElementById("later").addEventListener("click", () => step(1));

  report.charts.timeline = [timeline, "No decision was recorded for this symbol.", timelineTable];
  Object.assign(report, { forget, listen });
})();
