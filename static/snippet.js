/* Spokes: keeps who sent a visitor, on the shop's own origin; docs/integrators.md. */
(() => {
  "use strict";
  const KEY = "spokes", MOST = 5, now = Date.now();
  const days = Number(document.currentScript?.dataset.days) || 90;
  const quiet = navigator.globalPrivacyControl || navigator.doNotTrack === "1";
  let kept = [];
  try {
    if (quiet) localStorage.removeItem(KEY);
    else kept = JSON.parse(localStorage.getItem(KEY)).filter((one) => one[1] > now);
  } catch { /* nothing kept, or nothing readable */ }
  const came = new URLSearchParams(location.search).get("spk");
  if (came && /^[\w.-]{1,200}$/.test(came)) {
    kept = [...kept.filter((one) => one[0] !== came), [came, now + days * 864e5]].slice(-MOST);
    try { if (!quiet) localStorage.setItem(KEY, JSON.stringify(kept)); } catch { /* full, or forbidden */ }
  }
  const tokens = () => kept.map((one) => one[0]).reverse();

  const put = (form, name, value) => {
    const field = form.querySelector(`input[name=${name}]`) || form.appendChild(document.createElement("input"));
    Object.assign(field, { type: "hidden", name, value });
  };
  const fill = (root = document) => {
    const [newest] = tokens();
    if (!newest) return;
    const reference = newest.replace(/\./g, "_");
    for (const form of root.querySelectorAll("form[data-spokes]")) {
      put(form, "spk", newest);
      put(form, "spk_all", tokens().join(" "));
    }
    for (const link of root.querySelectorAll('a[data-spokes][href], a[href^="https://buy.stripe.com/"]')) {
      const to = new URL(link.href);
      to.searchParams.set("client_reference_id", reference);
      link.href = to;
    }
    for (const one of root.querySelectorAll("stripe-buy-button, stripe-pricing-table")) {
      one.setAttribute("client-reference-id", reference);
    }
  };
  window.spokes = { token: () => tokens()[0] || "", tokens, fill };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", () => fill());
  else fill();
})();
