// Buttons that copy the text of the box they stand in. The server sends them hidden; without a script there is nothing
// they could do.

for (const button of document.querySelectorAll("[data-copy]")) {
  const box = button.closest(".copy");
  const text = box?.querySelector("code");
  if (!text || !navigator.clipboard) continue;
  button.hidden = false;
  const label = button.getAttribute("aria-label");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text.textContent.trim());
    } catch {
      getSelection().selectAllChildren(text);
      return;
    }
    button.classList.add("is-done");
    button.setAttribute("aria-label", "Copied");
    setTimeout(() => {
      button.classList.remove("is-done");
      button.setAttribute("aria-label", label);
    }, 1600);
  });
}
