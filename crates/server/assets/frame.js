// The app in its frame: shows it when loaded, and keeps the shell's address and title with the app's. The app lives on
// an origin of its own, so the shell sees neither unless the app says so, by posting
// {type: "vestibule:location", path, title} to its parent.

const stage = document.querySelector("[data-view]");
const frame = stage?.querySelector("iframe");

if (frame) {
  const ready = () => stage.classList.add("is-ready");
  frame.addEventListener("load", ready);
  const { origin, base } = stage.dataset;
  const name = document.title;

  addEventListener("message", ({ data, origin: from, source }) => {
    if (from !== origin || source !== frame.contentWindow || data?.type !== "vestibule:location") return;
    const { path, title } = data;
    if (typeof path === "string" && path.length < 2000 && /^\/(?![/\\])/.test(path)) {
      history.replaceState(null, "", base + path);
    }
    if (typeof title === "string" && title.trim()) document.title = `${title.trim().slice(0, 120)} · ${name}`;
  });
}
