// Switches the theme in place; the form's own answer, a redirect, does the same without a script.

for (const form of document.querySelectorAll("[data-theme-form]")) {
  form.addEventListener("submit", (event) => {
    const theme = event.submitter?.value;
    if (!theme) return;
    event.preventDefault();
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    for (const button of form.querySelectorAll("button[name=theme]")) {
      button.setAttribute("aria-pressed", String(button === event.submitter));
    }
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `vestibule_theme=${theme}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
  });
}
