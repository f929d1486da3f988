/* Totals of picked rows. <form data-bulk> holds checkboxes in rows <tr data-amount-minor="1290" data-currency="EUR">,
   one [data-pick-all], and a [data-bulk-bar] with [data-bulk-said] whose data-text is "{count} picked, {sum}". Buttons
   with [data-bulk-act] may carry data-text="Approve {count}". Without JavaScript the bar is always shown. */
"use strict";
(() => {
  const language = document.documentElement.lang || "en";

  /** As the server writes it, from integer minor units, without a float. */
  const money = (minor, currency) => {
    if (currency === "PTS") return `${new Intl.NumberFormat(language).format(minor)} ${document.body.dataset.wordPoints}`;
    const format = new Intl.NumberFormat(language, { style: "currency", currency });
    const digits = format.resolvedOptions().maximumFractionDigits;
    const figures = String(Math.abs(minor)).padStart(digits + 1, "0");
    const whole = figures.slice(0, figures.length - digits);
    return format.format((minor < 0 ? "-" : "") + whole + (digits ? `.${figures.slice(-digits)}` : ""));
  };

  const sums = (rows) => {
    const by = new Map();
    for (const { dataset: { amountMinor, currency } } of rows) {
      if (currency) by.set(currency, (by.get(currency) ?? 0) + Number.parseInt(amountMinor, 10));
    }
    return [...by].map(([currency, minor]) => money(minor, currency)).join(" + ");
  };

  const boxes = (form) => [...form.querySelectorAll("tbody input[type=checkbox]:not(:disabled)")];

  const refresh = (form) => {
    const all = boxes(form);
    const picked = all.filter((box) => box.checked);
    for (const box of all) box.closest("tr").classList.toggle("picked", box.checked);
    const every = form.querySelector("[data-pick-all]");
    if (every) {
      every.checked = all.length > 0 && picked.length === all.length;
      every.indeterminate = picked.length > 0 && picked.length < all.length;
    }
    const bar = form.querySelector("[data-bulk-bar]");
    if (!bar) return;
    const count = new Intl.NumberFormat(language).format(picked.length);
    const sum = sums(picked.map((box) => box.closest("tr")));
    const fill = (text) => text.replace("{count}", count).replace("{sum}", sum);
    for (const spot of bar.querySelectorAll("[data-text]")) spot.textContent = fill(spot.dataset.text);
    for (const button of bar.querySelectorAll("[data-bulk-act]")) button.disabled = picked.length === 0;
    bar.hidden = picked.length === 0;
  };

  document.addEventListener("change", (event) => {
    const form = event.target.closest("form[data-bulk]");
    if (!form) return;
    if (event.target.matches("[data-pick-all]")) for (const box of boxes(form)) box.checked = event.target.checked;
    refresh(form);
  });
  const start = (root) => { for (const form of root.querySelectorAll("form[data-bulk]")) refresh(form); };
  document.addEventListener("DOMContentLoaded", () => start(document));
  document.addEventListener("htmx:afterSettle", () => start(document));
  window.addEventListener("pageshow", () => start(document)); // the browser restores ticks when one goes back
})();
