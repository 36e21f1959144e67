// Keeps an open page up to date. Everything works without this file: it fetches
// the page again when the daemon says that something changed, and exchanges the
// marked parts that differ. It leaves alone what is being used.
(() => {
  "use strict";
  const place = document.querySelector("[data-live]");
  if (!place || !document.querySelector("nav") || !window.EventSource || !window.fetch) return;

  const button = document.createElement("button");
  button.type = "button";
  let stream = null, paused = false, busy = false, again = false;

  const say = (text) => { button.textContent = text; button.setAttribute("aria-pressed", String(!paused)); };

  const inUse = (part) => part.contains(document.activeElement) && part !== document.activeElement
    || !getSelection().isCollapsed && part.contains(getSelection().anchorNode);

  async function refresh() {
    if (busy) { again = true; return; }
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { "X-Live": "1" }, credentials: "same-origin", redirect: "error" });
      if (answer.status === 401) { stop(); say("Signed out"); return; }
      if (!answer.ok) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of document.querySelectorAll("[data-part]")) {
        const next = fresh.querySelector(`[data-part="${CSS.escape(part.dataset.part)}"]`);
        if (!next || inUse(part)) continue;
        part.querySelectorAll("details").forEach((d, i) => { const n = next.querySelectorAll("details")[i]; if (n) n.open = d.open; });
        if (!part.isEqualNode(next)) part.replaceWith(document.adoptNode(next));
      }
      document.documentElement.dataset.refreshed = String(Number(document.documentElement.dataset.refreshed || 0) + 1);
    } catch { /* the daemon is away; the stream says so */ } finally {
      busy = false;
      if (again) { again = false; setTimeout(refresh, 500); }
    }
  }

  function start() {
    stream = new EventSource("/live");
    stream.addEventListener("change", () => { if (!document.hidden) refresh(); else again = true; });
    stream.onopen = () => say("Live");
    stream.onerror = () => say("Reconnecting");
  }
  function stop() { if (stream) stream.close(); stream = null; }

  button.title = "Whether this page keeps itself up to date";
  button.addEventListener("click", () => {
    paused = !paused;
    if (paused) { stop(); say("Live updates off"); } else { say("Live"); start(); refresh(); }
  });
  document.addEventListener("visibilitychange", () => { if (!document.hidden && again) { again = false; refresh(); } });
  addEventListener("pagehide", stop);
  addEventListener("pageshow", (e) => { if (e.persisted && !paused) start(); });
  place.replaceWith(button);
  say("Connecting");
  start();
})();
