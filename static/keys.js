/* Keys for console tables: j and k move, x picks, Enter opens, / searches, ? shows the list; any element with
   data-key="a" is pressed by that key. Only outside fields, and only while switched on in the list (WCAG 2.1.4). */
"use strict";
(() => {
  const on = () => {
    try { return localStorage.getItem("keys") !== "off"; } catch { return true; }
  };
  const rows = () => [...document.querySelectorAll("table[data-keys] > tbody > tr")];
  const current = () => rows().find((row) => row.contains(document.activeElement));

  const move = (by) => {
    const all = rows();
    if (!all.length) return;
    const at = all.indexOf(current());
    const row = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + by))];
    row.tabIndex = -1;
    row.focus();
    row.scrollIntoView({ block: "nearest" });
  };

  const help = () => document.getElementById("keys-help")?.showModal();
  const actions = {
    j: () => move(1),
    k: () => move(-1),
    x: () => current()?.querySelector("input[type=checkbox]:not(:disabled)")?.click(),
    Enter: () => document.activeElement === current() && current()?.querySelector("a[href]")?.click(),
    "?": help,
  };

  const busy = (target) =>
    target.closest("input:not([type=checkbox]), textarea, select, [contenteditable], dialog[open]") !== null;

  document.addEventListener("keydown", (event) => {
    if (!on() || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || busy(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    const spot = event.key.length === 1 ? document.querySelector(`[data-key="${CSS.escape(event.key)}"]`) : null;
    if (spot && !spot.disabled) {
      event.preventDefault();
      if (spot.matches("input, select, textarea")) spot.focus();
      else spot.click();
    } else if (actions[event.key]) {
      if (event.key === "Enter" && document.activeElement !== current()) return;
      event.preventDefault();
      actions[event.key]();
    }
  });

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-keys-help]")) help();
  });
  document.addEventListener("DOMContentLoaded", () => {
    const toggle = document.querySelector("[data-keys-switch]");
    if (!toggle) return;
    toggle.checked = on();
    toggle.addEventListener("change", () => {
      try { localStorage.setItem("keys", toggle.checked ? "on" : "off"); } catch { /* lasts for this page */ }
    });
  });
})();
