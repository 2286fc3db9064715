// Reloads the parts of a page that say how far something is, until nothing says so any more.
"use strict";

const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

async function follow() {
  for (let part; (part = document.querySelector("[data-reload]")); ) {
    await wait(Number(part.dataset.reload));
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const next = page.querySelector("[data-reload]");
      if (!next) return location.reload();
      // Only what changed: the focus stays where it is, and a screen reader hears the new line alone.
      const [now, then] = [part, next].map((within) => within.querySelector("[role=status]"));
      if (now.textContent !== then.textContent) now.textContent = then.textContent;
    } catch {
      part.querySelector("[role=status]").textContent = "Gaebar does not answer. Is it still running? Trying again…";
      await wait(5000);
    }
  }
}

follow();
