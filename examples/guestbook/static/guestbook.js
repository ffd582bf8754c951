// Comfort only; the page works without it. Saves the draft while it is written and shows times as local ones.

const form = document.querySelector("form[data-autosave]");

if (form) {
  const text = form.elements.text;
  const status = form.querySelector("[data-saved]");
  let timer;

  const save = async () => {
    try {
      const answer = await fetch(form.dataset.autosave, {
        method: "PUT",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ text: text.value }),
      });
      if (answer.ok) status.textContent = "Saved";
      else if (answer.status === 401) status.textContent = "Not saved: reload the page to sign in again";
      else status.textContent = "Not saved";
    } catch {
      status.textContent = "Not saved: no connection";
    }
  };

  text.addEventListener("input", () => {
    status.textContent = "";
    clearTimeout(timer);
    timer = setTimeout(save, 600);
  });
}

for (const time of document.querySelectorAll("time")) {
  time.textContent = new Date(time.dateTime).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}
