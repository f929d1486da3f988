/* The share kit: words are the advocate's own before they can be copied or carried off, and their disclosure stays first.
   <div data-words data-disclosure="#ad" data-address="https://…" data-intent="https://wa.me/?text=" data-say-edit data-say-first
   data-say-link data-say-ready> holds a textarea, a [data-hint], a [data-copy], a [data-share] and an a[data-open].
   Without JavaScript the texts are there to be edited and copied by hand. */
"use strict";
(() => {
  const plain = (text) => text.trim().replace(/\s+/g, " ");
  const seen = (text) => plain(text.replace(/[\p{Cf}\p{Default_Ignorable_Code_Point}]/gu, ""));

  // The disclosure as it is: no "#ad?", no "#adorable".
  const discloses = (text, first) => {
    const rest = text.slice(first.length);
    return text.startsWith(first) && !/^[^.!\p{L}\p{N}]*\?/u.test(rest) && (first.endsWith(":") || !/^[\p{L}\p{N}_-]/u.test(rest));
  };

  // The link as a whole: no other address around it, and no other code that begins like it.
  const leads = (text, address) => {
    const around = text.split(address);
    return around.slice(1).some((after, place) =>
      !/[\p{L}\p{N}/=&?%._-]$/u.test(around[place]) && !/^[./%]?[\p{L}\p{N}\p{Cf}_-]/u.test(after));
  };

  const verdict = (words, area) => {
    const text = plain(area.value);
    if (seen(text) === seen(area.defaultValue)) return "sayEdit";
    if (!discloses(text, plain(words.disclosure))) return "sayFirst";
    return leads(text, words.address) ? "sayReady" : "sayLink";
  };

  const judge = (place) => {
    const area = place.querySelector("textarea");
    const said = verdict(place.dataset, area);
    const ready = said === "sayReady";
    const text = area.value.trim();
    const hint = place.querySelector("[data-hint]");
    if (hint.textContent !== place.dataset[said]) hint.textContent = place.dataset[said];
    for (const button of place.querySelectorAll("button")) button.disabled = !ready;
    place.querySelector("[data-copy]").dataset.copy = text;
    place.querySelector("[data-share]").dataset.shareText = text;
    const open = place.querySelector("[data-open]");
    if (!open) return;
    open.hidden = !ready;
    open.href = place.dataset.intent + encodeURIComponent(text);
  };

  document.addEventListener("input", (event) => {
    const place = event.target.closest("[data-words]");
    if (place) judge(place);
  });
  // pageshow: the browser brings back what was typed when one goes back
  window.addEventListener("pageshow", () => { for (const place of document.querySelectorAll("[data-words]")) judge(place); });
})();
