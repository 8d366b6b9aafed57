// Two dialogs: an action in two steps (reason, then confirm), and the list of shortcuts.

import { element, fill } from "./dom.mjs";
import { gateNow, page, post, ui } from "./gate.mjs";

const dialog = document.getElementById("action-dialog");
const shortcutDialog = document.getElementById("shortcut-dialog");
const answerLine = document.getElementById("answer");
let answerTimer = 0;

export function dialogOpen() {
  return dialog.open || shortcutDialog.open;
}

export function say(code, accepted) {
  answerLine.textContent = page.refusal[code] ?? `${page.refusal["EG-AUT-001"]} (${code})`;
  answerLine.className = accepted ? "answer" : "answer refused";
  answerLine.hidden = false;
  clearTimeout(answerTimer);
  answerTimer = setTimeout(() => { answerLine.hidden = true; }, accepted ? 4000 : 10000);
}

export async function send(action, target, reason) {
  const { body } = await post("/guard/actions", { action_id: crypto.randomUUID(), action, ...target, ...reason });
  say(body.code ?? "EG-AUT-019", body.accepted === true);
  return body;
}

export function askAction(action, target, about = "") {
  if (dialog.open) return;
  const actionId = crypto.randomUUID(); // one id for the whole dialog: however often it is sent, it happens once
  const choice = page.choices[action];
  const chosen = { code: "", text: "", lines: target.lines ?? [], day: "" };
  const correctsLines = action === "correct_reading";
  const addsDay = action === "correct_stay";
  const dayText = ui[target.stay_correction === "add_entry" ? "stay_day_of_entry" : "stay_day_of_exit"];
  let needsSecond = false;
  const title = fill(choice.title, { lane: target.lane_id, seal: target.seal_id ?? "" });

  function frame(step, content, buttons) {
    const problem = element("p", { class: "problem", role: "alert", hidden: true });
    dialog.replaceChildren(
      element("form", { novalidate: true, onsubmit: (event) => { event.preventDefault(); } },
        element("h2", { id: "action-title", text: title }),
        element("p", { class: "step", text: about === "" ? step : `${about} · ${step}` }),
        ...content, problem,
        element("div", { class: "buttons" }, ...buttons)),
    );
    return (code) => { problem.textContent = page.refusal[code] ?? code; problem.hidden = false; };
  }

  const cancel = () => element("button", { type: "button", class: "secondary", text: ui.cancel, onclick: () => dialog.close() });

  function stepOne() {
    const radios = choice.reasons.map((reason) =>
      element("label", { class: "choice" },
        element("input", { type: "radio", name: "reason", value: reason.code, checked: reason.code === chosen.code }), reason.text));
    const remark = element("textarea", { id: "remark", rows: "2", maxlength: "500", "aria-describedby": "remark-hint" });
    remark.value = chosen.text;
    const lines = element("textarea", { id: "printed-lines", class: "lines", rows: String(Math.max(2, chosen.lines.length)), maxlength: "200", spellcheck: "false", autocapitalize: "characters", dir: "ltr", "aria-describedby": "lines-hint" });
    lines.value = chosen.lines.join("\n");
    lines.setSelectionRange(0, 0);
    const day = element("input", { id: "stay-day", type: "date", value: chosen.day, max: new Date(gateNow()).toISOString().slice(0, 10), "aria-describedby": "stay-day-hint" });
    const complain = frame(ui.step_one, [
      ...(addsDay ? [element("label", { class: "label", for: "stay-day", text: dayText }), day, element("p", { class: "hint", id: "stay-day-hint", text: ui.stay_day_hint })] : []),
      ...(correctsLines ? [element("label", { class: "label", for: "printed-lines", text: ui.lines }), lines, element("p", { class: "hint", id: "lines-hint", text: ui.lines_hint })] : []),
      element("fieldset", {}, element("legend", { text: ui.choose_reason }), ...radios),
      element("label", { class: "label", for: "remark", text: ui.free_text }), remark,
      element("p", { class: "hint", id: "remark-hint", text: ui.free_text_hint }),
    ], [cancel(), element("button", { type: "submit", text: ui.continue })]);
    dialog.querySelector("form").addEventListener("submit", () => {
      const picked = dialog.querySelector("input[name=reason]:checked");
      chosen.code = picked === null ? "" : picked.value;
      chosen.text = remark.value.trim();
      chosen.day = day.value;
      chosen.lines = lines.value.toUpperCase().split(/\s+/).filter(Boolean);
      const reason = choice.reasons.find((one) => one.code === chosen.code);
      if (reason === undefined) complain("reason_unknown");
      else if (addsDay && (chosen.day === "") !== (reason.code === "record_of_nobody")) { complain("stay_day_needed"); day.focus(); }
      else if (reason.needs_text && chosen.text === "") { complain("text_needed"); remark.focus(); }
      else stepTwo();
    });
    (correctsLines ? lines : addsDay ? day : (dialog.querySelector("input[name=reason]:checked") ?? dialog.querySelector("input[name=reason]"))).focus();
  }

  function stepTwo() {
    const reason = choice.reasons.find((one) => one.code === chosen.code);
    const content = [element("dl", { class: "summary" },
      ...(correctsLines ? [element("dt", { text: ui.lines }), element("dd", {}, element("pre", { class: "mrz", text: chosen.lines.join("\n") }))] : []),
      ...(addsDay ? [element("dt", { text: dayText }), element("dd", { text: chosen.day === "" ? ui.stay_void : chosen.day })] : []),
      element("dt", { text: ui.choose_reason }), element("dd", { text: reason.text }),
      ...(chosen.text === "" ? [] : [element("dt", { text: ui.free_text }), element("dd", { text: chosen.text })]))];
    const secondId = element("input", { id: "second-id", autocomplete: "off", maxlength: "64" });
    const secondPassword = element("input", { id: "second-password", type: "password", autocomplete: "off", maxlength: "1024" });
    if (needsSecond) content.push(element("div", { class: "fields" }, element("h3", { text: ui.second_officer }),
      element("label", { for: "second-id", text: ui.officer_id }), secondId,
      element("label", { for: "second-password", text: ui.password }), secondPassword));
    const confirm = element("button", { type: "submit", text: `${ui.confirm}: ${choice.text}` });
    const complain = frame(ui.step_two, content, [cancel(), element("button", { type: "button", class: "secondary", text: ui.back, onclick: stepOne }), confirm]);
    dialog.querySelector("form").addEventListener("submit", async () => {
      if (confirm.getAttribute("aria-disabled") === "true") return;
      confirm.setAttribute("aria-disabled", "true");
      const { body } = await post("/guard/actions", {
        action_id: actionId, action, ...target, ...(correctsLines ? { lines: chosen.lines } : {}), ...(addsDay ? { stay_correction: chosen.day === "" ? "void" : target.stay_correction, stay_day: chosen.day } : {}), reason_code: chosen.code, reason_text: chosen.text,
        second_officer_id: secondId.value.trim(), second_password: secondPassword.value,
      });
      confirm.removeAttribute("aria-disabled");
      if (body.accepted) { dialog.close(); say(body.code, true); return; }
      if (body.code === "EG-AUT-020" && !needsSecond) { needsSecond = true; stepTwo(); return; }
      complain(body.code ?? "EG-AUT-019");
    });
    (needsSecond ? secondId : confirm).focus();
  }

  dialog.showModal();
  stepOne();
}

export function showShortcuts(list, enabled, setEnabled) {
  if (dialogOpen()) return;
  const box = element("input", { type: "checkbox", id: "shortcuts-on", checked: enabled, onchange: () => setEnabled(box.checked) });
  shortcutDialog.replaceChildren(
    element("h2", { id: "shortcut-title", text: ui.shortcuts_title }),
    element("dl", { class: "keys" }, ...list.flatMap(({ label, text }) => [element("dt", {}, element("kbd", { text: label })), element("dd", { text })])),
    element("label", { class: "choice" }, box, ui.shortcuts_on),
    element("div", { class: "buttons" }, element("button", { type: "button", text: ui.close, onclick: () => shortcutDialog.close() })),
  );
  shortcutDialog.showModal();
}
