// One referral: first the two pictures and a question, without any verdict; then score, checks, reasons; then the decision.

import { checkGroups, renderGroups } from "./checks.mjs";
import { element, keyed, setText, svg } from "./dom.mjs";
import { page, post, ui } from "./gate.mjs";
import { corridorMark, showCorridor } from "./lanes.mjs";

const place = document.getElementById("referral-open");
let shown = null; // what the nodes below were built for: "<transaction>/<stage>"
let zoom = 1;

export function renderReferral(referral, isElsewhere, act) {
  const wanted = referral === null ? null : `${referral.transaction_id}/${referral.revealed}/${referral.actions}/${JSON.stringify(referral.pictures)}/${referral.frames ? referral.frames.pictures.length : 0}`;
  document.getElementById("referral-none").hidden = referral !== null || isElsewhere;
  place.hidden = referral === null;
  if (!isElsewhere) setText(document.getElementById("referral-title"), referral === null ? ui.recent : `${ui.referral} · ${referral.lane} · ${referral.direction_text} · ${referral.inside_text}`);
  const fresh = wanted !== shown;
  if (fresh) {
    const hadFocus = place.contains(document.activeElement);
    shown = wanted;
    place.replaceChildren();
    if (referral === null) return;
    place.append(referral.revealed ? stageTwo(referral, act) : stageOne(referral));
    if (hadFocus) document.getElementById("referral-title").focus();
  }
  if (referral !== null && referral.revealed) updateDetail(place.firstElementChild, referral);
}

// What an action is about; a correction of the printed lines begins with what the machine read.
export function target(referral, action) {
  const about = { lane_id: referral.lane_id, transaction_id: referral.transaction_id };
  return action === "correct_reading" ? { ...about, lines: referral.detail.document?.mrz ?? [] } : about;
}

export function zoomPictures() {
  zoom = (zoom % 3) + 1;
  for (const pair of place.querySelectorAll(".pair")) pair.className = `pair zoom-${zoom}`;
}

export async function assess(referral, answer) {
  if (referral === null || referral.revealed) return;
  await post(`/guard/referrals/${referral.transaction_id}/assessment`, { answer });
}

function picture(address, caption) {
  const crop = element("div", { class: "crop" });
  if (address === null) crop.append(element("span", { class: "soft", text: ui.no_picture }));
  else crop.append(element("img", { src: address, alt: caption }));
  return element("figure", {}, crop, element("figcaption", { text: caption }));
}

function pair(referral) {
  return element("div", { class: `pair zoom-${zoom}` }, picture(referral.pictures.probe, ui.live), picture(referral.pictures.reference, ui.portrait));
}

function stageOne(referral) {
  const answer = (name, key) =>
    element("button", { type: "button", "data-answer": name, "aria-keyshortcuts": key, onclick: () => assess(referral, name) }, `${ui[name]} `, element("kbd", { text: key }));
  return element(
    "div",
    { class: "stage-one" },
    pair(referral),
    element("p", { class: "question", text: ui.question }),
    element("div", { class: "answers", role: "group", "aria-label": ui.question }, answer("same", "1"), answer("different", "2"), answer("unsure", "3")),
    element("p", { class: "soft question-note", text: ui.reveal_note }),
  );
}

function scoreBar(score) {
  const x = (share) => String(share * 300);
  const bar = svg("svg", { viewBox: "0 0 300 18", preserveAspectRatio: "none", "aria-hidden": "true" });
  bar.append(svg("rect", { class: "track", x: "0", y: "3", width: "300", height: "12" }), svg("rect", { class: "level", x: "0", y: "5", width: x(score.level), height: "8" }));
  bar.append(svg("line", { class: "mark", x1: x(score.mark), x2: x(score.mark), y1: "0", y2: "18" }));
  return bar;
}

// Frames of the acquisition; a press puts one in the live picture's place, at the same size and zoom, another press takes it away.
function frames(referral) {
  if (referral.frames === null) return null;
  const choose = (button, address, text) => {
    const chosen = button.getAttribute("aria-pressed") !== "true";
    for (const other of place.querySelectorAll(".frames button")) other.setAttribute("aria-pressed", String(other === button && chosen));
    const live = place.querySelector(".pair figure");
    live.replaceWith(chosen ? picture(address, text) : picture(referral.pictures.probe, ui.live));
  };
  const frame = ({ address, text }) => {
    const button = element("button", { type: "button", "aria-pressed": "false", onclick: () => choose(button, address, text) }, element("img", { src: address, alt: text }));
    return element("li", {}, button);
  };
  return element("div", { class: "frames" }, element("h3", { text: referral.frames.title }), element("ol", { "aria-label": referral.frames.title }, ...referral.frames.pictures.map(frame)));
}

function stageTwo(referral, act) {
  const node = element("div", { class: "stage-two" });
  const parts = {
    answer: element("p", { class: "soft" }),
    score: element("div", { class: "score" }),
    attack: element("div", { class: "attack" }),
    record: element("p", { class: "soft made-with" }),
    reasons: element("ul", { class: "reasons" }),
    checks: checkGroups("h4"),
    worth: element("p", { class: "soft gaps" }),
    gaps: element("p", { class: "soft gaps" }),
    name: element("p", { class: "document-name", dir: "auto", tabindex: "0" }),
    line: element("p", { class: "number" }),
    dates: element("p", { class: "soft" }),
    mrz: element("pre", { class: "mrz", tabindex: "0", role: "group", "aria-label": ui.mrz }),
    corridor: corridorMark(),
    corridorReasons: element("span", { class: "soft" }),
  };
  node.parts = parts;
  const button = (action, className, key) =>
    referral.actions.includes(action)
      ? element(
          "button",
          { type: "button", class: className, "data-action": action, "aria-keyshortcuts": key, onclick: () => act(action, target(node.referral, action)) },
          `${page.choices[action].text}… `,
          element("kbd", { text: key.toUpperCase() }),
        )
      : null;
  node.append(
    element("div", { class: "left", tabindex: "0", role: "group", "aria-label": ui.pair }, pair(referral), parts.answer, parts.score),
    element(
      "div",
      { class: "right", tabindex: "0", role: "group", "aria-label": ui.checks },
      frames(referral),
      element("h3", { text: ui.reasons }),
      parts.reasons,
      parts.attack,
      element("h3", { text: ui.checks }),
      parts.checks,
      parts.worth,
      parts.gaps,
      parts.record,
      element("p", { class: "lane-row" }, element("span", { text: `${ui.customs_corridor}:` }), parts.corridor, parts.corridorReasons),
    ),
    element("div", { class: "paper" }, element("div", { class: "who" }, parts.name, parts.line, parts.dates), parts.mrz),
    element(
      "div",
      { class: "decide" },
      button("release", "", "r"),
      button("hand_over", "", "h"),
      button("correct_reading", "", "c"),
      element("button", { type: "button", class: "quiet spacer", "aria-keyshortcuts": "z", onclick: zoomPictures }, `${ui.zoom} `, element("kbd", { text: "Z" })),
    ),
  );
  return node;
}

function updateDetail(node, referral) {
  const { parts } = node;
  const { detail } = referral;
  node.referral = referral;
  setText(parts.answer, referral.assessment === null ? "" : ui.your_answer.replace("{answer}", ui[referral.assessment]));
  const scoreKey = JSON.stringify(detail.score);
  if (parts.score.dataset.key !== scoreKey) {
    parts.score.dataset.key = scoreKey;
    parts.score.replaceChildren(element("h3", { text: ui.score }));
    if (detail.score === null) parts.score.append(element("p", { text: ui.score_none }));
    else
      parts.score.append(
        element("p", {}, element("span", { class: "value number", text: detail.score.value_text }), ` ${detail.score.side_text}`),
        scoreBar(detail.score),
      );
  }
  setText(parts.record, detail.score === null ? "" : `${detail.score.record_text} · ${detail.score.made_with_text}`);
  const attackKey = JSON.stringify(detail.attack);
  if (parts.attack.dataset.key !== attackKey) {
    parts.attack.dataset.key = attackKey;
    parts.attack.hidden = detail.attack === null;
    if (detail.attack !== null) {
      parts.attack.className = detail.attack.suspected ? "attack suspected" : "attack";
      parts.attack.replaceChildren(element("h3", { text: detail.attack.title }), element("p", { text: detail.attack.text }));
    }
  }
  keyed(parts.reasons, detail.reasons, (reason) => reason, () => element("li"), (item, reason) => setText(item, reason));
  renderGroups(parts.checks, detail.groups);
  setText(parts.worth, detail.worth);
  setText(parts.gaps, detail.gaps);
  const { document: paper } = detail;
  setText(parts.name, paper === null ? ui.document_none : paper.name);
  setText(parts.line, paper === null ? "" : paper.line);
  setText(parts.dates, paper === null ? "" : paper.dates);
  setText(parts.mrz, paper === null ? "" : paper.mrz.join("\n"));
  parts.mrz.hidden = paper === null;
  showCorridor(parts.corridor, detail.corridor);
  setText(parts.corridorReasons, [...detail.corridor_reasons, detail.declaration, ...detail.seals].filter(Boolean).join(" · "));
}
