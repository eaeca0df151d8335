// Keeps the stage alive: looks again every second, sends its forms without leaving, and counts down.
// Without this script the page works by its links and forms alone.

const stage = document.getElementById("stage");
const said = document.getElementById("said");
const EVERY = 1000;
const shown = new Map();
let offset = 0;
let busy = 0;

const regions = (root) => [...root.querySelectorAll("[data-region]")];

function remember() {
  shown.clear();
  for (const region of regions(stage)) shown.set(region.dataset.region, region.outerHTML);
}

function ticked(root) {
  return new Set([...root.querySelectorAll("input[name=seat]:checked")].map((one) => one.value));
}

function typed(root) {
  return [...root.querySelectorAll("input[id]:not([type=checkbox]), select[id]")].map((one) => [one.id, one.value]);
}

function swap(old, fresh, keep) {
  const seats = keep ? ticked(old) : new Set();
  const values = typed(old);
  const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
  old.replaceWith(fresh);
  for (const one of fresh.querySelectorAll("input[name=seat]")) one.checked = seats.has(one.value) && !one.disabled;
  for (const [id, value] of values) {
    const field = document.getElementById(id);
    if (field && fresh.contains(field)) field.value = value;
  }
  if (focused) (document.getElementById(focused) ?? fresh.querySelector("button"))?.focus({ preventScroll: true });
}

// Replaces what differs from what the server has said before; what a person is about to use stays as it is.
function show(root, { keep }) {
  const moment = root.querySelector("#stage-now");
  if (moment) offset = Date.parse(moment.dataset.now) - Date.now();
  const fresh = regions(root);
  if (fresh.map((one) => one.dataset.region).join() !== [...shown.keys()].join()) {
    stage.replaceChildren(...root.childNodes);
    remember();
    return;
  }
  for (const region of fresh) {
    const name = region.dataset.region;
    const html = region.outerHTML;
    const old = stage.querySelector(`[data-region="${name}"]`);
    if (html !== shown.get(name)) swap(old, document.importNode(region, true), keep);
    else if (!keep && name === "seats") for (const one of old.querySelectorAll("input:checked")) one.checked = false;
    shown.set(name, html);
  }
}

function parsed(html) {
  return new DOMParser().parseFromString(html, "text/html");
}

async function look() {
  if (document.hidden || busy) return;
  const answer = await fetch(stage.dataset.liveFrom, { headers: { accept: "text/html" }, redirect: "error" });
  if (answer.ok && !busy) show(parsed(await answer.text()).body, { keep: true });
}

async function loop() {
  try {
    await look();
    stage.classList.remove("stale");
  } catch {
    stage.classList.add("stale");
  }
  setTimeout(loop, EVERY);
}

function tell(text, kind) {
  said.textContent = text;
  said.className = `stage-said ${kind}`;
}

async function send(form, button) {
  busy += 1;
  button?.setAttribute("aria-busy", "true");
  tell("…", "");
  try {
    const body = new URLSearchParams(new FormData(form, button));
    const answer = await fetch(button?.getAttribute("formaction") ?? form.getAttribute("action"), { method: "POST", body });
    const page = parsed(await answer.text());
    const fresh = page.getElementById("stage");
    if (!answer.ok || !fresh) throw new Error();
    show(fresh, { keep: page.getElementById("said").classList.contains("bad") });
    const outcome = page.getElementById("said");
    said.replaceChildren(...outcome.childNodes);
    said.className = outcome.className;
  } catch {
    tell("That was not answered: reload the page, and sign in again if it asks you to.", "bad");
  } finally {
    busy -= 1;
    button?.removeAttribute("aria-busy");
  }
}

document.addEventListener("submit", (event) => {
  if (event.target.method !== "post" || !stage.contains(event.target)) return;
  event.preventDefault();
  send(event.target, event.submitter);
});

// Arrows move between the seats: by one, or by a row.
stage.addEventListener("keydown", (event) => {
  if (event.target.name !== "seat") return;
  const row = event.target.closest("fieldset").querySelectorAll("input").length;
  const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -row, ArrowDown: row }[event.key];
  if (!by) return;
  const all = [...stage.querySelectorAll("input[name=seat]")];
  let next = all.indexOf(event.target) + by;
  while (all[next]?.disabled) next += by;
  if (all[next]) {
    event.preventDefault();
    all[next].focus();
  }
});

function count() {
  for (const one of document.querySelectorAll("[data-until]")) {
    const left = Math.max(0, Math.round((Date.parse(one.dataset.until) - Date.now() - offset) / 1000));
    one.textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
  }
  requestAnimationFrame(() => setTimeout(count, 250));
}

offset = Date.parse(document.getElementById("stage-now").dataset.now) - Date.now();
remember();
count();
setTimeout(loop, EVERY);
