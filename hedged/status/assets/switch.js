// The kill switch: asks, says what will happen, does it when that is confirmed. The token is kept nowhere.
const opened = [...document.querySelectorAll("[data-open]")];

async function post(path, token, body) {
  let answer;
  try {
    answer = await fetch(path, {
      method: "POST", cache: "no-store", body: JSON.stringify(body),
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
    });
  } catch {
    return { status: 0, told: { error: "The daemon cannot be reached: nothing is known to have changed. At its machine: hedged kill --reason \"…\"" } };
  }
  let told = {};
  try { told = await answer.json(); } catch { /* an error without words */ }
  return { status: answer.status, told };
}
const sentence = (told, status) => {
  const text = String(told.error ?? `the daemon refused (${status})`);
  return text.charAt(0).toUpperCase() + text.slice(1);
};

/** One dialog of two steps. `check` returns what is missing; `prepare` fills the second step; `go` does it. */
function dialog(name, { check, prepare, go, words }) {
  const box = document.getElementById(name), form = box.querySelector("form");
  const token = form.elements.token, submit = form.querySelector(".go"), told = form.querySelector(".told");
  const back = form.querySelector("[data-do=back]"), close = form.querySelector("[data-do=close]");
  let step = "ask", busy = false;

  function to(next) {
    step = next;
    for (const one of form.querySelectorAll(".step")) one.hidden = one.dataset.step !== step;
    back.hidden = step !== "confirm";
    submit.hidden = step === "done";
    submit.textContent = words[step]?.() ?? "";
    submit.classList.toggle("danger", step === "confirm" && name === "kill");
    close.textContent = step === "done" ? "Close" : "Cancel";
  }
  function say(text, tone = "bad") {
    told.textContent = text;
    told.className = `told ${tone}`;
  }
  async function submitted() {
    if (busy) return;
    if (step === "ask") {
      const missing = check(form);
      if (missing) { say(missing.text); missing.field.focus(); return; }
    }
    busy = true;
    submit.setAttribute("aria-disabled", "true");
    say("Asking the daemon …", "wait");
    try {
      const { error, done, again } = step === "ask" ? await prepare(form) : await go(form);
      if (error) { say(error); if (again) { to("ask"); token.select(); token.focus(); } return; }
      say(done ?? "", "good");
      if (step === "confirm") token.value = "";
      to(step === "ask" ? "confirm" : "done");
      (step === "done" ? close : back).focus();
      if (step === "done") window.dispatchEvent(new Event("hedged:again"));
    } finally {
      busy = false;
      submit.removeAttribute("aria-disabled");
    }
  }
  form.addEventListener("submit", (event) => { event.preventDefault(); submitted(); });
  back.addEventListener("click", () => { say(""); to("ask"); token.focus(); });
  close.addEventListener("click", () => box.close());
  box.addEventListener("close", () => {
    form.reset();
    to("ask");
    say("");
    opened.find((one) => one.dataset.open === name)?.focus();
  });
  to("ask");
  return box;
}

const noToken = (form) => (form.elements.token.value ? null : { field: form.elements.token, text: "Give the token: without it nobody turns the switch." });
const level = (form) => form.querySelector("input[name=level]:checked");

const kill = dialog("kill", {
  words: { ask: () => "What will happen?", confirm: () => `Do it: ${level(kill).value}` },
  check: (form) => (form.elements.reason.value.trim() ? noToken(form) : { field: form.elements.reason, text: "Give a reason: who resumes must know why." }),
  prepare: async (form) => {
    form.querySelector(".does").textContent = `${level(form).value}: ${level(form).dataset.does}`;
    form.querySelector(".reason").textContent = form.elements.reason.value.trim();
    return {};
  },
  go: async (form) => {
    const { status, told } = await post("api/kill", form.elements.token.value, { level: level(form).value, reason: form.elements.reason.value.trim() });
    return status === 200 ? { done: `Latched: ${told.latched}` } : { error: sentence(told, status), again: status === 401 || status === 403 };
  },
});
const resume = dialog("resume", {
  words: { ask: () => "What will happen?", confirm: () => "Resume" },
  check: noToken,
  prepare: async (form) => {
    const { status, told } = await post("api/resume", form.elements.token.value, {});
    if (!Array.isArray(told.summary)) return { error: sentence(told, status), again: status === 401 };
    form.querySelector(".summary").replaceChildren(...told.summary.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
    return {};
  },
  go: async (form) => {
    const { status, told } = await post("api/resume", form.elements.token.value, { confirm: true });
    return status === 200 ? { done: `Resumed. Latched now: ${told.latched}` } : { error: sentence(told, status), again: status === 401 };
  },
});
const boxes = { kill, resume };
for (const button of opened) {
  button.disabled = false;
  button.addEventListener("click", () => boxes[button.dataset.open].showModal());
}
const latched = (told) => { for (const button of opened) if (button.dataset.open === "resume") button.hidden = !told.latched; };
window.addEventListener("hedged:told", (event) => latched(event.detail));
latched(JSON.parse(document.getElementById("data").textContent));
