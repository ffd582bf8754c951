// Says under the address box, while typing, how many addresses were read and which look wrong. The server decides.

const box = document.querySelector("[data-addresses]");
const hint = box && document.getElementById(box.dataset.addresses);

if (hint) {
  const rest = hint.textContent;
  const looksRight = (text) => /^[^\s@]+@[^\s@.]+(\.[^\s@.]+)*$/.test(text);
  box.addEventListener("input", () => {
    const words = [...new Set(box.value.split(/[\s,;]+/).filter(Boolean))];
    const wrong = words.filter((word) => !looksRight(word));
    const found = words.length - wrong.length;
    if (!words.length) hint.textContent = rest;
    else if (!wrong.length) hint.textContent = found === 1 ? "1 address" : `${found} addresses`;
    else hint.textContent = `${found} read; check ${wrong.slice(0, 3).join(", ")}${wrong.length > 3 ? " and others" : ""}`;
  });
}
