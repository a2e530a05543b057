"use strict";
// Runs before the page is drawn: the theme is known at once, and no error goes unseen.
(() => {
  const root = document.documentElement;
  const report = (message) => {
    const errors = JSON.parse(root.dataset.errors || "[]");
    root.dataset.errors = JSON.stringify([...errors, String(message)]);
  };
  window.addEventListener("error", (event) => report(event.message));
  window.addEventListener("unhandledrejection", (event) => report(event.reason));
  document.addEventListener("securitypolicyviolation", (event) => report(`blocked: ${event.violatedDirective}`));
  const asked = new URLSearchParams(location.search).get("theme");
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    const fixed = asked === "dark" || asked === "light";
    root.dataset.theme = fixed ? asked : dark.matches ? "dark" : "light";
    window.dispatchEvent(new Event("themechange"));
  };
  dark.addEventListener("change", apply);
  apply();
})();
