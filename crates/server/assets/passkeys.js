// Passkeys: a form marked `data-passkey` asks the browser for one and is then sent as any other form, with the answer in
// a hidden field. The server sends such forms hidden; without a script or without passkeys another way is left.

const fromText = (text) => {
  const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(plain, (character) => character.charCodeAt(0));
};

const toText = (buffer) => {
  if (!buffer) return undefined;
  const plain = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
  return btoa(plain).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
};

const readIds = (list) => list?.map((item) => ({ ...item, id: fromText(item.id) }));

/** The server's options, with bytes where browsers want bytes. */
const read = (options) => ({
  ...options,
  challenge: fromText(options.challenge),
  ...(options.user && { user: { ...options.user, id: fromText(options.user.id) } }),
  ...(options.allowCredentials && { allowCredentials: readIds(options.allowCredentials) }),
  ...(options.excludeCredentials && { excludeCredentials: readIds(options.excludeCredentials) }),
});

/** What the browser answered, with text where JSON wants text. */
const write = ({ id, rawId, type, response }) =>
  JSON.stringify({
    id,
    rawId: toText(rawId),
    type,
    response: {
      clientDataJSON: toText(response.clientDataJSON),
      attestationObject: toText(response.attestationObject),
      authenticatorData: toText(response.authenticatorData),
      signature: toText(response.signature),
      userHandle: toText(response.userHandle),
    },
  });

/** What to say when the browser gives no answer. */
const explain = (error) => {
  if (error.name === "InvalidStateError") return "This device has a passkey for you already.";
  if (error.name === "NotAllowedError") return "That was cancelled, or took too long. Try again, or use another way.";
  return error.message || "That did not work. Try again, or use another way.";
};

const begin = async (form) => {
  const body = new URLSearchParams({ _csrf: form.elements._csrf.value });
  const response = await fetch(form.dataset.begin, { method: "POST", body, headers: { accept: "application/json" } });
  const answer = await response.json();
  if (response.ok) return answer;
  if (answer.error === "recent_proof_required") {
    location.assign(`/confirm?${new URLSearchParams({ next: location.pathname })}`);
    return new Promise(() => {});
  }
  throw new Error(answer.message);
};

const ask = async (form) => {
  const publicKey = read(await begin(form));
  const credentials = navigator.credentials;
  return form.dataset.passkey === "create" ? credentials.create({ publicKey }) : credentials.get({ publicKey });
};

if (globalThis.PublicKeyCredential && navigator.credentials) {
  for (const missing of document.querySelectorAll("[data-passkey-missing]")) missing.hidden = true;
  for (const form of document.querySelectorAll("form[data-passkey]")) {
    form.hidden = false;
    const button = form.querySelector("button");
    const problem = form.querySelector("[data-passkey-error]");
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      button.disabled = true;
      problem.hidden = true;
      try {
        form.elements.answer.value = write(await ask(form));
        form.submit();
      } catch (error) {
        problem.textContent = explain(error);
        problem.hidden = false;
        button.disabled = false;
      }
    });
  }
}
