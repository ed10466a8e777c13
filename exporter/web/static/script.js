// Refreshes the page: shows the age of times, replaces only what changed, and adds buttons that copy records.
// The page works without this file.
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

  function clock(date) {
    const format = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
    if (date.toDateString() !== new Date().toDateString()) Object.assign(format, { day: "numeric", month: "short" });
    return date.toLocaleString("en-GB", format);
  }

  function showAges(root) {
    for (const time of root.querySelectorAll("time[datetime]")) {
      if (!time.title) time.title = time.textContent;
      const date = new Date(time.dateTime);
      const ago = age((Date.now() - date) / 1000);
      const text = { at: `${clock(date)}, ${ago}`, before: clock(date) }[time.className] || ago;
      if (time.textContent !== text) time.textContent = text;
    }
  }

  function copy(text) {
    if (navigator.clipboard) return navigator.clipboard.writeText(text);
    const area = document.createElement("textarea");  // over plain HTTP there is no clipboard object
    area.value = text;
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    return copied ? Promise.resolve() : Promise.reject(new Error("not copied"));
  }

  function addCopyButtons(root) {
    for (const element of root.querySelectorAll(".copyable")) {
      if (element.querySelector("button")) continue;
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = "Copy";
      button.addEventListener("click", (event) => {
        if (event.detail) button.blur();  // a part of the page with the focus in it is not refreshed
        copy(element.firstElementChild.textContent.trim()).then(
          () => { button.textContent = "Copied"; },
          () => { button.textContent = "Select and copy by hand"; },
        );
      });
      element.append(button);
    }
  }

  function dress(root) {
    showAges(root);
    addCopyButtons(root);
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
    dress(element);
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
        dress(document);
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
  dress(document);
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
