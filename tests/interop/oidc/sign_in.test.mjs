// What people do at a server that offers a sign-in by a provider.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { launch, Person } from "../../browser/lib/browser.mjs";
import { Server } from "../../browser/lib/server.mjs";
import { client, start } from "./provider.mjs";

const password = "a long and quiet walk";

/** A port that was free a moment ago: provider and server have to know of each other before either runs. */
async function freePort() {
  const probe = createServer();
  await new Promise((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

describe("people with an account at a provider", { timeout: 300_000 }, () => {
  let browser, provider, server, dataDirectory;

  before(async () => {
    const port = await freePort();
    provider = await start(`http://localhost:${port}/signin/own/callback`);
    dataDirectory = await mkdtemp(join(tmpdir(), "vestibule-oidc-"));
    await mkdir(join(dataDirectory, "providers"));
    await writeFile(join(dataDirectory, "providers/own.toml"), [
      'label = "the office"', 'kind = "oidc"', `issuer = "${provider.issuer}"`,
      'scopes = ["openid", "email", "profile"]', 'client_auth = "basic"', "allow_private_addresses = true", "",
    ].join("\n"));
    const env = {
      VESTIBULE_ACCOUNTS__SIGN_UP: "open",
      VESTIBULE_PROVIDER__OWN__CLIENT_ID: client.id,
      VESTIBULE_PROVIDER__OWN__CLIENT_SECRET: client.secret,
    };
    server = await Server.up(null, { port, dataDirectory, env });
    browser = await launch();
  });

  after(async () => {
    await browser?.close();
    await server?.stop();
    await provider?.stop();
    if (dataDirectory) await rm(dataDirectory, { recursive: true, force: true });
  });

  /** Leaves for the provider, signs in there and allows what is asked for. */
  async function signInAt(person, login) {
    await person.page.goto("/signin");
    await person.page.getByRole("link", { name: "Continue with the office" }).click();
    await person.page.waitForURL((url) => url.origin === provider.issuer);
    await person.page.locator('input[name="login"]').fill(login);
    await person.page.locator('input[name="password"]').fill("anything");
    await person.page.locator('button[type="submit"]').click();
    await person.page.getByRole("button", { name: "Continue" }).click();
    await person.page.waitForURL((url) => url.origin === server.shell);
  }

  test("somebody new gets an account, and finds it again", async () => {
    for (const time of ["first", "second"]) {
      const ada = await Person.at(browser, server);
      await signInAt(ada, "ada");
      assert.equal(new URL(ada.page.url()).pathname, "/", `the ${time} time`);
      await ada.page.goto("/account");
      await ada.page.locator("main").getByText("ada@example.com").first().waitFor();
      await ada.page.goto("/account/connections");
      await ada.picture(`connections-${time}`);
      await ada.page.getByRole("link", { name: "Disconnect the office" }).waitFor();
      await ada.leave();
    }
  });

  test("an address that has an account is connected after signing in to that", async () => {
    await server.createAccount({ email: "bob@example.com", username: "bob", password });
    const bob = await Person.at(browser, server);
    await signInAt(bob, "bob");
    assert.equal(new URL(bob.page.url()).pathname, "/signin");
    await bob.page.getByText("There is an account with your address already").waitFor();
    await bob.picture("signin-to-connect");
    await bob.page.locator('input[name="email"]').fill("bob");
    await bob.page.locator('input[name="password"]').fill(password);
    await bob.page.locator('form[action^="/signin"] button[type="submit"]').click();
    await bob.page.waitForURL((url) => url.pathname === "/account/connections/finish");
    await bob.picture("connect");
    await bob.page.getByRole("button", { name: "Connect the office" }).click();
    await bob.page.waitForURL((url) => url.pathname === "/account/connections");
    await bob.page.getByText("Connected. You can sign in that way now.").waitFor();
    await bob.leave();

    const later = await Person.at(browser, server);
    await signInAt(later, "bob");
    await later.page.goto("/account");
    await later.page.locator("main").getByText("bob@example.com").first().waitFor();
    await later.leave();
  });

  test("an address that nobody verified opens nothing", async () => {
    const mallory = await Person.at(browser, server);
    await signInAt(mallory, "mallory");
    await mallory.page.getByText("The email address there is not verified").waitFor();
    await mallory.picture("unverified");
    await mallory.page.goto("/account");
    await mallory.page.waitForURL((url) => url.pathname === "/signin");
    await mallory.leave();
  });

  test("somebody who turns back at the provider reads so", async () => {
    const shy = await Person.at(browser, server);
    await shy.page.goto("/signin");
    await shy.page.getByRole("link", { name: "Continue with the office" }).click();
    await shy.page.waitForURL((url) => url.origin === provider.issuer);
    await shy.page.locator("a[href*='abort']").click();
    await shy.page.getByText("it was declined there").waitFor();
    await shy.leave();
  });
});
