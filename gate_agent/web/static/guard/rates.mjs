// The supervisor's table of counted error rates; it is empty, and hidden, on every other officer's page.

import { element, keyed, setText } from "./dom.mjs";

const at = (id) => document.getElementById(id);
const RATES = ["non_match", "match", "failure"];

export function renderRates(rates) {
  at("rates").hidden = rates === null;
  setText(at("rates-title"), rates?.title ?? "");
  keyed(at("rates-rows"), rates?.rows ?? [], (row) => row.lane_id, create, update);
}

function create(row) {
  const parts = { verdict: element("p", { class: "verdict" }), groups: element("td", { class: "groups" }) };
  const node = element("tr", {}, element("th", { scope: "row", class: "number", text: String(row.lane_id) }));
  for (const name of RATES) {
    parts[name] = { value: element("strong", { class: "number" }), bounds: element("span", { class: "soft number" }) };
    const cell = element("td", {}, element("p", {}, parts[name].value), element("p", {}, parts[name].bounds));
    if (name === "match") cell.append(parts.verdict);
    node.append(cell);
  }
  node.append(parts.groups);
  node.parts = parts;
  return node;
}

function update(node, row) {
  const { parts } = node;
  node.classList.toggle("above", row.is_above);
  for (const name of RATES) {
    setText(parts[name].value, row[name].value);
    setText(parts[name].bounds, row[name].bounds);
  }
  setText(parts.verdict, row.verdict);
  parts.groups.replaceChildren(...row.groups.map((text) => element("p", { text })));
}
