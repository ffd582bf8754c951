// Links to a confirmation page open it as a dialog instead. The page itself stays the fallback: any failure, and any
// click that asks for a new tab, goes there.

let dialog;

function open(content) {
  dialog ??= document.body.appendChild(document.createElement("dialog"));
  dialog.replaceChildren(content);
  const heading = content.querySelector("h1");
  if (heading) {
    heading.id = "dialog-title";
    dialog.setAttribute("aria-labelledby", heading.id);
  }
  dialog.showModal();
}

document.addEventListener("click", async (event) => {
  if (event.target === dialog) {
    dialog.close();
    return;
  }
  const cancel = event.target.closest("dialog [data-cancel]");
  if (cancel) {
    event.preventDefault();
    dialog.close();
    return;
  }
  const link = event.target.closest("a[data-dialog]");
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  try {
    const response = await fetch(link.href, { headers: { accept: "text/html" } });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const content = page.querySelector("[data-dialog-body]");
    if (!response.ok || response.redirected || !content) throw new Error("not a confirmation page");
    open(document.adoptNode(content));
  } catch {
    location.assign(link.href);
  }
});
