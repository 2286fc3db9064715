// Reloads the parts of a page that say how far something is, until nothing says so any more. Where a job is to be stepped, sends the
// form of its next step, again and again.
"use strict";

const SILENT = "Gaebar does not answer. Is it still running? Trying again…";

const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

async function follow() {
  for (let part; (part = document.querySelector("[data-reload]")); ) {
    await wait(Number(part.dataset.reload));
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const next = page.querySelector("[data-reload]");
      if (!next) return location.reload();
      say(part.querySelector("[role=status]"), next);
    } catch {
      part.querySelector("[role=status]").textContent = SILENT;
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
      if (!next.hasAttribute("data-steps")) return arrive(job, next);
      update(job, next);
    } catch {
      status.textContent = SILENT;
      await wait(2000);
    }
  }
}

// A screen reader hears what is new, and nothing twice.
function say(status, next) {
  const text = next.querySelector("[role=status]").textContent;
  if (status.textContent !== text) status.textContent = text;
}

// Puts in what changed, and leaves forms alone, so that the focus stays where it is.
function update(now, next) {
  say(now.querySelector("[role=status]"), next);
  for (const part of [".so-far", "table.chart", "ol.log", "section .hint"]) {
    const [from, to] = [next.querySelector(part), now.querySelector(part)];
    if (from && to) to.replaceWith(from);
    else if (from) now.querySelector("section").before(from);
    else if (to) to.remove();
  }
}

// Somebody is asked now, or all is done: the whole is put in around the line that says so.
function arrive(now, next) {
  const status = now.querySelector("[role=status]");
  const hadFocus = now.contains(document.activeElement);
  say(status, next);
  next.querySelector("[role=status]").remove();
  while (status.nextSibling) status.nextSibling.remove();
  status.after(...next.childNodes);
  now.removeAttribute("data-steps");
  if (hadFocus) document.querySelector("main").focus();
}

follow();
steps();
