// What pages do beyond what their HTML does by itself. All of it may fail to load: every page works without.
(() => {
  "use strict";
  document.documentElement.classList.add("js");

  // Times count on by themselves, in the words of the server.
  const told = (seconds) => {
    if (seconds < 60) return `${Math.floor(seconds)} s`;
    const minutes = Math.floor(seconds / 60);
    if (minutes < 60) return `${minutes} m`;
    const hours = Math.floor(minutes / 60);
    if (hours < 24) return minutes % 60 ? `${hours} h ${minutes % 60} m` : `${hours} h`;
    return hours % 24 ? `${Math.floor(hours / 24)} d ${hours % 24} h` : `${hours / 24} d`;
  };
  const tick = () => {
    for (const one of document.querySelectorAll("time[data-rel]")) {
      const left = (Date.parse(one.dateTime) - Date.now()) / 1000;
      const text = Math.abs(left) < 1 ? "now" : left > 0 ? `in ${told(left)}` : `${told(-left)} ago`;
      if (one.textContent !== text) one.textContent = text;
    }
  };
  const own = () => {
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    for (const one of document.querySelectorAll("time[title]:not([data-own])")) {
      one.dataset.own = "";
      const mine = new Date(one.dateTime).toLocaleString("sv-SE");
      one.title += ` · ${mine} for you (${zone})`;
    }
  };
  setInterval(tick, 1000);
  own();

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-show]");
    if (button) {
      const field = document.getElementById(button.dataset.show);
      const shown = field.type === "password";
      field.type = shown ? "text" : "password";
      button.textContent = shown ? "Hide" : "Show";
      button.setAttribute("aria-pressed", String(shown));
    }
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
  // What an element says, into the clipboard: over plain HTTP browsers have no way to it but a selection.
  const copied = async (element) => {
    const text = element.textContent;
    if (navigator.clipboard) {
      try {
        await navigator.clipboard.writeText(text);
        return true;
      } catch { /* not allowed: the other way asks nobody */ }
    }
    const field = document.createElement("textarea");
    field.value = text;
    field.className = "copying";
    element.after(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  };
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const element = document.getElementById(button.dataset.copy);
    const done = await copied(element);
    button.focus();
    button.textContent = done ? "Copied" : "Press Ctrl+C";
    if (!done) getSelection().selectAllChildren(element);
    document.getElementById("told").textContent = done ? "Copied" : "It is selected: copy it with Ctrl+C";
    clearTimeout(button.timer);
    button.timer = setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") for (const menu of document.querySelectorAll("details.menu[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });

  // A link that signs in at once: the form is there without script, too.
  for (const form of document.querySelectorAll("form[data-at-once]")) form.requestSubmit();

  // The page that asks before it does something, shown above the page that led there.
  const dialog = document.getElementById("dialog");
  document.addEventListener("click", async (event) => {
    const link = event.target.closest("a[data-dialog]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    let body = null;
    try {
      const answer = await fetch(link.href, { headers: { Accept: "text/html" } });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (answer.ok && !answer.redirected) body = page.querySelector(".confirm");
    } catch { /* then the page itself says what is wrong */ }
    if (!body) return void location.assign(link.href);
    dialog.replaceChildren(document.importNode(body, true));
    dialog.showModal();
    dialog.querySelector("[autofocus]")?.focus();
    dialog.addEventListener("close", () => document.contains(link) && link.focus(), { once: true });
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest("[data-close]")) {
      event.preventDefault();
      dialog.close();
    }
  });
  document.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (!button || event.target.method !== "post") return;
    if (button.dataset.busy !== undefined) return event.preventDefault();
    button.dataset.busy = "";
    if (button.dataset.meanwhile) button.textContent = button.dataset.meanwhile;
  });
  addEventListener("pageshow", () => {
    for (const one of document.querySelectorAll("[data-busy]")) delete one.dataset.busy;
  });

  // Signed out under a form that is half filled: it stays, and the page says so.
  document.addEventListener("htmx:after:request", (event) => {
    if (!event.detail.ctx?.response?.headers?.get("X-Signed-Out")) return;
    const banner = document.getElementById("banner");
    banner.textContent = "You are signed out. Sign in in another tab; what you have typed here stays.";
    banner.hidden = false;
  });

  // Live: one stream a page, open while the page is seen. htmx reads it and puts the regions into the page.
  const live = document.getElementById("live");
  const lamp = document.getElementById("lamp");
  const banner = document.getElementById("banner");
  const shown = { live: "live", away: "reconnecting", over: "ended", hidden: "paused", stale: "stale", out: "signed out" };
  let lostAt = 0;
  let closed = false;
  let started = false;
  const light = (state) => {
    if (closed || lamp.dataset.state === state) return;
    lamp.dataset.state = state;
    lamp.lastElementChild.textContent = shown[state];
    if (state === "live") {
      lostAt = 0;
      banner.hidden = true;
    } else if (!lostAt) lostAt = Date.now();
  };
  const say = (text) => {
    banner.textContent = text;
    banner.hidden = false;
  };
  if (live && window.htmx) {
    const connect = () => {
      if (document.hidden || started) return;
      started = true;
      htmx.ajax("GET", live.dataset.from, { source: live, swap: "none", timeout: 60000 });
    };
    document.addEventListener("visibilitychange", () => document.hidden ? light("hidden") : connect());
    live.addEventListener("htmx:sse:after:connection", (event) => {
      if (event.detail.connection.status === 204) out();
      else light("live");
    });
    live.addEventListener("htmx:sse:before:connection", (event) => {
      if (closed) event.preventDefault();
    });
    live.addEventListener("htmx:sse:error", () => setTimeout(() => lamp.dataset.state === "live" || light("away"), 3000));
    live.addEventListener("htmx:after:request", (event) => event.detail.ctx?.response?.status === 204 && out());
    live.addEventListener("htmx:sse:after:message", () => {
      const state = document.getElementById("state").dataset;
      if (state.title) document.title = state.title;
      const icon = document.querySelector("link[rel=icon]");
      const wanted = "attention" in state ? icon.dataset.attention : icon.dataset.plain;
      if (state.title && icon.getAttribute("href") !== wanted) icon.setAttribute("href", wanted);
      own();
    });
    live.addEventListener("stale", () => light("stale"));
    live.addEventListener("fresh", () => light("live"));
    live.addEventListener("over", (event) => {
      if (event.detail?.data === "gone") return void location.reload();
      if (event.detail?.data === "signed out") return out();
      light("over");
      closed = true;
    });
    const out = () => {
      light("out");
      closed = true;
      say("You are signed out. Sign in in another tab; what you have typed here stays.");
    };
    setInterval(() => {
      if (lostAt && !closed && !document.hidden && Date.now() - lostAt > 30000 && banner.hidden) {
        say(`Not live since ${new Date(lostAt).toTimeString().slice(0, 5)}. Reload the page to see what is new.`);
      }
    }, 1000);
    connect();
  }

  for (const one of document.querySelectorAll(".chips [aria-current], .tabs [aria-current]")) {
    one.parentElement.scrollLeft = one.offsetLeft - one.parentElement.clientWidth / 3;
  }
})();
