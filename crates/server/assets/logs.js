// Appends live lines to the log that the server rendered. One event a line: `data` is {"at", "level", "stream", "text"}
// with `at` in RFC 3339. The browser reconnects by itself and sends the last id it saw.

const KEPT = 2000;
const LEVELS = new Set(["debug", "info", "warning", "error"]);
const log = document.querySelector("[data-log]");
const status = document.querySelector("[data-log-status]");
const pause = document.querySelector("[data-log-pause]");

if (log && log.dataset.stream && "EventSource" in globalThis) {
  let paused = false;
  let waiting = [];
  const atEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < 48;

  const row = ({ at, level, stream, text }) => {
    const item = document.createElement("li");
    if (stream === "system") item.className = "is-system";
    else if (LEVELS.has(level)) item.className = `is-${level}`;
    const time = document.createElement("time");
    time.dateTime = at;
    time.textContent = String(at).slice(11, 19);
    const body = document.createElement("span");
    body.dir = "auto";
    body.textContent = text;
    item.append(time, body);
    return item;
  };

  const show = (lines) => {
    const follow = atEnd();
    log.append(...lines.map(row));
    while (log.childElementCount > KEPT) log.firstElementChild.remove();
    if (follow) log.scrollTop = log.scrollHeight;
  };

  const say = (text, state) => {
    status.textContent = text;
    status.className = `state state-${state}`;
  };

  const source = new EventSource(log.dataset.stream);
  source.addEventListener("open", () => say(paused ? "Paused" : "Live", paused ? "warn" : "good"));
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) say("Ended", "idle");
    else say("Reconnecting", "busy");
  });
  source.addEventListener("end", () => {
    source.close();
    say("Ended", "idle");
  });
  source.addEventListener("message", (event) => {
    let line;
    try {
      line = JSON.parse(event.data);
    } catch {
      return;
    }
    document.querySelector("[data-log-empty]")?.remove();
    log.hidden = false;
    if (!paused) return show([line]);
    waiting.push(line);
    if (waiting.length > KEPT) waiting.shift();
    say(`Paused, ${waiting.length} waiting`, "warn");
  });

  pause.hidden = false;
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    pause.querySelector("[data-label]").textContent = paused ? "Resume" : "Pause";
    if (!paused) {
      show(waiting);
      waiting = [];
    }
    say(paused ? "Paused" : "Live", paused ? "warn" : "good");
  });
}
if (log) log.scrollTop = log.scrollHeight;
