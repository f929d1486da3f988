/* Copy and share. <button data-copy="text"> copies and says so; <button data-share data-share-url data-share-title
   data-share-text> opens the share sheet. Both are hidden where the browser cannot (theme.css). */
"use strict";
(() => {
  const announce = (text) => {
    const live = document.getElementById("announcer");
    if (!live) return;
    live.textContent = "";
    requestAnimationFrame(() => { live.textContent = text; }); // emptied first, so that the same words are said again
  };

  const copyOldWay = (text) => { // plain http on a name other than localhost has no clipboard
    const area = document.createElement("textarea");
    area.className = "visually-hidden";
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  };

  const copy = async (text) => {
    if (!navigator.clipboard) return copyOldWay(text);
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      return copyOldWay(text);
    }
  };

  const confirmOn = (button, said) => {
    button.dataset.copyLabel ??= button.textContent;
    button.textContent = said;
    setTimeout(() => { button.textContent = button.dataset.copyLabel; }, 2000);
    button.focus();
    announce(said);
  };

  document.addEventListener("click", async (event) => {
    const copier = event.target.closest("[data-copy]");
    const sharer = event.target.closest("[data-share]");
    if (copier) {
      event.preventDefault();
      const words = document.body.dataset;
      confirmOn(copier, (await copy(copier.dataset.copy)) ? words.wordCopied : words.wordNotCopied);
    }
    if (sharer) {
      event.preventDefault();
      const { shareUrl: url, shareTitle: title, shareText: text } = sharer.dataset;
      navigator.share({ url, title, text }).catch(() => {}); // the reader closed the sheet
    }
  });
})();
