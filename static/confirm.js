/* Asks before a form is sent. On the form or the pressed button: data-confirm="question", data-confirm-yes="label",
   data-confirm-about="#id of an element whose text says what it concerns". Without JavaScript the form is simply sent. */
"use strict";
(() => {
  let agreed = null; // the form whose question was just answered with yes

  const element = (name, properties) => Object.assign(document.createElement(name), properties);

  const build = (ask) => {
    const dialog = element("dialog", {});
    const title = element("h2", { textContent: ask.confirm, id: "confirm-question" });
    const about = ask.confirmAbout && document.querySelector(ask.confirmAbout);
    const buttons = element("form", { method: "dialog", className: "btn-list" });
    const no = element("button", { className: "btn", textContent: document.body.dataset.wordCancel, value: "no" });
    const yes = element("button", { className: "btn btn-primary", value: "yes" });
    yes.textContent = ask.confirmYes || document.body.dataset.wordYes;
    if (ask.confirmDanger !== undefined) yes.className = "btn btn-danger";
    buttons.append(no, yes);
    dialog.setAttribute("aria-labelledby", title.id);
    dialog.append(title);
    const lines = about ? about.innerText.split("\n").filter((line) => line.trim()) : [];
    dialog.append(...lines.map((line) => element("p", { textContent: line, className: "mb-1" })));
    dialog.append(buttons);
    return dialog;
  };

  document.addEventListener("submit", (event) => {
    const form = event.target;
    const source = event.submitter?.dataset.confirm ? event.submitter : form;
    if (!source.dataset.confirm) return;
    if (agreed === form) { agreed = null; return; }
    event.preventDefault();
    event.stopImmediatePropagation();
    const dialog = build(source.dataset);
    document.body.append(dialog);
    dialog.addEventListener("close", () => {
      const yes = dialog.returnValue === "yes";
      dialog.remove();
      if (!yes) return;
      agreed = form;
      form.requestSubmit(event.submitter);
      agreed = null; // the browser may have refused the form before the event
    });
    dialog.showModal();
  }, true);
})();
