// Keeps the page fresh and gives it keys. Without it the page works and is loaded anew every half minute.
"use strict";
(() => {
  const EVERY = 10_000;
  const rows = () => [...document.querySelectorAll("[data-row] th a")];
  const typing = () => document.activeElement?.matches("input, textarea, select");

  async function refresh() {
    if (document.hidden || typing()) return;
    let fresh;
    try {
      const response = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
      if (!response.ok) throw new Error(`${response.status}`);
      fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    } catch {
      stale();
      return;
    }
    if (typing()) return;
    // What was opened stays open, what had the focus keeps it.
    const open = new Set([...document.querySelectorAll("details[open]")].map((one) => one.id));
    const focus = document.activeElement?.getAttribute("href");
    for (const one of fresh.querySelectorAll("details")) one.open = open.has(one.id);
    for (const part of ["main", "#fresh", "footer"]) {
      const [old, now] = [document.querySelector(part), fresh.querySelector(part)];
      if (old && now) old.replaceWith(document.adoptNode(now));
    }
    if (focus) [...document.querySelectorAll("main a")].find((a) => a.getAttribute("href") === focus)?.focus({ preventScroll: true });
  }

  function stale() {
    const fresh = document.querySelector("#fresh");
    if (fresh && !fresh.dataset.stale) {
      fresh.dataset.stale = "yes";
      fresh.append(" (the daemon does not answer)");
    }
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (typing()) {
      if (event.key === "Escape") document.activeElement.blur();
      return;
    }
    const all = rows();
    const at = all.indexOf(document.activeElement);
    if (event.key === "j") all[Math.min(at + 1, all.length - 1)]?.focus();
    else if (event.key === "k") all[Math.max(at - 1, 0)]?.focus();
    else if (event.key === "/") document.querySelector("#q")?.focus();
    else if (event.key === "u") document.querySelector("#up")?.click();
    else return;
    event.preventDefault();
  });
  document.addEventListener("change", (event) => {
    if (event.target.name === "span") event.target.form.submit();
  });
  document.addEventListener("visibilitychange", refresh);
  setInterval(refresh, EVERY);
})();
