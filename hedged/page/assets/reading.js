// What makes a page easy to read: contents that follow, tables that sort, charts as tables, text that is copied.
Object.assign(page, (() => {
  const { esc } = page;
  const MOST_ROWS = 200;

  // ---- the table of contents marks where one is
  function contents() {
    const nav = document.querySelector("nav.contents");
    if (!nav) return;
    const links = new Map([...nav.querySelectorAll("a")].map((link) => [link.hash.slice(1), link]));
    const places = [...links.keys()].map((id) => document.getElementById(id)).filter(Boolean);
    let current = null;
    const mark = () => {
      const edge = Math.min(window.innerHeight * 0.35, 260);
      const ended = window.innerHeight + window.scrollY >= document.documentElement.scrollHeight - 4;
      const passed = places.filter((place) => place.getBoundingClientRect().top <= edge);
      const link = links.get((ended ? places[places.length - 1] : passed[passed.length - 1] ?? places[0])?.id);
      if (link === current) return;
      current?.removeAttribute("aria-current");
      link?.setAttribute("aria-current", "location");
      current = link;
      if (nav.scrollWidth > nav.clientWidth && link) nav.scrollLeft = link.offsetLeft - nav.clientWidth / 2 + link.offsetWidth / 2;
    };
    let waiting = false;
    window.addEventListener("scroll", () => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => { waiting = false; mark(); });
    }, { passive: true });
    mark();
  }

  // ---- tables that sort
  const numberOf = (text) => {
    const found = Number.parseFloat(text.replace(/−/g, "-").replace(/[,+\s\u202f]/g, ""));
    return Number.isNaN(found) ? null : found;
  };
  const valueOf = (row, column) => {
    const cell = row.cells[column], dot = cell.querySelector("[data-sort]");
    const text = dot?.dataset.sort ?? (cell.querySelector(".name") ?? cell).textContent.trim();
    return { text, number: column ? numberOf(text) : null };
  };
  const order = (a, b) => (a.number !== null && b.number !== null ? a.number - b.number
    : a.number !== null ? 1 : b.number !== null ? -1 : a.text.localeCompare(b.text, "en"));
  function sortBy(table, column, head) {
    const down = head.getAttribute("aria-sort") !== "descending";
    table.querySelectorAll("thead th").forEach((one) => one.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const body = table.tBodies[0], rows = [...body.rows];
    const total = table.classList.contains("totalled") ? rows.pop() : null;
    const keyed = rows.map((row) => [valueOf(row, column), row]);
    keyed.sort(([a], [b]) => (down ? order(b, a) : order(a, b)));
    body.append(...keyed.map(([, row]) => row), ...(total ? [total] : []));
  }
  function sortable() {
    document.querySelectorAll("table.sortable").forEach((table) => {
      [...table.tHead.rows[0].cells].forEach((head, column) => {
        const button = Object.assign(document.createElement("button"), { type: "button", title: "Sort" });
        button.append(...head.childNodes);
        head.append(button);
        button.addEventListener("click", () => sortBy(table, column, head));
      });
    });
  }

  // ---- copying
  async function copied(source) {
    const text = source.textContent;
    try { await navigator.clipboard.writeText(text); return true; } catch { /* not allowed here: the old way */ }
    getSelection().selectAllChildren(source);
    const done = document.execCommand("copy");
    if (done) getSelection().removeAllRanges();
    return done;
  }
  function copying() {
    document.querySelectorAll("button[data-copy]").forEach((button) => {
      button.setAttribute("aria-live", "polite");
      button.addEventListener("click", async () => {
        const done = await copied(document.getElementById(button.dataset.copy));
        button.textContent = done ? "Copied" : "Selected: copy it";
        setTimeout(() => { button.textContent = "Copy"; }, 2500);
      });
    });
  }

  // ---- a chart as a table, on demand
  const asked = new Map();
  function fill(name) {
    const { table, box } = asked.get(name);
    if (box.hidden) return;
    const { heads, rows } = table(), step = Math.ceil(rows.length / MOST_ROWS) || 1;
    const kept = rows.filter((_, i) => i % step === 0 || i === rows.length - 1);
    const cell = (value, i) => (i ? `<td class="n">${esc(value)}</td>` : `<th scope="row">${esc(value)}</th>`);
    box.innerHTML = `${step > 1 ? `<p class="note">Every ${step}. of ${rows.length.toLocaleString("en-US")} points.</p>` : ""}
      <div class="scroll" role="region" tabindex="0" aria-label="${esc(box.dataset.label)}"><table><caption>${esc(box.dataset.label)}</caption>
      <thead><tr>${heads.map((head, i) => `<th scope="col"${i ? ' class="n"' : ""}>${esc(head)}</th>`).join("")}</tr></thead>
      <tbody>${kept.map((row) => `<tr>${row.map(cell).join("")}</tr>`).join("")}</tbody></table></div>`;
  }
  /** Offer the chart of this name as a table; `table` returns { heads, rows } of texts; null: there is none. */
  function tabled(name, table) {
    const chart = document.getElementById(name);
    if (!asked.has(name)) {
      if (!table) return;
      const button = Object.assign(document.createElement("button"), { type: "button", className: "as-table", textContent: "Show as table" });
      const box = Object.assign(document.createElement("div"), { id: `table-${name}`, className: "tabled", hidden: true });
      box.dataset.label = chart.getAttribute("aria-label");
      button.setAttribute("aria-expanded", "false");
      button.setAttribute("aria-controls", box.id);
      button.addEventListener("click", () => {
        box.hidden = !box.hidden;
        button.setAttribute("aria-expanded", String(!box.hidden));
        button.textContent = box.hidden ? "Show as table" : "Hide table";
        fill(name);
      });
      chart.after(button, box);
      asked.set(name, { button, box });
    }
    const entry = asked.get(name);
    entry.button.hidden = !table;
    if (!table) entry.box.hidden = true;
    entry.table = table;
    if (table) fill(name);
  }

  contents();
  sortable();
  copying();
  return { tabled };
})());
