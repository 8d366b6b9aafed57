// The supervisor's table of counted error rates; it is empty, and hidden, on every other officer's page.

import { element, keyed, setText } from "./dom.mjs";

const at = (id) => document.getElementById(id);

export function renderRates(rates) {
  at("rates").hidden = rates === null;
  setText(at("rates-title"), rates?.title ?? "");
  keyed(at("rates-rows"), rates?.rows ?? [], (row) => row.lane_id, create, update);
}

function create() {
  const parts = {
    lane: element("th", { scope: "row" }),
    nonMatch: element("td", { class: "number" }),
    match: element("span", { class: "number" }),
    verdict: element("strong"),
    failure: element("td", { class: "number" }),
    groups: element("td"),
  };
  const node = element("tr", {}, parts.lane, parts.nonMatch, element("td", {}, parts.match, " ", parts.verdict), parts.failure, parts.groups);
  node.parts = parts;
  return node;
}

function update(node, row) {
  const { parts } = node;
  node.classList.toggle("above", row.is_above);
  setText(parts.lane, row.lane);
  setText(parts.nonMatch, row.non_match);
  setText(parts.match, row.match);
  setText(parts.verdict, row.verdict);
  setText(parts.failure, row.failure);
  parts.groups.replaceChildren(...row.groups.map((text) => element("p", { text })));
}
