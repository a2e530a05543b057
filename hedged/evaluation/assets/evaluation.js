// Draws the charts from the JSON in #data. One cell (venue class and horizon) is shown at a time: #cell=slow-s1.
(() => {
  const { axisLook, base, color, data, day, esc, keys, line, nameLook, narrow, ruler, short, tip, valueAxis, when } = page;
  const num = (value, digits = 3) => page.num(value, digits);
  const pct = (share, digits = 1) => (share === null || share === undefined ? "–" : `${num(100 * share, digits)} %`);
  const placed = { left: 4, right: 14, top: 30, bottom: 4, containLabel: true };
  const shown = { cell: data.cells[0]?.id ?? "", rival: data.against, series: "", sort: { column: 1, down: false } };
  const cellNow = () => data.cells.find((cell) => cell.id === shown.cell);

  const PALE = 0.6;
  const ours = () => data.names[data.ours];
  const rival = () => data.names[shown.rival];
  const partOf = (name, what) => data.parts[shown.cell]?.[name]?.[what];
  const pairKeys = (id, bars = false) => keys(id, [[bars ? "band" : "solid", "blue", ours(), 1],
    ...(partOf(shown.rival, "hours") ? [[bars ? "band" : "dashed", "orange", rival(), PALE]] : [])]);

  // ---- against the baselines: points with whiskers, one row per cell
  const LOSSES = [["mae", "MAE", "teal", "disc", -0.16], ["pinball", "Pinball loss", "blue", "diamond", 0.16]];
  function ratios() {
    const found = data.ratios[shown.rival];
    const rows = data.cells.filter((cell) => found && found.mae[cell.id]?.[0] != null);
    if (!rows.length) return null;
    keys("ratios", LOSSES.map(([, label, look, kind]) => [kind, look, label]));
    const ends = rows.flatMap((cell) => LOSSES.flatMap(([key]) => found[key][cell.id])).filter((v) => v !== null);
    const low = Math.min(0.95, ...ends), high = Math.min(Math.max(1.05, ...ends), 3);
    document.getElementById("ratios").style.height = `${(rows.length + 1) * 42 + 30}px`;
    const whiskers = ([key, , look, , shift]) => line(key, rows.flatMap((cell, i) => {
      const [, from, to] = found[key][cell.id];
      return [[from, i + shift], [to, i + shift], [null, null]];
    }), look, 1.8);
    const points = ([key, label, look, kind, shift]) => ({
      type: "scatter", name: label, symbol: kind === "disc" ? "circle" : "diamond", symbolSize: kind === "disc" ? 10 : 13,
      z: 3, itemStyle: { color: color(look) }, data: rows.map((cell, i) => [found[key][cell.id][0], i + shift]), emphasis: { disabled: true },
      ...(key === "mae" ? { markLine: ruler([[{ xAxis: 1 }, "solid"]]) } : {}),
    });
    const said = ([value, from, to]) => num(value) + (from === null ? "" : `  (${num(from)} – ${num(to)})`);
    const formatter = ({ dataIndex }) => tip(`${rows[dataIndex].kind}, ${rows[dataIndex].horizon.toLowerCase()}`,
      LOSSES.map(([key, label]) => [label, said(found[key][rows[dataIndex].id])]));
    const label = (i) => (!rows[i] ? "" : narrow() ? `${rows[i].kind.split(" ")[0]}\n${rows[i].horizon}` : `${rows[i].kind}, ${rows[i].horizon.toLowerCase()}`);
    return {
      ...base(formatter, { trigger: "item" }), grid: { ...placed, top: 0, left: 0, right: 22 },
      xAxis: { ...axisLook(), type: "value", min: Math.floor(low * 20) / 20, max: Math.ceil(high * 20) / 20, splitNumber: narrow() ? 3 : 6,
        axisLabel: { ...axisLook().axisLabel, formatter: (v) => num(v, 2) } },
      yAxis: { ...axisLook(), type: "value", inverse: true, min: -1, max: rows.length, interval: 1, splitLine: { show: false },
        axisLabel: { color: color("ink"), fontSize: 13, lineHeight: 15, formatter: label } },
      series: [...LOSSES.map(whiskers), ...LOSSES.map(points)],
    };
  }

  // ---- forecast and what came
  function fan() {
    const box = document.getElementById("series"), all = Object.keys(data.fan[shown.cell] ?? {});
    if (!all.includes(shown.series)) shown.series = all[0] ?? "";
    box.replaceChildren(...all.map((name) => new Option(name, name, false, name === shown.series)));
    const view = data.fan[shown.cell]?.[shown.series];
    if (!view) return null;
    keys("fan", [["band", "blue", "5–95 %", 0.16], ["band", "blue", "25–75 %", 0.42], ["solid", "blue", "Median"], ["dotted", "ink", "Realised"]]);
    const rate = (value) => `${num(value, 1)} %`;
    const formatter = ([{ dataIndex: i }]) => tip(when(view.t[i]) + " UTC", [["95 %", rate(view.q95[i])], ["75 %", rate(view.q75[i])],
      ["Median", rate(view.q50[i])], ["25 %", rate(view.q25[i])], ["5 %", rate(view.q05[i])], ["Realised", rate(view.y[i])]]);
    const over = (values) => values.map((value, i) => [view.t[i], value]);
    const width = (high, low) => view[high].map((value, i) => value - view[low][i]);
    const band = (stack, low, high, opacity) => [
      { ...line(low, over(view[low]), "blue", 0), stack, stackStrategy: "all" },
      { ...line(high, over(width(high, low)), "blue", 0), stack, stackStrategy: "all", areaStyle: { color: color("blue"), opacity } }];
    return {
      ...base(formatter), grid: { ...placed, bottom: 42 },
      dataZoom: [page.slider({ startValue: view.t[Math.max(0, view.t.length - (narrow() ? 50 : 120))], endValue: view.t[view.t.length - 1], filterMode: "filter" })],
      xAxis: page.timeAxis({ axisLine: { show: true, onZero: false, lineStyle: { color: color("soft") } } }),
      yAxis: valueAxis("% a year", { scale: true, axisLabel: { ...axisLook().axisLabel, formatter: short } }),
      series: [...band("wide", "q05", "q95", 0.16), ...band("half", "q25", "q75", 0.3),
        line("Median", over(view.q50), "blue", 1.6), line("Realised", over(view.y), "ink", 1.8, "dotted")],
    };
  }

  // ---- said and came
  function reliability() {
    const own = partOf(data.ours, "reliability"), other = partOf(shown.rival, "reliability");
    if (!own) return null;
    pairKeys("reliability");
    const total = own.rows.reduce((sum, n) => sum + n, 0);
    const dots = (name, found, look, symbol, dash) => ({ ...line(name, found.p_up.map((p, i) => [p, found.outcome[i]]), look, 1.8, dash),
      showSymbol: true, symbol, symbolSize: 7, itemStyle: { color: color(look) } });
    const formatter = (points) => {
      const i = points.find((p) => p.seriesType === "bar")?.dataIndex ?? points[0].dataIndex;
      return tip(`Said ${num(own.p_up[i], 2)}`, [["Rose", pct(own.outcome[i])], ["Calls", pct(own.rows[i] / total)]]);
    };
    return {
      ...base(formatter), grid: placed,
      xAxis: { ...axisLook(), type: "value", min: 0, max: 1, interval: 0.2, splitLine: { show: false } },
      yAxis: valueAxis("share that rose", { min: 0, max: 1, interval: 0.2 }),
      series: [
        { type: "bar", silent: true, barWidth: 14, itemStyle: { color: color("grey"), opacity: 0.3 }, data: own.p_up.map((p, i) => [p, own.rows[i] / total]) },
        line("Honest", [[0, 0], [1, 1]], "soft", 1),
        ...(other ? [dots(rival(), other, "orange", "diamond", "dashed")] : []), dots(ours(), own, "blue", "circle", "solid")],
    };
  }

  function coverage() {
    const own = partOf(data.ours, "coverage"), other = partOf(shown.rival, "coverage");
    if (!own) return null;
    pairKeys("coverage");
    const at = own.from_ts, of = new Map((other?.from_ts ?? []).map((t, i) => [t, other.coverage[i]]));
    const lows = [...own.coverage, ...(other?.coverage ?? [])];
    const formatter = ([{ dataIndex: i }]) => tip(`30 days from ${day(at[i])}`, [[ours(), pct(own.coverage[i])],
      ["edges counted half", pct(own.coverage_half[i])], ...(other ? [[rival(), pct(of.get(at[i]))]] : []), ["Forecasts", num(own.rows[i], 0)]]);
    const dotted = (series) => ({ ...series, showSymbol: true, symbol: "circle", symbolSize: 6 });
    return {
      ...base(formatter), grid: placed,
      xAxis: { ...axisLook(), type: "category", data: at.map(day), splitLine: { show: false },
        axisLabel: { ...axisLook().axisLabel, formatter: (text) => text.slice(0, -5) } },
      yAxis: valueAxis("covered", { nameTextStyle: { ...nameLook(), align: "left", padding: [0, 0, 0, -44] }, min: Math.floor(Math.min(0.7, ...lows) * 10) / 10, max: 1, axisLabel: { ...axisLook().axisLabel, formatter: (v) => pct(v, 0) } }),
      series: [...(other ? [dotted(line(rival(), at.map((t) => of.get(t) ?? null), "orange", 1.8, "dashed"))] : []),
        { ...dotted(line(ours(), own.coverage, "blue")), markLine: ruler([[{ yAxis: 0.8 }, "solid"], [{ yAxis: 0.75 }, "dashed"]]) }],
    };
  }

  function hours() {
    const own = partOf(data.ours, "hours"), other = partOf(shown.rival, "hours");
    if (!own) return null;
    pairKeys("hours", true);
    const of = new Map((other?.hour ?? []).map((h, i) => [h, other.error_s[i]]));
    const formatter = ([{ dataIndex: i }]) => tip(`${String(own.hour[i]).padStart(2, "0")}:00 UTC`, [[ours(), num(own.error_s[i])],
      ...(other ? [[rival(), num(of.get(own.hour[i]))]] : []), ["Forecasts", num(own.rows[i], 0)]]);
    const bars = (values, look, opacity) => ({ type: "bar", silent: true, barGap: "15%", barCategoryGap: "30%",
      itemStyle: { color: color(look), opacity }, data: values });
    return {
      ...base(formatter), grid: placed,
      xAxis: { ...axisLook(), type: "category", data: own.hour, splitLine: { show: false } }, yAxis: valueAxis("error / s", { nameTextStyle: { ...nameLook(), align: "left", padding: [0, 0, 0, -16] } }),
      series: [bars(own.error_s, "blue", 1), ...(other ? [bars(own.hour.map((h) => of.get(h) ?? null), "orange", PALE)] : [])],
    };
  }

  function regimes() {
    const own = partOf(data.ours, "regimes"), other = partOf(shown.rival, "regimes");
    if (!own || own.relmae.every((v) => v === null)) return null;
    pairKeys("regimes", true);
    const names = ["Calm", "Usual", "Stormy"];
    const formatter = ([{ dataIndex: i }]) => tip(names[own.regime[i]], [[`${ours()}, ÷ persistence`, num(own.relmae[i])],
      ...(other ? [[`${rival()}, ÷ persistence`, num(other.relmae[i])]] : []), [`${ours()}, in s`, num(own.error_s[i])], ["Forecasts", num(own.rows[i], 0)]]);
    const bars = (values, look, opacity) => ({ type: "bar", silent: true, barGap: "15%", barMaxWidth: 46, itemStyle: { color: color(look), opacity },
      data: values, label: { show: true, position: "top", opacity: 1, color: color("soft"), fontSize: 12, formatter: ({ value }) => num(value, 2) } });
    return {
      ...base(formatter), grid: placed,
      xAxis: { ...axisLook(), type: "category", data: own.regime.map((i) => names[i]), splitLine: { show: false } },
      yAxis: valueAxis("MAE ÷ persistence"),
      series: [{ ...bars(own.relmae, "blue", 1), markLine: ruler([[{ yAxis: 1 }, "solid"]]) }, ...(other ? [bars(other.relmae, "orange", PALE)] : [])],
    };
  }

  // ---- by series
  const COLUMNS = [["Venue"], ["Symbol"], ["MAE ratio", num], ["Pinball ratio", num], ["Rows", (v) => num(v, 0)], ["MAE ÷ persistence", num],
    ["Direction", pct], ["Within ½ s", pct], ["Within 3 bp", pct], ["80 % covers", pct], ["ECE", num]];
  function table() {
    const { column, down } = shown.sort, rows = [...(data.series[shown.cell] ?? [])];
    const sign = down ? -1 : 1;
    rows.sort((a, b) => {
      const [x, y] = [a[column], b[column]];
      if (x === null || y === null) return (x === null) - (y === null);
      return sign * (typeof x === "string" ? x.localeCompare(y) : x - y) || a[1].localeCompare(b[1]) || a[0].localeCompare(b[0]);
    });
    const look = (i) => (i < 2 ? "" : ' class="n"');
    const box = document.getElementById("by-series");
    box.tHead.innerHTML = `<tr>${COLUMNS.map(([name], i) =>
      `<th scope="col"${look(i)}${i === column ? ` aria-sort="${down ? "descending" : "ascending"}"` : ""}><button type="button" data-column="${i}">${
        esc(name)}${i === column ? (down ? " ↓" : " ↑") : ""}</button></th>`).join("")}</tr>`;
    box.tBodies[0].innerHTML = rows.map((row) => `<tr>${row.map((value, i) => (i === 0
      ? `<th scope="row">${esc(value)}</th>` : `<td${look(i)}>${esc(COLUMNS[i][1] ? COLUMNS[i][1](value) : value)}</td>`)).join("")}</tr>`).join("");
    box.querySelectorAll("button").forEach((button) => button.addEventListener("click", () => {
      const chosen = Number(button.dataset.column);
      shown.sort = { column: chosen, down: chosen === shown.sort.column ? !shown.sort.down : false };
      table();
      box.querySelector(`[data-column="${chosen}"]`).focus();
    }));
  }

  // ---- put on the page
  const DRAWN = { ratios, fan, reliability, coverage, hours, regimes };
  const EMPTY = { ratios: "No series has rows enough to be compared." };
  const draw = (name) => page.put(name, DRAWN[name](), EMPTY[name] ?? "Nothing to draw here.", { cell: shown.cell });
  const drawAll = () => Object.keys(DRAWN).forEach(draw);
  function switches() {
    const now = cellNow();
    const fill = (id, label, part, other) => {
      const choices = [...new Set(data.cells.map((cell) => cell[part]))];
      const target = (choice) => data.cells.find((cell) => cell[part] === choice && cell[other] === now?.[other])
        ?? data.cells.find((cell) => cell[part] === choice);
      page.buttons(document.getElementById(id), label, choices.map((choice) => [choice, choice]), now?.[part],
        (choice) => choose(target(choice).id));
    };
    fill("kinds", "Venue class", "kind", "horizon");
    fill("horizons", "Horizon", "horizon", "kind");
    document.querySelectorAll(".cell").forEach((one) => { one.hidden = one.dataset.cell !== shown.cell; });
  }
  function choose(cell) {
    shown.cell = cell;
    page.address("cell", cell);
    switches();
    table();
    drawAll();
  }
  function follow() {
    const asked = page.asked("cell");
    if (asked !== null && data.cells.some((cell) => cell.id === asked)) choose(asked);
  }

  const rivals = document.getElementById("rival");
  rivals.replaceChildren(...Object.keys(data.ratios).map((name) => new Option(data.names[name], name, false, name === shown.rival)));
  rivals.addEventListener("change", () => { shown.rival = rivals.value; drawAll(); });
  document.getElementById("series").addEventListener("change", (event) => { shown.series = event.target.value; draw("fan"); });
  switches();
  table();
  page.begin(drawAll, follow);
})();
