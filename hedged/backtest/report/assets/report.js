// Puts the charts on the page. One symbol is shown at a time, named by the address: #symbol=INJ.
(() => {
  const { data } = page;
  const { charts, shown } = report;

  function draw(name) {
    const [option, empty, table] = charts[name];
    page.put(name, option(() => draw(name)), empty, { symbol: shown.symbol }, table);
    if (name === "timeline") report.listen();
  }
  const drawAll = () => Object.keys(charts).forEach(draw);

  function switches() {
    document.querySelectorAll(".head .switch").forEach((box) => {
      const all = box.dataset.all === "true" && (!box.dataset.part || data[box.dataset.part][""]) ? [["", "All"]] : [];
      const choices = [...all, ...data.symbols.map((symbol) => [symbol, symbol])];
      page.buttons(box, "Symbol", choices, all.length && shown.all ? "" : shown.symbol, choose);
    });
    page.buttons(document.getElementById("measure"), "Measure", [[false, "Funding"], [true, "Saving"]], shown.saving, (saving) => {
      shown.saving = saving;
      switches();
      draw("cumulative");
    });
  }
  function choose(symbol) {
    shown.all = symbol === "";
    if (symbol) shown.symbol = symbol;
    page.address("symbol", symbol);
    switches();
    drawAll();
    report.forget();
  }
  function follow() {
    const asked = page.asked("symbol");
    if (asked !== null && (asked === "" || data.symbols.includes(asked))) choose(asked);
    const named = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (named?.tagName === "DETAILS") named.open = true;
  }

  switches();
  report.forget();
  page.begin(drawAll, follow, (on) => {
    document.querySelectorAll("details:not(#fills):not(#configuration)").forEach((one) => { one.open = on; });
  });
})();
