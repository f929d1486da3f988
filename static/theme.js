/* Runs before the first paint: the reader's choice of theme, and what this browser can do.
   Without a choice no attribute is set and the style sheet follows the system. */
"use strict";
(() => {
  const root = document.documentElement;
  const stored = () => {
    try { return localStorage.getItem("theme"); } catch { return null; } // storage may be switched off
  };
  const show = (choice) => {
    if (choice === "light" || choice === "dark") root.dataset.bsTheme = choice;
    else delete root.dataset.bsTheme;
  };
  show(stored());
  root.classList.add("js");
  if (navigator.share) root.classList.add("can-share");

  document.addEventListener("change", (event) => {
    const pick = event.target.closest("[data-theme-pick]");
    if (!pick) return;
    try { localStorage.setItem("theme", pick.value); } catch { /* the choice then lasts for this page */ }
    show(pick.value);
    document.dispatchEvent(new Event("themechange"));
  });
  document.addEventListener("DOMContentLoaded", () => {
    for (const pick of document.querySelectorAll("[data-theme-pick]")) pick.value = stored() || "system";
  });
})();
