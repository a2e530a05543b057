// The forecasts as fans: what settled, then the law of the mean rate over the coming hours. One chart for each venue.
const { axisLook, color, keys, line, num, ruler, short, tip, valueAxis, when } = page;
const HOUR_MS = 3600000, YEAR = 100 * 24 * 365, PAST_H = 96;
const TICKS = [-96, -24, -8, 0, 8, 24, 168];
let told = page.data.forecasts ?? [], symbol = page.asked("symbol");

/** The place of an instant h hours from the forecast: near hours wide, far ones narrow. */
const place = (h) => Math.sign(h) * Math.log2(1 + Math.abs(h));
const span = (h) => (h === 0 ? "now" : `${h < 0 ? "−" : ""}${Math.abs(h) < 24 ? `${num(Math.abs(h), 0)} h` : `${num(Math.abs(h) / 24, 0)} d`}`);
const rate = (perHour) => perHour * YEAR;
const id = (one) => `fan-${one.symbol}-${one.venue}`;

function band(label, one, low, high, opacity) {
  const at = one.hours.map(place), from = one[low].map(rate), to = one[high].map(rate);
  return [{ ...line(`${label} low`, at.map((x, i) => [x, from[i]]), "blue", 0), stack: label, stackStrategy: "all" },
    { ...line(label, at.map((x, i) => [x, to[i] - from[i]]), "blue", 0), stack: label, stackStrategy: "all", areaStyle: { color: color("blue"), opacity } }];
}
const settled = (one) => one.past_ms.map((ms, i) => [(ms - one.made_ms) / HOUR_MS, rate(one.past[i]), ms]).filter(([h]) => h >= -PAST_H);
function chart(one) {
  const past = settled(one), points = [...past.map(([h]) => [place(h), "past"]), ...one.hours.map((h) => [place(h), "fan"])];
  const formatter = (list) => {
    const x = list[0].axisValue;
    const i = points.reduce((best, [at], k) => (Math.abs(at - x) < Math.abs(points[best][0] - x) ? k : best), 0);
    if (points[i][1] === "past") return tip(`Settled ${when(past[i][2])} UTC`, [["% a year", num(past[i][1], 2, true)]]);
    const k = i - past.length;
    return tip(`Mean of the coming ${span(one.hours[k])}, % a year`, [["90 %", num(rate(one.p90[k]), 2, true)], ["75 %", num(rate(one.p75[k]), 2, true)],
      ["Mean", num(rate(one.mean[k]), 2, true)], ["25 %", num(rate(one.p25[k]), 2, true)], ["10 %", num(rate(one.p10[k]), 2, true)]]);
  };
  const values = TICKS.map(place);
  return {
    ...page.base(formatter, { snap: false }), grid: { left: 6, right: 14, top: 30, bottom: 6, containLabel: true },
    xAxis: { ...axisLook(), type: "value", min: place(-PAST_H), max: place(168), splitLine: { show: false }, axisLine: { show: true, onZero: false, lineStyle: { color: color("soft") } },
      axisLabel: { ...axisLook().axisLabel, customValues: values, formatter: (x) => span(TICKS[values.reduce((best, at, i) => (Math.abs(at - x) < Math.abs(values[best] - x) ? i : best), 0)]) } },
    yAxis: valueAxis("% a year", { scale: true, axisLine: { show: false, onZero: false }, axisLabel: { ...axisLook().axisLabel, formatter: short } }),
    series: [{ ...line("now", [], "grey", 0), markLine: ruler([[{ xAxis: 0 }, "solid"], [{ yAxis: 0 }, [2, 3]]]) },
      ...band("80 %", one, "p10", "p90", 0.2), ...band("50 %", one, "p25", "p75", 0.32),
      { ...line("mean", one.hours.map((h, i) => [place(h), rate(one.mean[i])]), "blue", 1.6), showSymbol: true, symbol: "circle", symbolSize: 6, itemStyle: { color: color("blue") } },
      { ...line("settled", past.map(([h, value]) => [place(h), value]), "ink", 1.6, "dotted"), step: "start" }],
  };
}
const table = (one) => ({ heads: ["Hours from the forecast", "10 %", "25 %", "Mean or settled", "75 %", "90 %"],
  rows: [...settled(one).map(([h, value]) => [num(h, 1), "", "", num(value, 2, true), "", ""]),
    ...one.hours.map((h, i) => [`+${num(h, 0)}`, ...["p10", "p25", "mean", "p75", "p90"].map((key) => num(rate(one[key][i]), 2, true))])] });

/** A figure for each market, made when it is first wanted; those of other symbols are hidden. */
function figures(list) {
  const fans = document.getElementById("fans"), wanted = new Set(list.map(id));
  fans.querySelector(".none")?.remove();
  for (const one of list.filter((each) => !document.getElementById(id(each)))) {
    const figure = document.createElement("figure"), box = document.createElement("div");
    figure.append(Object.assign(document.createElement("figcaption"), { textContent: `${one.symbol} on ${one.name}` }), box);
    Object.assign(box, { id: id(one), className: "chart" });
    box.setAttribute("role", "img");
    box.setAttribute("aria-label", `Funding of ${one.symbol} on ${one.name} in percent a year: what settled, and the forecast with its bands.`);
    fans.append(figure);
  }
  for (const figure of fans.querySelectorAll("figure")) figure.hidden = !wanted.has(figure.querySelector(".chart").id);
}
function draw() {
  const symbols = [...new Set(told.map((one) => one.symbol))];
  if (!symbols.includes(symbol)) symbol = symbols[0] ?? null;
  const list = told.filter((one) => one.symbol === symbol && one.hours.length);
  page.buttons(document.getElementById("symbols"), "Market", symbols.map((one) => [one, one]), symbol, (one) => { symbol = one; page.address("symbol", one); draw(); });
  figures(list);
  if (!list.length) {
    document.getElementById("fans").append(Object.assign(document.createElement("p"), { className: "none", textContent: "No rate is forecast yet." }));
    document.getElementById("keys-fans").replaceChildren();
    return;
  }
  keys("fans", [["band", "blue", "80 % band", 0.22], ["band", "blue", "50 % band", 0.5], ["disc", "blue", "mean"], ["dotted", "ink", "settled"]]);
  for (const one of list) page.put(id(one), chart(one), "", { symbol }, () => table(one));
}
window.addEventListener("hedged:told", (event) => {
  if (!event.detail.forecasts) return;
  told = event.detail.forecasts;
  draw();
});
page.begin(draw, () => {});
