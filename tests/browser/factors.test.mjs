// Second factors in a browser: passkeys by Chromium's virtual authenticator, an authenticator app, recovery codes.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, before, describe, test } from "node:test";

import { launch, Person } from "./lib/browser.mjs";
import { Server } from "./lib/server.mjs";

const password = "a long and quiet walk";

/** The code that an authenticator app shows now (RFC 6238). `key` is base32 as the page spells it. */
function codeOf(key, seconds = Date.now() / 1000) {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = [...key.replace(/\s/g, "")].map((letter) => alphabet.indexOf(letter).toString(2).padStart(5, "0")).join("");
  const bytes = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(seconds / 30)));
  const mac = createHmac("sha1", bytes).update(step).digest();
  const offset = mac.at(-1) & 15;
  return String((mac.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

/** Gives the person's browser a device with a fingerprint reader. */
async function withDevice(person) {
  const session = await person.context.newCDPSession(person.page);
  await session.send("WebAuthn.enable");
  const { authenticatorId } = await session.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2",
      transport: "internal",
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  return { session, authenticatorId };
}

describe("second factors", { timeout: 600_000 }, () => {
  let browser, server, ada, device, key, codes;

  const signOut = async (person) => {
    await person.page.goto("/signout");
    await person.page.getByRole("button", { name: "Sign out" }).last().click();
    await person.page.waitForURL((url) => url.pathname === "/signin");
  };
  const isIn = (person) => person.page.waitForURL((url) => url.pathname === "/");

  before(async () => {
    [browser, server] = await Promise.all([launch(), Server.up()]);
    await server.createAccount({ email: "ada@example.com", username: "ada", password });
    ada = await Person.at(browser, server);
    device = await withDevice(ada);
  });

  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  test("a passkey is registered, and brings recovery codes", async () => {
    const { page } = ada;
    await ada.signIn("ada", password);
    await page.goto("/account/security");
    await ada.picture("security-empty");
    await page.getByLabel("Name of the new passkey").fill("My laptop");
    await page.getByRole("button", { name: "Add a passkey" }).click();
    await page.getByRole("heading", { name: "Your recovery codes" }).waitFor();
    await ada.picture("recovery-codes");
    codes = (await page.locator(".codes code").innerText()).trim().split(/\s+/);
    assert.equal(codes.length, 10);
    await page.getByRole("link", { name: "I have kept them" }).click();
    await page.getByText("My laptop").waitFor();
    await ada.picture("security-passkey");
  });

  test("the same device is not registered twice", async () => {
    const { page } = ada;
    await page.goto("/account/security");
    await page.getByRole("button", { name: "Add a passkey" }).click();
    await page.locator("[data-passkey-error]:not([hidden])").waitFor();
    await ada.picture("security-passkey-twice");
  });

  test("the passkey signs in without a name or a password", async () => {
    const { page } = ada;
    await signOut(ada);
    await ada.picture("signin");
    await page.getByRole("button", { name: "Sign in with a passkey" }).click();
    await isIn(ada);
    await page.goto("/account/security");
    await page.getByText("used just now").waitFor();
  });

  test("after the password the passkey is asked for, and suffices", async () => {
    const { page } = ada;
    await signOut(ada);
    await ada.signIn("ada", password);
    assert.equal(new URL(page.url()).pathname, "/signin/second-factor");
    await ada.picture("second-factor-passkey");
    await page.goto("/account");
    assert.equal(new URL(page.url()).pathname, "/signin", "skipping the step gives nothing");
    await page.goto("/signin/second-factor");
    await page.getByRole("button", { name: "Use a passkey" }).click();
    await isIn(ada);
  });

  test("a browser that does not know its holder is refused", async () => {
    const { page } = ada;
    await signOut(ada);
    await device.session.send("WebAuthn.setUserVerified", { ...device, session: undefined, isUserVerified: false });
    await page.getByRole("button", { name: "Sign in with a passkey" }).click();
    await page.locator("[data-passkey-error]:not([hidden])").waitFor();
    await device.session.send("WebAuthn.setUserVerified", { ...device, session: undefined, isUserVerified: true });
    await page.getByRole("button", { name: "Sign in with a passkey" }).click();
    await isIn(ada);
  });

  test("an authenticator app is set up, and its code is asked for in another browser", async () => {
    const { page } = ada;
    await page.goto("/account/security/authenticator");
    await page.getByText("I cannot take a picture").click();
    await ada.picture("authenticator");
    key = await page.locator('[aria-label="key"]').innerText();
    await page.getByLabel("Code").fill("000000");
    await page.getByRole("button", { name: "Use this app" }).click();
    await page.getByText("The code is wrong").waitFor();
    await page.getByLabel("Code").fill(codeOf(key));
    await page.getByRole("button", { name: "Use this app" }).click();
    await page.getByText("In use", { exact: true }).waitFor();
    await ada.picture("security-full");

    // The code that confirmed the app is used up, so the next one is taken, which the server accepts early.
    const phone = await Person.at(browser, server, { javaScriptEnabled: false });
    await phone.signIn("ada", password);
    await phone.picture("second-factor-without-script");
    await phone.page.getByLabel("Code").fill(codeOf(key, Date.now() / 1000 + 30));
    await phone.page.getByRole("button", { name: "Go on" }).click();
    await isIn(phone);
    await phone.leave();
  });

  test("a recovery code lets in once, and its use is told", async () => {
    const stranger = await Person.at(browser, server);
    await stranger.signIn("ada", password);
    await stranger.page.getByLabel("Code").fill(codes[0].toUpperCase());
    await stranger.page.getByRole("button", { name: "Go on" }).click();
    await isIn(stranger);
    await stranger.leave();

    const { page } = ada;
    await page.goto("/");
    await page.getByText("A recovery code was used to sign in").waitFor();
    await ada.picture("dashboard-notice");
    await page.getByRole("button", { name: "I have read this" }).click();
    await page.waitForLoadState();
    assert.equal(await page.getByText("A recovery code was used to sign in").count(), 0);
    await page.goto("/account/security");
    await page.getByText("9 left").waitFor();

    const again = await Person.at(browser, server);
    await again.signIn("ada", password);
    await again.page.getByLabel("Code").fill(codes[0]);
    await again.page.getByRole("button", { name: "Go on" }).click();
    await again.page.getByText("The code is wrong").waitFor();
    await again.picture("second-factor-wrong");
    await again.leave();
  });

  test("confirming by passkey, and removing it", async () => {
    const { page } = ada;
    await page.goto("/confirm?next=/account/security");
    await ada.picture("confirm");
    await page.getByRole("button", { name: "Use a passkey" }).click();
    await page.waitForURL((url) => url.pathname === "/account/security");
    await page.getByRole("link", { name: "Remove My laptop" }).click();
    await page.getByRole("button", { name: "Remove the passkey" }).click();
    await page.getByText("The passkey is removed.").waitFor();
    assert.equal(await page.getByText("My laptop").count(), 0);
  });

  test("an operator takes the factors away, and the password alone signs in", async () => {
    await server.command(["account", "reset-factors", "ada@example.com", "--data-dir", server.dataDirectory]);
    const back = await Person.at(browser, server, { colorScheme: "dark" });
    await back.signIn("ada", password);
    await isIn(back);
    await back.page.getByText("An administrator removed your passkeys").waitFor();
    await back.picture("dashboard-reset-dark");
    await back.leave();
    await ada.leave();
  });
});
