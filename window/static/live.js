// Fetches the page again when the server says that something has moved, and puts in what has changed.
const liveness = document.getElementById("liveness");
let fetching = false;
let again = false;

function say(words) {
  if (liveness && liveness.textContent !== words) liveness.textContent = words;
}

async function refresh() {
  if (fetching) { again = true; return; }
  fetching = true;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok || answer.redirected) throw new Error(answer.statusText);
    put(new DOMParser().parseFromString(await answer.text(), "text/html"));
    say(" · live");
  } catch {
    say(" · out of date: the window does not answer");
  } finally {
    fetching = false;
    if (again) { again = false; setTimeout(refresh, 200); }
  }
}

function put(page) {
  for (const old of document.querySelectorAll("[data-live]")) {
    const fresh = page.getElementById(old.id);
    if (!fresh || fresh.outerHTML === old.outerHTML) continue;
    if (old.contains(document.activeElement) && old.querySelector("input:focus, select:focus, textarea:focus")) continue;
    const focused = old.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    const scrolled = [...old.querySelectorAll(".scroll")].map((one) => one.scrollLeft);
    const current = document.querySelector("[data-event][aria-current]")?.dataset.event;
    old.replaceWith(fresh);
    fresh.querySelectorAll(".scroll").forEach((one, index) => { one.scrollLeft = scrolled[index] ?? 0; });
    if (current) for (const one of fresh.querySelectorAll(`[data-event="${CSS.escape(current)}"]`)) one.setAttribute("aria-current", "true");
    if (focused) fresh.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus();
  }
}

export function follow(address) {
  const source = new EventSource(address);
  source.addEventListener("moved", refresh);
  source.addEventListener("over", () => { source.close(); say(""); });
  source.addEventListener("error", () => {
    say(source.readyState === EventSource.CLOSED ? " · not live: load the page again" : " · reconnecting");
  });
  source.addEventListener("open", () => say(" · live"));
}
