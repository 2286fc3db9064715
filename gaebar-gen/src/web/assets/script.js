// Looks again at what goes on by itself, until it has ended. Where a job is to be stepped, sends the form of its next step, again and
// again.
"use strict";

const SILENT = "Gaebar does not answer. Is it still running? Trying again…";
const BUSY = "Gaebar has too much to do. Trying again…";
// Where it is noted that a page was loaded anew because its form was refused.
const RELOADED = `reloaded ${location.pathname}`;

const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

// Asks for a page, or sends a form.
async function ask(address, form) {
  const sent = form && { method: "POST", body: new URLSearchParams(new FormData(form)) };
  const answer = await fetch(address, { ...sent, headers: { accept: "text/html" } });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  return { code: answer.status, page };
}

const isBusy = (code) => code === 429 || code === 503;

// What a page says that is not the one that was hoped for.
function told(page) {
  const lines = [...page.querySelectorAll(".problem p")].map((line) => line.textContent);
  return lines.join(" ") || (page.querySelector("main") ?? page.body).textContent.trim();
}

async function follow() {
  for (let part; (part = document.querySelector("[data-reload]")); ) {
    const status = part.querySelector("[role=status]");
    await wait(Number(part.dataset.reload));
    try {
      const { code, page } = await ask(location.href);
      const next = page.getElementById(part.id);
      if (!next && isBusy(code)) {
        status.textContent = BUSY;
        await wait(5000);
      } else if (!next) {
        return location.reload();
      } else if (next.hasAttribute("data-reload")) {
        update(part, next);
      } else {
        return arrive(part, next);
      }
    } catch {
      status.textContent = SILENT;
      await wait(5000);
    }
  }
}

async function steps() {
  let [shown, refused] = [0, 0];
  for (let job; (job = document.querySelector("#job[data-steps]")); ) {
    const form = job.querySelector("#step");
    const status = job.querySelector("[role=status]");
    form.hidden = true;
    try {
      let answer = await ask(form.action, form);
      let others;
      if (answer.code === 409) {
        // Another tab or process is at it: look on. Who it is is told once it takes them a while.
        refused += 1;
        if (refused > 1) others = told(answer.page);
        await wait(1000);
        answer = await ask(location.href);
      } else {
        refused = 0;
      }
      if (isBusy(answer.code)) {
        status.textContent = BUSY;
        await wait(5000);
        continue;
      }
      const next = answer.page.querySelector("#job");
      if (!next && (answer.code === 401 || answer.code === 403) && !sessionStorage.getItem(RELOADED)) {
        // The session has ended, or Gaebar gives out new forms.
        sessionStorage.setItem(RELOADED, "yes");
        return location.reload();
      }
      sessionStorage.removeItem(RELOADED);
      if (!next) {
        // What it says stays there, and whoever reads it asks for the next step.
        job.removeAttribute("data-steps");
        form.hidden = false;
        status.textContent = told(answer.page);
        return;
      }
      if (!next.hasAttribute("data-steps")) return arrive(job, next);
      if (others) next.querySelector("[role=status]").textContent = others;
      if (Date.now() - shown >= 1000 || next.querySelector("[role=status]").textContent !== status.textContent) {
        update(job, next);
        shown = Date.now();
      }
    } catch {
      status.textContent = SILENT;
      await wait(2000);
    }
  }
}

// Puts in what changed, and leaves forms alone, so that the focus stays where it is.
function update(now, next) {
  // The latest line of a log is its first.
  const [log, lines] = [now.querySelector("ol.log"), next.querySelectorAll("ol.log li")];
  const more = [...lines].findIndex((line) => line.textContent === log.firstChild?.textContent);
  if (more > 0) log.prepend(...[...lines].slice(0, more).map((line) => line.cloneNode(true)));
  for (const part of ["[role=status]", ".so-far", ".progress", ".plan", "ol.log", "section .hint"]) {
    const [to, from] = [now.querySelector(part), next.querySelector(part)];
    if (to && from) put(to, from);
  }
}

// Makes a part what it is on the next page, and touches nothing that is so already: what somebody has marked stays so, and a screen reader
// hears what is new, and nothing twice.
function put(now, next) {
  if (now.nodeName !== next.nodeName) return now.replaceWith(next);
  if (now.nodeType === Node.TEXT_NODE) {
    if (now.data !== next.data) now.data = next.data;
    return;
  }
  for (const { name, value } of next.attributes) {
    if (now.getAttribute(name) !== value) now.setAttribute(name, value);
  }
  const [old, fresh] = [[...now.childNodes], [...next.childNodes]];
  fresh.forEach((node, at) => (at < old.length ? put(old[at], node) : now.append(node)));
  old.slice(fresh.length).forEach((node) => node.remove());
}

// Somebody is asked now, or all is done: the whole is put in around the line that says so.
function arrive(now, next) {
  const [status, end] = [now, next].map((part) => part.querySelector("[role=status]"));
  const hadFocus = now.contains(document.activeElement);
  put(status, end);
  end.remove();
  while (status.nextSibling) status.nextSibling.remove();
  status.after(...next.childNodes);
  now.removeAttribute("data-steps");
  now.removeAttribute("data-reload");
  if (hadFocus) document.querySelector("main").focus();
}

follow();
steps();
