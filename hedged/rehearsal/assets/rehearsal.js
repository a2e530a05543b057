// Two charts over one time axis: losses beside the EWMA's, and who served with what happened.
(() => {
  const { base, color, data, keys, line, num, put, ruler, slider, tip, valueAxis, when } = page;
  const { at, living, never } = data.rolling;
  const bounds = [Math.min(...data.served.map((one) => one.from)), Math.max(...data.served.map((one) => one.to))];
  const SHADES = { calm: "teal", stormy: "orange" };
  const timeAxis = () => page.timeAxis({ min: bounds[0], max: bounds[1] });
  const placed = { left: 6, right: 16, top: 30, bottom: 46, containLabel: true };
  const shades = () => ({ ...line("regimes", [], "grey", 0), markArea: { silent: true, label: { show: false },
    data: data.regimes.filter((one) => SHADES[one.name]).map((one) =>
      [{ xAxis: one.from, itemStyle: { color: color(SHADES[one.name]), opacity: 0.1 } }, { xAxis: one.to }]) },
    markLine: { silent: true, symbol: "none", label: { show: false }, data: data.planted.map((one) =>
      ({ xAxis: one.ms, lineStyle: { color: color("purple"), type: [2, 4], width: 1.6 } })) } });
  const promoted = data.events.filter((one) => one.what === "promoted").map((one) => Date.parse(one.ts));
  const near = (t) => living[Math.max(0, at.findIndex((one) => one >= t))] ?? 1;

  const ratio = () => ({
    ...base((points) => tip(when(points[0].value[0]), points.filter((one) => one.value[1] != null)
      .map((one) => [one.seriesName, num(one.value[1], 3)]))),
    grid: placed, xAxis: timeAxis(), yAxis: valueAxis("loss ÷ EWMA", { scale: true }), dataZoom: [slider({})],
    series: [shades(),
      { ...line("what served", at.map((t, i) => [t, living[i]]), "blue"), markLine: ruler([[{ yAxis: 1 }, "dashed"]]) },
      line("the first model for ever", at.map((t, i) => [t, never[i]]), "orange", 2, "dashed"),
      { type: "scatter", name: "promotion", symbol: "diamond", symbolSize: 11, itemStyle: { color: color("blue") },
        tooltip: { show: false }, data: promoted.map((t) => [t, near(t)]) }],
  });

  const ROWS = ["serves", "trained", "promoted", "drift", "EWMA"];
  const rowOf = (what) => (what.startsWith("trained") ? 1 : what === "promoted" || what === "rolled back to" ? 2
    : what.startsWith("drift is proven") && !what.endsWith("more") ? 3 : what === "gave way to the EWMA" ? 4 : -1);
  const marks = data.events.map((one) => ({ value: [Date.parse(one.ts), rowOf(one.what)], told: one })).filter((one) => one.value[1] >= 0);
  const LOOKS = ["blue", "teal", "purple"];
  const names = [...new Set(data.served.map((one) => one.name))];
  const lookOf = (name) => (name === "ewma" ? "orange" : LOOKS[names.indexOf(name) % LOOKS.length]);
  // a thick line for each reign, with a point at its beginning to point at
  const reigns = () => data.served.map((one) => ({ ...line(one.name, [], lookOf(one.name), 20), silent: false, symbol: "rect",
    symbolSize: [3, 20], showSymbol: true, lineStyle: { width: 20, opacity: 0.7, color: color(lookOf(one.name)), cap: "butt" },
    data: [one.from, one.to].map((t) => ({ value: [t, 0], told: one })) }));
  const life = () => ({
    ...base(({ data: { told }, value }) => (told.what ? tip(when(value[0]), [[told.what, told.model.slice(0, 8)]], [told.why])
      : tip(told.name, [["from", when(told.from)], ["to", when(told.to)]])), { trigger: "item" }),
    grid: placed, xAxis: timeAxis(),
    yAxis: { ...page.axisLook(), type: "category", data: ROWS, inverse: true }, dataZoom: [slider({ filterMode: "none" })],
    series: [shades(),
      ...reigns(),
      { type: "scatter", symbolSize: 11, data: marks.map((one) => ({ ...one,
        itemStyle: { color: color(one.value[1] === 3 || one.value[1] === 4 ? "orange" : "blue") } })) }],
  });

  const draw = () => {
    put("ratio", ratio(), "");
    keys("ratio", [["solid", "blue", "what served"], ["dashed", "orange", "the first model for ever"], ["band", "orange", "stormy", 0.2],
      ["band", "teal", "calm", 0.2], ["rule", "purple", "planted"], ["diamond", "blue", "promotion"]]);
    put("life", life(), "");
  };
  page.begin(draw, () => {}, () => {});
})();
