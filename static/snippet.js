/* Spokes: keeps who sent a visitor, on the shop's own origin; docs/integrators.md. */
(() => {
  const KEY = "spokes", REFERENCE = "client_reference_id", now = Date.now(), here = new URL(location);
  const days = +document.currentScript?.dataset.days || 90;
  const quiet = navigator.globalPrivacyControl || navigator.doNotTrack === "1";
  let kept = [];
  try {
    if (quiet) localStorage.removeItem(KEY);
    else kept = JSON.parse(localStorage.getItem(KEY)).filter((one) => one[1] > now);
  } catch {} // nothing kept
  const given = here.searchParams.getAll("spk");
  const came = given.find((one) => /^\w{26}(\.[\w-]+){3}$/.test(one));
  try {
    if (came) {
      kept = [...kept.filter((one) => one[0] !== came), [came, now + days * 864e5]].slice(-5);
      if (!quiet) localStorage.setItem(KEY, JSON.stringify(kept));
    }
    here.searchParams.delete("spk"); // so that nobody passes their click on
    if (given[0]) history.replaceState(history.state, "", here);
  } catch {} // full, or forbidden
  const tokens = kept.map((one) => one[0]).reverse(), [newest] = tokens;

  const put = (form, name, value) => {
    const field = form.querySelector(`input[name=${name}]`) || form.appendChild(document.createElement("input"));
    Object.assign(field, { type: "hidden", name, value });
  };
  const fill = (root = document) => {
    if (!newest) return;
    const all = (which) => root.querySelectorAll(which), reference = newest.replace(/\./g, "_");
    for (const form of all("form[data-spokes]")) {
      put(form, "spk", newest);
      put(form, "spk_all", tokens.join(" "));
    }
    for (const link of all('a[data-spokes][href], a[href^="https://buy.stripe.com/"]')) {
      const to = new URL(link.href);
      if (!/^https?:/.test(to) || to.searchParams.get(REFERENCE)) continue; // the shop's own
      to.searchParams.set(REFERENCE, reference);
      link.href = to;
    }
    for (const one of all("stripe-buy-button, stripe-pricing-table")) {
      const name = "client-reference-id";
      if (!one.getAttribute(name)) one.setAttribute(name, reference);
    }
  };
  window.spokes = { token: () => newest || "", tokens: () => [...tokens], fill };
  fill();
  document.addEventListener("DOMContentLoaded", () => fill());
})();
