// What pages do beyond links and forms. Each works without it.
import { follow } from "./live.js";

const stream = document.querySelector("[data-stream]")?.dataset.stream;
if (stream) follow(stream);

// An event is shown beside the timeline.
document.addEventListener("click", async (click) => {
  const link = click.target.closest?.("[data-event]");
  const beside = document.querySelector("aside#event");
  if (!link || !beside || click.metaKey || click.ctrlKey || click.shiftKey) return;
  click.preventDefault();
  const path = link.getAttribute("href");
  try {
    const answer = await fetch(path);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const shown = page.getElementById("event-shown");
    if (!shown) throw new Error("no event in it");
    beside.replaceChildren(shown);
  } catch {
    location.assign(path);
    return;
  }
  for (const other of document.querySelectorAll("[data-event][aria-current]")) other.removeAttribute("aria-current");
  for (const same of document.querySelectorAll(`[data-event="${CSS.escape(link.dataset.event)}"]`)) same.setAttribute("aria-current", "true");
  if (matchMedia("(max-width: 1099px)").matches) beside.scrollIntoView({ block: "nearest" });
});

// Links to copies put them on the clipboard.
document.addEventListener("click", async (click) => {
  const link = click.target.closest?.("[data-copy]");
  if (!link || !navigator.clipboard || click.metaKey || click.ctrlKey) return;
  click.preventDefault();
  const name = link.textContent;
  try {
    const answer = await fetch(link.href);
    await navigator.clipboard.writeText(await answer.text());
    link.textContent = "Copied";
  } catch {
    location.assign(link.href);
    return;
  }
  setTimeout(() => { link.textContent = name; }, 1500);
});

// One box to check all.
document.addEventListener("change", (change) => {
  const all = change.target.closest?.("[data-all]");
  if (!all) return;
  for (const box of all.form.querySelectorAll("input[name=id]")) box.checked = all.checked;
});
