// Refreshes the page: shows the age of times, and replaces only what changed. The page works without this file.
"use strict";

(() => {
  const REFRESH_MS = 5000;
  const TIMEOUT_MS = 20000;
  const seen = new Map();

  const live = (root) => root.querySelectorAll("[data-live][id]");

  function age(seconds) {
    if (seconds < 2) return "just now";
    for (const [limit, unit, size] of [[120, "s", 1], [7200, "min", 60], [172800, "h", 3600]]) {
      if (seconds < limit) return `${Math.floor(seconds / size)} ${unit} ago`;
    }
    return `${Math.floor(seconds / 86400)} d ago`;
  }

  function showAges(root) {
    for (const time of root.querySelectorAll("time[datetime]")) {
      if (!time.title) time.title = time.textContent;
      const text = age((Date.now() - Date.parse(time.dateTime)) / 1000);
      if (time.textContent !== text) time.textContent = text;
    }
  }

  function busy(element) {
    const selection = document.getSelection();
    const selecting = selection && !selection.isCollapsed && element.contains(selection.anchorNode);
    return selecting || (element.contains(document.activeElement) && document.activeElement !== element);
  }

  function replace(element, fresh) {
    const open = new Set([...element.querySelectorAll("details[open][id]")].map((one) => one.id));
    const scrolled = [...element.querySelectorAll(".scroll")].map((one) => one.scrollLeft);
    element.replaceChildren(...fresh.childNodes);
    element.className = fresh.className;
    for (const details of element.querySelectorAll("details[id]")) details.open = open.has(details.id);
    element.querySelectorAll(".scroll").forEach((one, index) => { one.scrollLeft = scrolled[index] || 0; });
    showAges(element);
  }

  async function refresh() {
    const response = await fetch(location.href, { signal: AbortSignal.timeout(TIMEOUT_MS), cache: "no-store" });
    if (!response.ok) throw new Error(String(response.status));
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    const mine = [...live(document)].map((one) => one.id).join();
    if (mine !== [...live(fresh)].map((one) => one.id).join()) {
      if (!busy(document.getElementById("main"))) {
        document.getElementById("main").replaceChildren(...fresh.getElementById("main").childNodes);
        seen.clear();
        remember();
        showAges(document);
      }
      return;
    }
    for (const element of live(document)) {
      const other = fresh.getElementById(element.id);
      const html = other.innerHTML;
      if (seen.get(element.id) !== html && !busy(element)) {
        seen.set(element.id, html);
        replace(element, other);
      }
    }
  }

  function remember() {
    for (const element of live(document)) seen.set(element.id, element.innerHTML);
  }

  const status = document.getElementById("live");
  let failed = false;

  async function keepFresh() {
    if (!document.hidden) {
      try {
        await refresh();
        if (failed) status.textContent = "· the exporter answers again";
        failed = false;
      } catch {
        if (!failed) status.textContent = "· the exporter does not answer: this page is out of date";
        failed = true;
      }
    }
    setTimeout(keepFresh, REFRESH_MS);
  }

  remember();
  showAges(document);
  setInterval(() => showAges(document), 1000);
  setTimeout(keepFresh, REFRESH_MS);

  document.addEventListener("keydown", (event) => {
    const typing = /^(input|textarea|select)$/i.test(event.target.tagName);
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      document.getElementById("q").focus();
    }
  });
})();
