"use strict";
// What the charts of every page share: words and numbers, looks, legends, and when they are drawn anew.
const page = (() => {
  const root = document.documentElement;
  const data = JSON.parse(document.getElementById("data").textContent);
  const charts = new Map();

  // ---- words and numbers
  const ESCAPES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  const esc = (value) => String(value).replace(/[&<>"']/g, (char) => ESCAPES[char]);
  const num = (value, digits = 2, plus = false) => {
    if (value === null || value === undefined || !Number.isFinite(value)) return "–";
    const text = Math.abs(value).toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
    if (!/[1-9]/.test(text)) return text;
    return (value < 0 ? "−" : plus ? "+" : "") + text;
  };
  const short = (value) => num(value, Math.abs(value) < 10 && value % 1 ? 1 : 0);
  const DAY = { timeZone: "UTC", day: "numeric", month: "short", year: "numeric" };
  const day = (ms) => new Date(ms).toLocaleDateString("en-GB", DAY);
  const when = (ms) => new Date(ms).toLocaleString("en-GB", { ...DAY, hour: "2-digit", minute: "2-digit" });
  const tip = (title, pairs, texts = []) =>
    `<div class="tip"><b>${esc(title)}</b><table>${pairs.map(([name, value]) =>
      `<tr><td>${esc(name)}</td><td class="n">${esc(value)}</td></tr>`).join("")}</table>${
      texts.map((text) => `<p>${esc(text)}</p>`).join("")}</div>`;

  // ---- looks
  const color = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();
  const NARROW_PX = 720;
  const narrow = () => window.innerWidth < NARROW_PX;
  let onPaper = false;
  const printing = () => onPaper;
  const axisLook = () => ({
    axisLine: { show: false }, axisTick: { show: false },
    axisLabel: { color: color("soft"), fontSize: 12, hideOverlap: true },
    splitLine: { show: true, lineStyle: { color: color("line"), width: 1 } },
  });
  const nameLook = () => ({ color: color("soft"), fontSize: 12 });
  const valueAxis = (name, extra = {}) => ({
    ...axisLook(), type: "value", name, nameGap: 12, splitNumber: 4,
    nameTextStyle: { ...nameLook(), align: "left", padding: [0, 0, 0, -30] }, ...extra,
  });
  const timeAxis = (extra = {}) => ({
    ...axisLook(), type: "time", splitLine: { show: false },
    axisLine: { show: true, lineStyle: { color: color("soft") } },
    axisLabel: { ...axisLook().axisLabel, formatter: { year: "{MMM} {yyyy}", month: "{MMM} {yyyy}", day: "{d} {MMM}", hour: "{d} {MMM} {HH}:{mm}", minute: "{HH}:{mm}" } },
    ...extra,
  });
  const slider = (extra) => ({
    show: !onPaper, type: "slider", height: 20, bottom: 6, showDetail: false, brushSelect: false, showDataShadow: false,
    borderColor: color("line"), fillerColor: color("line") + "99", backgroundColor: "transparent",
    handleStyle: { color: color("paper"), borderColor: color("soft") }, moveHandleSize: 0, ...extra,
  });
  /** What every chart begins with. `snap`: the pointer stands on the points that there are. */
  const base = (formatter, { trigger = "axis", snap = true } = {}) => ({
    useUTC: true, animation: false, textStyle: { fontFamily: getComputedStyle(document.body).fontFamily },
    tooltip: {
      trigger, confine: true, formatter, backgroundColor: color("paper"), borderColor: color("line"), borderWidth: 1,
      padding: [8, 11], textStyle: { color: color("ink"), fontSize: 13 }, transitionDuration: 0,
      axisPointer: { type: "line", snap, lineStyle: { color: color("soft"), type: "solid", width: 1 }, label: { show: false } },
    },
  });
  const line = (name, values, look, width = 2, dash = "solid") => ({
    type: "line", name, data: values, showSymbol: false, symbol: "none", silent: true, color: color(look),
    lineStyle: { width, type: dash, color: color(look) }, emphasis: { disabled: true },
  });
  /** Straight lines across a chart: [[{ yAxis: 0 }, "solid"], …]. */
  const ruler = (marks) => ({ silent: true, symbol: "none", label: { show: false },
    data: marks.map(([mark, dash]) => ({ ...mark, lineStyle: { color: color("soft"), type: dash, width: 1 } })) });

  // ---- legends: a drawn key and its word, so that colour is never the only sign
  const swatch = {
    solid: (c) => `<path d="M0 6H24" stroke="${c}" stroke-width="2.4"/>`,
    dashed: (c) => `<path d="M0 6H24" stroke="${c}" stroke-width="2.4" stroke-dasharray="6 3"/>`,
    dotted: (c) => `<path d="M0 6H24" stroke="${c}" stroke-width="2.4" stroke-dasharray="2 3"/>`,
    band: (c, opacity) => `<rect width="24" height="12" rx="2" fill="${c}" opacity="${opacity}"/>`,
    area: (c, opacity) => `<rect x=".5" y=".5" width="23" height="11" fill="${c}" fill-opacity="${opacity}" stroke="${c}"/>`,
    rule: (c) => `<path d="M12 0V12" stroke="${c}" stroke-width="2"/>`,
    shape: (c, d) => `<path transform="translate(6)" d="${d}" fill="${c}"/>`,
    disc: (c) => `<path d="M2 6H22" stroke="${c}" stroke-width="1.6"/><circle cx="12" cy="6" r="4.6" fill="${c}"/>`,
    diamond: (c) => `<path d="M2 6H22" stroke="${c}" stroke-width="1.6"/><path d="M12 0 18 6 12 12 6 6Z" fill="${c}"/>`,
  };
  /** Draw the legend: [kind, look, label, extra, value]. With `hidden` (a Set of labels) each is a button that shows or
   * hides its line and then calls `again`. */
  const keys = (id, list, hidden, again) => {
    const box = document.getElementById(`keys-${id}`), tag = hidden ? "button" : "span";
    const focused = document.activeElement?.closest?.(`#keys-${id} button`)?.dataset.key;
    box.innerHTML = list.map(([kind, look, label, extra, value]) =>
      `<${tag}${hidden ? ` type="button" data-key="${esc(label)}" aria-pressed="${!hidden.has(label)}"` : ""}>` +
      `<svg width="24" height="12" aria-hidden="true">${swatch[kind](color(look), extra)}</svg>${esc(label)}${
      value ? ` <b>${esc(value)}</b>` : ""}</${tag}>`).join("");
    if (!hidden) return;
    box.querySelectorAll("button").forEach((button) => {
      if (button.dataset.key === focused) button.focus();
      button.addEventListener("click", () => {
        if (!hidden.delete(button.dataset.key)) hidden.add(button.dataset.key);
        again();
      });
    });
  };
  /** Fill a box with one button for each [value, label]; the pressed one keeps the focus. */
  const buttons = (box, name, choices, chosen, press) => {
    box.hidden = choices.length < 2;
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", name);
    box.replaceChildren(...choices.map(([value, label]) => {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: label });
      button.setAttribute("aria-pressed", String(value === chosen));
      button.dataset.choice = value;
      button.addEventListener("click", () => {
        press(value);
        [...box.children].find((one) => one.textContent === label)?.focus();
      });
      return button;
    }));
  };

  // ---- put on the page
  /** Draw one chart into the box of its name; `option` null: say `empty`. `mark`: noted on the box; `table`: see reading.js. */
  function put(name, option, empty, mark, table = null) {
    const box = document.getElementById(name);
    page.tabled(name, option === null ? null : table);
    box.classList.toggle("empty", option === null);
    if (option === null) {
      charts.get(name)?.dispose();
      charts.delete(name);
      document.getElementById(`keys-${name}`)?.replaceChildren();
      box.style.height = "";
      box.textContent = empty;
      return;
    }
    if (!charts.has(name)) {
      box.textContent = "";
      charts.set(name, echarts.init(box, null, { renderer: "svg" }));
    }
    charts.get(name).resize();
    charts.get(name).setOption(option, true);
    charts.get(name).getZr().flush();
    Object.assign(box.dataset, mark);
  }
  /** Draw everything, and again where theme, width, paper or address ask for it. */
  function begin(drawAll, follow, onPrint = () => {}) {
    drawAll();
    follow();
    window.addEventListener("hashchange", follow);
    window.addEventListener("themechange", drawAll);
    let width = window.innerWidth;
    window.addEventListener("resize", () => {
      const before = width;
      width = window.innerWidth;
      if ((before < NARROW_PX) !== narrow()) drawAll();
      else if (width !== before) charts.forEach((chart) => chart.resize());
    });
    const print = (on) => {
      onPaper = on;
      root.classList.toggle("printing", on);
      if (on) root.dataset.screenTheme = root.dataset.theme;
      root.dataset.theme = on ? "light" : root.dataset.screenTheme;
      onPrint(on);
      drawAll();
    };
    window.addEventListener("beforeprint", () => print(true));
    window.addEventListener("afterprint", () => print(false));
    root.dataset.ready = "true";
  }
  const asked = (key) => new URLSearchParams(location.hash.slice(1)).get(key);
  const address = (key, value) => history.replaceState(null, "", `#${key}=${encodeURIComponent(value)}`);

  return { address, asked, axisLook, base, begin, buttons, charts, color, data, day, esc, keys, line, nameLook, narrow, num,
    printing, put, ruler, short, slider, timeAxis, tip, valueAxis, when };
})();
