"use strict";
// Draws net savings from the JSON in #data. One part (side and proxy rule) is shown at a time: #part=long-chain.
(() => {
  const { axisLook, base, color, data, day, keys, line, num, short, tip, valueAxis } = page;
  const shown = { part: data.parts[0].id };
  const LOOKS = [["blue", "solid", 2.2], ["orange", "dashed", 1.8], ["teal", "dotted", 1.8], ["purple", "solid", 1.6], ["grey", "solid", 1.6]];

  function path() {
    const part = data.parts.find((one) => one.id === shown.part);
    const names = Object.keys(part.paths);
    keys("path", names.map((name, i) => [LOOKS[i][1], LOOKS[i][0], data.names[name]]));
    const formatter = ([{ dataIndex: k }]) => tip(day(part.day_ms[k]), names.map((name) => [data.names[name], `${num(part.paths[name][k], 0)} USD`]));
    return {
      ...base(formatter), grid: { left: 4, right: 14, top: 30, bottom: 4, containLabel: true },
      xAxis: page.timeAxis({ axisLine: { show: true, onZero: false, lineStyle: { color: color("soft") } } }),
      yAxis: valueAxis("USD", { axisLabel: { ...axisLook().axisLabel, formatter: short } }),
      series: names.map((name, i) => line(data.names[name], part.paths[name].map((usd, k) => [part.day_ms[k], usd]), LOOKS[i][0], LOOKS[i][2], LOOKS[i][1])),
    };
  }

  function show(id) {
    if (!data.parts.some((part) => part.id === id)) return;
    shown.part = id;
    page.buttons(document.getElementById("parts"), "Side and proxy rule", data.parts.map((part) => [part.id, part.label]), id, (next) => {
      page.address("part", next);
      show(next);
    });
    for (const table of document.querySelectorAll(".part")) table.hidden = table.dataset.part !== id && !page.printing();
    page.put("path", path(), "");
  }
  page.begin(() => show(shown.part), () => show(page.asked("part") ?? shown.part), () => show(shown.part));
})();
