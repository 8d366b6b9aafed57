// The post's fallback: the banner while it stands or its end has not reached every gate, and the button that orders either.

import { element, keyed, setText } from "./dom.mjs";
import { page } from "./gate.mjs";

const at = (id) => document.getElementById(id);
const WHOLE_POST = { lane_id: 0 };

export function orderFallback(fallback, act) {
  if (fallback != null && fallback.action !== null) act(fallback.action, WHOLE_POST);
}

export function renderFallback(fallback, act) {
  const banner = at("fallback");
  banner.hidden = !fallback.shown;
  banner.classList.toggle("urgent", fallback.stands);
  setText(at("fallback-text"), fallback.text);
  setText(at("fallback-by"), fallback.by);
  keyed(at("fallback-lines"), fallback.lines, (line) => line.text, () => element("li"), (node, line) => {
    node.className = `gates-${line.state}`;
    setText(node, line.text);
  });
  showAct(at("fallback-end"), fallback.stands ? fallback : null, act);
  showAct(at("fallback-begin"), fallback.stands ? null : fallback, act);
}

function showAct(button, fallback, act) {
  button.hidden = fallback === null || fallback.action === null;
  if (button.hidden) return;
  setText(button, page.choices[fallback.action].text);
  button.title = page.choices[fallback.action].title;
  button.onclick = () => orderFallback(fallback, act);
}
