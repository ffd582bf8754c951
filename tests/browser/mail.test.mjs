// What people do by mail, with scripts and without: prove an address, replace a forgotten password, change an address.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { launch, Person } from "./lib/browser.mjs";
import { Mailbox } from "./lib/mailbox.mjs";
import { Server } from "./lib/server.mjs";

const password = "a long and quiet walk";
const better = "an even longer and quieter walk";

describe("people and their mail", { timeout: 600_000 }, () => {
  let browser, server, mailbox;

  before(async () => {
    [browser, mailbox] = await Promise.all([launch(), Mailbox.open()]);
    const env = {
      ...mailbox.settings,
      VESTIBULE_ACCOUNTS__SIGN_UP: "open",
      VESTIBULE_ACCOUNTS__EMAIL_VERIFICATION: "required",
    };
    server = await Server.up(undefined, { env });
  });

  after(async () => {
    await browser?.close();
    await server?.stop();
    await mailbox?.close();
  });

  /** Fills the form of a page and sends it. */
  async function send(page, fields, button) {
    for (const [name, value] of Object.entries(fields)) await page.locator(`input[name="${name}"]`).fill(value);
    await page.getByRole("button", { name: button, exact: true }).click();
  }

  async function says(page, text) {
    await page.getByText(text).first().waitFor();
  }

  for (const [name, options] of Object.entries({ "with scripts": {}, "without scripts": { javaScriptEnabled: false } })) {
    const who = options.javaScriptEnabled === false ? "bob" : "ada";
    const email = `${who}@example.com`;

    test(`signing up, proving the address, forgetting the password: ${name}`, async () => {
      const person = await Person.at(browser, server, options);
      const { page } = person;
      await page.goto("/signup");
      await send(page, { email, username: who, password }, "Make the account");
      await says(page, "Check your mail");
      await person.picture(`mail-check-${who}`);

      // Nobody is in before the address is proven.
      await page.goto("/signin");
      await send(page, { email, password }, "Sign in");
      await says(page, "Confirm your email address first");
      await person.picture(`mail-unverified-${who}`);
      await page.getByRole("link", { name: "Send it again" }).click();
      await says(page, "Confirm your address");
      await send(page, { email }, "Send the link");
      await says(page, "Check your mail");

      const first = await mailbox.link(email, "Confirm your email address");
      const second = await mailbox.link(email, "Confirm your email address");
      await page.goto(first);
      await says(page, "This link is used up");
      // Opening the page changes nothing, however often.
      await page.goto(second);
      await page.goto(second);
      await says(page, `Confirm that ${email} is yours`);
      await person.picture(`mail-verify-${who}`);
      await page.getByRole("button", { name: "Confirm the address" }).click();
      await says(page, "is yours. Sign in with the password you chose.");
      await send(page, { email, password }, "Sign in");
      await page.waitForURL((url) => url.pathname === "/");

      // Elsewhere, the password is forgotten.
      const elsewhere = await Person.at(browser, server, options);
      await elsewhere.page.goto("/signin");
      await elsewhere.picture(`mail-signin-${who}`);
      await elsewhere.page.getByRole("link", { name: "Forgot your password?" }).click();
      await elsewhere.page.locator('input[name="email"]').waitFor();
      await elsewhere.picture(`mail-forgot-${who}`);
      await send(elsewhere.page, { email: "nobody@example.com" }, "Send the link");
      await says(elsewhere.page, "Check your mail");
      const answer = await elsewhere.page.locator("main").innerText();
      await elsewhere.page.goto("/forgot");
      await send(elsewhere.page, { email }, "Send the link");
      await says(elsewhere.page, "Check your mail");
      assert.equal(await elsewhere.page.locator("main").innerText(), answer);

      await elsewhere.page.goto(await mailbox.link(email, "Set a new password"));
      await elsewhere.picture(`mail-reset-${who}`);
      await send(elsewhere.page, { new_password: "password" }, "Set the password");
      await says(elsewhere.page, "most common");
      await send(elsewhere.page, { new_password: better }, "Set the password");
      await says(elsewhere.page, "The password is set");
      await send(elsewhere.page, { email, password: better }, "Sign in");
      await elsewhere.page.waitForURL((url) => url.pathname === "/");
      // The session from before is over.
      await page.goto("/account");
      await page.waitForURL((url) => url.pathname === "/signin");

      // Another address, proven at once.
      await elsewhere.page.goto("/account");
      await elsewhere.page.getByRole("link", { name: "Change", exact: true }).click();
      await elsewhere.picture(`mail-address-${who}`);
      await send(elsewhere.page, { new_email: `${who}@new.example.com` }, "Change the address");
      await says(elsewhere.page, "A link was sent to the new address");
      await elsewhere.page.goto(await mailbox.link(`${who}@new.example.com`, "Confirm your new email address"));
      await elsewhere.page.getByRole("button", { name: "Use this address" }).click();
      await says(elsewhere.page, `is ${who}@new.example.com now`);
      const undo = await mailbox.link(email, "Your email address was changed");
      await page.goto(undo);
      await says(page, "Take it back?");
      await person.picture(`mail-undo-${who}`);
      await person.leave();
      await elsewhere.leave();
    });
  }

  test("the pages look right in the dark", async () => {
    const person = await Person.at(browser, server, { colorScheme: "dark" });
    for (const [name, path] of [["forgot", "/forgot"], ["again", "/verify/again"], ["signin", "/signin"]]) {
      await person.page.goto(path);
      await person.page.locator("h1").waitFor();
      await person.picture(`mail-${name}-dark`);
    }
    await person.leave();
  });

  test("whoever runs the server sees how mail leaves", async () => {
    const boss = await Person.at(browser, server);
    await boss.page.goto(server.ready.link);
    await boss.page.locator('input[name="email"]').fill("boss@example.com");
    await boss.page.locator('input[name="username"]').fill("boss");
    await boss.page.locator('input[name="password"]').fill(password);
    await boss.page.getByRole("button", { name: "Make the owner" }).click();
    await boss.page.waitForURL((url) => url.pathname === "/");
    await boss.page.goto("/admin/mail");
    await says(boss.page, "How mail leaves");
    await boss.picture("mail-admin");
    await boss.leave();
  });
});

describe("people at a server without mail", { timeout: 600_000 }, () => {
  let browser, server;

  before(async () => {
    browser = await launch();
    server = await Server.up(undefined, { env: { VESTIBULE_ACCOUNTS__PASSWORD_RESET: "on" } });
  });

  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  test("whoever runs the server passes the link on", async () => {
    await server.createAccount({ email: "ada@example.com", username: "ada", password });
    const ada = await Person.at(browser, server, { javaScriptEnabled: false });
    await ada.page.goto("/forgot");
    await ada.page.locator('input[name="email"]').fill("ada@example.com");
    await ada.page.getByRole("button", { name: "Send the link" }).click();
    await ada.page.getByText("No mail server is set up here").waitFor();

    const boss = await Person.at(browser, server);
    await boss.page.goto(server.ready.link);
    await boss.page.locator('input[name="email"]').fill("boss@example.com");
    await boss.page.locator('input[name="username"]').fill("boss");
    await boss.page.locator('input[name="password"]').fill(password);
    await boss.page.getByRole("button", { name: "Make the owner" }).click();
    await boss.page.waitForURL((url) => url.pathname === "/");
    const show = boss.page.getByRole("button", { name: "Show the link for ada@example.com" });
    for (let tries = 0; tries < 60 && (await show.count()) === 0; tries += 1) await boss.page.goto("/admin/mail");
    await boss.picture("mail-admin-waiting");
    await show.click();
    const link = await boss.page.locator(".copy code").innerText();
    await boss.picture("mail-admin-link");
    assert.match(link, /\/reset\?token=m8rst_/);

    await ada.page.goto(link);
    await ada.page.locator('input[name="new_password"]').fill(better);
    await ada.page.getByRole("button", { name: "Set the password" }).click();
    await ada.page.getByText("The password is set").waitFor();
    await boss.leave();
    await ada.leave();
  });
});
