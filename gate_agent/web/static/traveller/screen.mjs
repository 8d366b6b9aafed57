// Traveller's screen: shows what the gate says now, and says so itself when it no longer hears the gate.

const STALE_AFTER_MS = 4500;
const lane = document.body.dataset.lane;
const at = (id) => document.getElementById(id);
let frame = null;
let frameAt = 0;
let heardAt = performance.now();
let stale = false;

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text; // unchanged words are not announced again
}

function draw() {
  if (frame === null) return;
  const cut = stale;
  document.documentElement.lang = frame.language;
  document.documentElement.dir = frame.direction;
  document.documentElement.className = cut ? "closed" : frame.layout;
  document.title = `${frame.title} · ${frame.lane}`;
  setText(at("lane"), frame.lane);
  setText(at("title"), cut ? frame.ui.not_connected : frame.title);
  setText(at("detail"), cut ? frame.ui.not_connected_detail : frame.detail);
  at("lane_hint").hidden = cut || frame.lane_hint === "";
  setText(at("lane_hint").querySelector("span"), frame.lane_hint);
  const picture = `/static/traveller/pictograms.svg#${cut ? "lane_closed" : frame.pictogram}`;
  const use = at("pictogram").firstElementChild;
  if (use.getAttribute("href") !== picture) use.setAttribute("href", picture);
  const share = at("share");
  share.hidden = cut || frame.read_percent === null;
  share.value = frame.read_percent ?? 0;
  const step = cut ? 0 : frame.step;
  at("marks").hidden = step === 0;
  [...at("marks").children].forEach((mark, index) => {
    mark.className = index + 1 < step ? "done" : index + 1 === step ? "now" : "";
  });
  setText(at("progress"), cut ? "" : frame.progress);
  at("nothing").hidden = cut || !frame.nothing_to_declare;
  at("more").hidden = cut || !frame.more_time;
  at("print").hidden = cut || !frame.print;
  at("paper").hidden = cut || frame.paper === "";
  setText(at("paper"), frame.paper);
  setText(at("print").querySelector("button"), frame.ui.print);
  at("skip").hidden = cut || !frame.skip;
  at("speech").hidden = cut || (frame.speech !== "off" && frame.speech !== "on");
  at("speech").querySelector("button").setAttribute("aria-pressed", String(frame.speech === "on"));
  setText(at("speech").querySelector("span"), frame.ui.speech);
  at("speech_note").hidden = cut || frame.speech_note === "";
  setText(at("speech_note"), frame.speech_note);
  setText(at("nothing").querySelector("button"), frame.ui.nothing_to_declare);
  setText(at("more").querySelector("span"), frame.ui.more_time);
  setText(at("skip").querySelector("button"), frame.ui.skip);
  setText(at("staffed"), frame.ui.staffed_lane);
  setText(at("help").querySelector("span"), frame.ui.help);
  for (const button of document.querySelectorAll(".languages button")) {
    if (button.value === frame.language) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
  drawReceipt(cut ? [] : frame.receipt, cut ? "" : frame.receipt_qr, frame.ui.take_receipt);
  tick();
}

function drawReceipt(lines, code, caption) {
  at("receipt").hidden = lines.length === 0 && code === "";
  const picture = at("code").querySelector("img");
  at("code").hidden = code === "";
  if (code === "") picture.removeAttribute("src");
  else if (picture.getAttribute("src") !== code) picture.src = code;
  picture.alt = caption;
  setText(at("code").querySelector("figcaption"), caption);
  const list = at("receipt").firstElementChild;
  list.replaceChildren(
    ...lines.map(({ name, value }) => {
      const line = document.createElement("div");
      const term = document.createElement("dt");
      const text = document.createElement("dd");
      text.dir = "auto"; // a number or a reference keeps its order between words that run from right to left
      term.textContent = name;
      text.textContent = value;
      line.append(term, text);
      return line;
    }),
  );
}

function tick() {
  if (frame === null || frame.remaining_s === null) return;
  const left = Math.max(0, Math.round(frame.remaining_s - (performance.now() - frameAt) / 1000));
  setText(at("remaining"), frame.remaining_pattern.replace("{seconds}", String(left).replace(/\d/g, (digit) => frame.digits[digit])));
}

function heard() {
  heardAt = performance.now();
  if (stale) {
    stale = false;
    draw();
  }
}

function open() {
  const source = new EventSource(`/lane/${lane}/events`);
  source.onmessage = (event) => {
    frame = JSON.parse(event.data);
    frameAt = heardAt = performance.now();
    stale = false;
    draw();
  };
  source.addEventListener("beat", heard);
  source.onerror = () => {
    if (source.readyState !== EventSource.CLOSED) return;
    setTimeout(open, 1000);
  };
}

for (const form of document.querySelectorAll("form")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const body = new URLSearchParams(new FormData(form));
    body.set(event.submitter.name, event.submitter.value);
    try {
      await fetch(form.action, { method: "POST", headers: { Accept: "application/json" }, body });
    } catch {
      stale = true; // the answer comes as a new frame; without a gate the page says that it is not working
      draw();
    }
  });
}

setInterval(() => {
  if (!stale && performance.now() - heardAt > STALE_AFTER_MS) {
    stale = true;
    if (frame === null) location.reload(); // never heard a frame: the server's own page says what is wrong
    draw();
  }
  tick();
}, 250);
open();
