// Keeps the page current: asks for what has changed, says when it last heard, counts the times on.
const EVERY_MS = 2000, PATIENCE_MS = 8000, LATE_MS = 7000, RELOAD_MS = 10000;
const first = JSON.parse(document.getElementById("data").textContent);
const heardBox = document.getElementById("heard"), lostBox = document.getElementById("lost"), saidBox = document.getElementById("said");
const known = new Map();
let edition = first.edition, heardAt = performance.now(), nowMs = first.now_ms, trouble = "", lost = false, awakeAt = 0;

/** What is told of the latest answer: `hedged:told`, with the answer, on the window. */
const tell = (told) => window.dispatchEvent(new CustomEvent("hedged:told", { detail: told }));
/** The daemon's present: its clock runs on from its last answer. */
const present = () => nowMs + performance.now() - heardAt;

// ---- words
function lasting(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  for (const [unitS, unit, nextS, next] of [[86400, "d", 3600, "h"], [3600, "h", 60, "min"]]) {
    if (s < unitS) continue;
    const rest = Math.floor((s % unitS) / nextS);
    return `${Math.floor(s / unitS)} ${unit}${rest && s < 5 * unitS ? ` ${rest} ${next}` : ""}`;
  }
  return s >= 120 ? `${Math.floor(s / 60)} min` : `${s} s`;
}
const clock = (ms) => new Date(ms).toISOString().slice(11, 19);

// ---- parts: replaced where they changed; what was open, focused or scrolled stays so
function replace(box, html) {
  const open = [...box.querySelectorAll("details[open]")].map((one) => one.id);
  const regions = [...box.querySelectorAll(".scroll")], scrolled = regions.map((one) => one.scrollLeft);
  const held = box.contains(document.activeElement) ? document.activeElement : null;
  const place = held && [...box.querySelectorAll(held.tagName)].indexOf(held);
  box.innerHTML = html;
  for (const id of open) { const one = document.getElementById(id); if (one) one.open = true; }
  [...box.querySelectorAll(".scroll")].forEach((one, i) => { one.scrollLeft = scrolled[i] ?? 0; });
  if (held) box.querySelectorAll(held.tagName)[place]?.focus({ preventScroll: true });
}
const bare = (html) => html.replace(/(<time [^>]*>)[^<]*/g, "$1");
function show(parts) {
  for (const [name, html] of Object.entries(parts)) {
    const box = document.querySelector(`[data-part="${name}"]`), text = bare(html);
    if (!box || known.get(name) === text || selecting(box)) continue;
    known.set(name, text);
    replace(box, html);
  }
}
/** Whether somebody is marking text in there, to copy it: it is not taken away from under the hand. */
function selecting(box) {
  const marked = getSelection();
  return marked && !marked.isCollapsed && box.contains(marked.anchorNode);
}

// ---- times and the state of the connection
function tick() {
  const silent = performance.now() - heardAt, at = present();
  if (!lost) {
    for (const one of document.querySelectorAll("time[data-since]")) one.textContent = lasting(at - Number(one.dataset.since));
    for (const one of document.querySelectorAll("time[data-due]")) one.textContent = lasting(Number(one.dataset.due) - at);
  }
  // a page that slept in the background asks first
  const late = silent > LATE_MS && performance.now() - awakeAt > LATE_MS / 2;
  if (!document.hidden && late !== lost) {
    lost = late;
    document.documentElement.classList.toggle("lost", lost);
    lostBox.hidden = !lost;
    if (lost) document.title = "✕ connection lost – hedged";
    if (lost) lostBox.textContent = `Connection lost. What stands here is of ${clock(nowMs)} UTC and may be old. ${trouble || "The daemon does not answer."} It is tried again.`;
  }
  heardBox.textContent = lost ? `last heard ${lasting(silent)} ago` : silent < 3500 ? "live" : `last heard ${lasting(silent)} ago`;
  heardBox.classList.toggle("late", lost);
}

// ---- asking
async function ask() {
  const stop = new AbortController(), timer = setTimeout(() => stop.abort(), PATIENCE_MS);
  try {
    const answer = await fetch(`page.json?edition=${edition}`, { signal: stop.signal, cache: "no-store" });
    if (!answer.ok) throw new Error(`The daemon answers with an error (${answer.status}).`);
    const told = await answer.json();
    if (told.build !== first.build && performance.now() > RELOAD_MS && !document.querySelector("dialog[open]")) { location.reload(); return; }
    heardAt = performance.now();
    nowMs = told.now_ms;
    edition = told.edition;
    trouble = "";
    show(told.parts);
    document.title = told.title;
    if (saidBox.textContent !== told.title) saidBox.textContent = told.title;
    tell(told);
  } catch (error) {
    trouble = error.name === "AbortError" ? `It did not answer within ${PATIENCE_MS / 1000} s.` : error instanceof TypeError ? "The daemon cannot be reached." : error.message;
  } finally {
    clearTimeout(timer);
  }
  tick();
}
let waiting = null;
async function round() {
  clearTimeout(waiting);
  waiting = null;
  await ask();
  if (waiting === null) waiting = setTimeout(round, EVERY_MS);
}
window.addEventListener("hedged:again", round);
document.addEventListener("visibilitychange", () => { if (!document.hidden) { awakeAt = performance.now(); round(); } });
for (const box of document.querySelectorAll("[data-part]")) known.set(box.dataset.part, null);
setInterval(tick, 1000);
round();
