"use strict";
// Draws a sweep from the JSON in #data. One setting is shown at a time: #setting=hedge.cap.
(() => {
  const { axisLook, base, color, data, day, keys, line, nameLook, num, ruler, short, tip, valueAxis } = page;
  const shown = { setting: data.axes[0]?.id };
  const told = (value) => num(value, data.digits, true);
  const DISC = "M6 1A5 5 0 1 1 5.99 1Z", DIAMOND = "M6 0 12 6 6 12 0 6Z", SQUARE = "M1 1H11V11H1Z";
  const KEYS = [["shape", "grey", "Trial", DISC], ["shape", "orange", "Default", SQUARE], ["shape", "blue", "Best", DIAMOND]];

  function path() {
    const { day_ms, chosen, default: plain } = data.path;
    keys("path", [["solid", "blue", "Chosen on the past"], ["dashed", "orange", "Default"]]);
    const formatter = ([{ dataIndex: k }]) => tip(day(day_ms[k]), [["Chosen on the past", `${num(chosen[k], 2, true)} bp`], ["Default", `${num(plain[k], 2, true)} bp`]]);
    const drawn = (values) => values.map((bp, k) => [day_ms[k], bp]);
    return {
      ...base(formatter), grid: { left: 4, right: 14, top: 30, bottom: 4, containLabel: true },
      xAxis: page.timeAxis({ axisLine: { show: true, onZero: false, lineStyle: { color: color("soft") } } }),
      yAxis: valueAxis("Net saving added up, bp of the position", { axisLabel: { ...axisLook().axisLabel, formatter: short } }),
      series: [{ ...line("Chosen on the past", drawn(chosen), "blue", 2.2), markLine: ruler([[{ yAxis: 0 }, "solid"]]) }, line("Default", drawn(plain), "orange", 1.8, "dashed")],
    };
  }

  /** Trials as dots; the default and the best stand out by shape and lie on top. */
  function dots(place) {
    const sets = [
      ["grey", "circle", 9, (k) => k !== 0 && k !== data.best],
      ["orange", "rect", 11, (k) => k === 0],
      ["blue", "diamond", 15, (k) => k === data.best && k !== 0],
    ];
    return sets.map(([look, symbol, symbolSize, wanted], z) => ({
      type: "scatter", symbol, symbolSize, z: 3 + z, itemStyle: { color: color(look), opacity: look === "grey" ? 0.75 : 1 }, emphasis: { disabled: true },
      data: data.trials.map((trial, k) => [trial, k]).filter(([trial, k]) => wanted(k) && place(trial) !== null)
        .map(([trial, k]) => ({ value: place(trial), trial: k })),
    }));
  }

  const room = { left: 4, right: 24, top: 34, bottom: 26, containLabel: true };
  const below = (name) => ({ name, nameLocation: "middle", nameGap: 30, nameTextStyle: nameLook() });

  function scatter() {
    const known = data.trials.filter((trial) => trial.inside !== null && trial.outside !== null);
    if (known.length < 2) return null;
    keys("scatter", [...KEYS, ["dotted", "soft", "As good as before"]]);
    const formatter = ({ data: { trial } }) => tip(data.trials[trial].label, [["In sample", told(data.trials[trial].inside)], ["Out of sample", told(data.trials[trial].outside)]]);
    const ends = known.flatMap((trial) => [trial.inside, trial.outside]);
    const low = Math.min(...ends), high = Math.max(...ends);
    const axis = { ...axisLook(), axisLine: { show: false, onZero: false }, axisLabel: { ...axisLook().axisLabel, formatter: short } };
    return {
      ...base(formatter, { trigger: "item" }), grid: room,
      xAxis: { ...axis, type: "value", scale: true, ...below(`In sample, ${data.unit}`) },
      yAxis: { ...valueAxis(`Out of sample (fold ${data.scored_on}), ${data.unit}`), ...axis, scale: true },
      series: [line("As good as before", [[low, low], [high, high]], "soft", 1.4, "dotted"), ...dots((trial) => (trial.inside === null || trial.outside === null ? null : [trial.inside, trial.outside]))],
    };
  }

  function setting() {
    const axis = data.axes.find((one) => one.id === shown.setting);
    if (!axis) return null;
    keys("setting", KEYS);
    const at = (trial) => (trial.score === null ? null : [axis.levels ? String(trial.values[axis.id]) : trial.values[axis.id], trial.score]);
    const formatter = ({ data: { trial } }) => tip(data.trials[trial].label, [["Score", told(data.trials[trial].score)]]);
    const look = { ...axisLook(), ...below(axis.label) };
    return {
      ...base(formatter, { trigger: "item" }), grid: room,
      xAxis: axis.levels ? { ...look, type: "category", data: axis.levels, splitLine: { show: false } } : { ...look, type: "value", scale: true },
      yAxis: { ...valueAxis(data.unit), axisLabel: { ...axisLook().axisLabel, formatter: short }, scale: true },
      series: dots(at),
    };
  }

  function show(id) {
    if (!data.axes.some((axis) => axis.id === id)) return;
    shown.setting = id;
    page.buttons(document.getElementById("settings"), "Setting", data.axes.map((axis) => [axis.id, axis.label]), id, (next) => {
      page.address("setting", next);
      show(next);
    });
    page.put("setting", setting(), "No trial to show.", { setting: id });
  }

  page.begin(() => {
    page.put("path", path(), "");
    page.put("scatter", scatter(), "One trial alone: nothing to compare.");
    show(shown.setting);
  }, () => show(page.asked("setting") ?? shown.setting));
})();
