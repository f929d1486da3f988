/* Saves the answers of a quiz as they are given: <form data-autosave="address"> with a hidden field `seq` that counts up.
   A window that another one has overtaken gets 409 and says so. Without JavaScript the form is simply handed in. */
"use strict";
(() => {
  const form = document.querySelector("form[data-autosave]");
  if (!form) return;
  const said = document.getElementById("save-state");
  const stale = document.getElementById("save-stale");
  const WAIT_MS = 900;
  const AGAIN_MS = 5000;
  let timer = 0;
  let running = false;
  let changed = false;
  let ended = false;

  const stop = () => {
    ended = true;
    said.textContent = "";
    stale.hidden = false;
    stale.scrollIntoView({ block: "nearest" });
  };

  const save = async () => {
    if (ended || running) return;
    running = true;
    changed = false;
    let failed = false;
    form.elements.seq.value = Number(form.elements.seq.value) + 1; // before it is sent: handing in meanwhile counts as later
    said.textContent = said.dataset.saving;
    try {
      const answer = await fetch(form.dataset.autosave, {
        method: "POST", body: new URLSearchParams(new FormData(form)), credentials: "same-origin", redirect: "error",
      });
      if (answer.status === 409) return stop();
      if (!answer.ok) throw new Error(String(answer.status));
      const time = new Date().toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit" });
      said.textContent = said.dataset.saved.replace("{time}", time);
    } catch {
      failed = true;
      said.textContent = said.dataset.failed;
    } finally {
      running = false;
      if ((changed || failed) && !ended) plan(failed ? AGAIN_MS : WAIT_MS);
    }
  };

  const plan = (wait) => {
    clearTimeout(timer);
    timer = setTimeout(save, wait);
  };

  form.addEventListener("input", () => { changed = true; plan(WAIT_MS); });
  form.addEventListener("submit", () => { ended = true; clearTimeout(timer); });
  window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); }); // the back button shows what is saved

  const left = document.getElementById("time-left");
  if (!left) return;
  const ends = performance.now() + Number(left.dataset.seconds) * 1000;
  const thresholds = [10, 5, 1];
  const announce = (words) => { document.getElementById("announcer").textContent = words; };
  const tick = () => {
    const minutes = Math.ceil((ends - performance.now()) / 60000);
    if (minutes <= 0) {
      left.textContent = left.dataset.over;
      announce(left.dataset.over);
      clearInterval(clock);
      return;
    }
    left.textContent = minutes === 1 ? left.dataset.one : left.dataset.words.replace("{minutes}", minutes);
    if (thresholds.length && minutes <= thresholds[0]) {
      while (thresholds.length && minutes <= thresholds[0]) thresholds.shift();
      announce(left.textContent);
    }
  };
  const clock = setInterval(tick, 5000);
  tick();
})();
