// Reloads the parts of a page that say how far something is, until nothing says so any more. Where a job is to be stepped, sends the
// form of its next step, again and again.
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

async function steps() {
  for (let job; (job = document.querySelector("#job[data-steps]")); ) {
    const form = job.querySelector("#step");
    const status = job.querySelector("[role=status]");
    form.hidden = true;
    try {
      const body = new URLSearchParams(new FormData(form));
      let answer = await fetch(form.action, { method: "POST", body, headers: { accept: "text/html" } });
      if (answer.status === 409) {
        // Another tab or process is at it: look on.
        await wait(1000);
        answer = await fetch(location.href, { headers: { accept: "text/html" } });
      } else if (answer.status === 403 || answer.status === 401) {
        // Gaebar was started anew, and gives out new forms.
        return location.reload();
      }
      if (answer.status === 429 || answer.status === 503) {
        status.textContent = "Gaebar has too much to do. Trying again…";
        await wait(5000);
        continue;
      }
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const next = page.querySelector("#job");
      if (!next) {
        // What it says stays there, and whoever reads it asks for the next step.
        job.removeAttribute("data-steps");
        form.hidden = false;
        status.textContent = (page.querySelector("main") ?? page.body).textContent.trim();
        return;
      }
      if (!next.hasAttribute("data-steps")) return location.reload();
      update(job, next);
    } catch {
      status.textContent = "Gaebar does not answer. Is it still running? Trying again…";
      await wait(2000);
    }
  }
}

// Puts in what changed, and leaves forms alone, so that the focus stays where it is.
function update(now, next) {
  const text = next.querySelector("[role=status]").textContent;
  now.querySelector("[role=status]").textContent = text;
  for (const part of ["table.chart", "ol.log", "section .hint"]) {
    const [from, to] = [next.querySelector(part), now.querySelector(part)];
    if (from && to) to.replaceWith(from);
    else if (from) now.querySelector("section").before(from);
  }
}

follow();
steps();
