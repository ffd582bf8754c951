// Looking after a server: accounts, services and signing keys, at a browser.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { launch, Person } from "./lib/browser.mjs";
import { Server } from "./lib/server.mjs";

const password = "a long and quiet walk";

describe("those who look after a server", { timeout: 600_000 }, () => {
  let browser, server, owner, bob;

  before(async () => {
    [browser, server] = await Promise.all([launch(), Server.up()]);
    await server.createAccount({ email: "ada@example.com", username: "ada", password, role: "superadmin" });
    await server.createAccount({ email: "bob@example.com", username: "bob", password });
    owner = await Person.at(browser, server);
    bob = await Person.at(browser, server);
    await owner.signIn("ada@example.com", password);
    await bob.signIn("bob@example.com", password);
  });

  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  test("the menu leads there, and only those who may go", async () => {
    await owner.page.goto("/");
    await owner.page.locator("details.menu summary").click();
    await owner.page.getByRole("link", { name: "Administration" }).click();
    await owner.page.waitForURL((url) => url.pathname === "/admin/accounts");
    await owner.picture("admin-accounts");
    await bob.page.goto("/");
    await bob.page.locator("details.menu summary").click();
    assert.equal(await bob.page.getByRole("link", { name: "Administration" }).count(), 0);
    const refused = await bob.page.goto("/admin/accounts");
    assert.equal(refused.status(), 404);
  });

  test("an account is found, given a role and disabled, and its person is out at once", async () => {
    const { page } = owner;
    await page.goto("/admin/accounts");
    await page.getByRole("searchbox").fill("bob@");
    await page.getByRole("searchbox").press("Enter");
    await page.getByRole("link", { name: "bob" }).click();
    await page.getByRole("heading", { name: "bob" }).waitFor();
    await owner.picture("admin-account");
    await page.getByLabel("Role").selectOption("writer");
    await page.getByRole("button", { name: "Change the role" }).click();
    await page.getByText("The role is writer now").waitFor();
    await page.getByRole("link", { name: "Disable" }).click();
    await page.getByRole("heading", { name: "Disable bob?" }).waitFor();
    await owner.picture("admin-disable");
    await page.getByRole("button", { name: "Disable the account" }).click();
    await page.getByText("The account is disabled.").waitFor();
    await bob.page.goto("/");
    await bob.page.waitForURL((url) => url.pathname === "/signin");
    await page.getByRole("button", { name: "Enable" }).click();
    await page.getByText("The account may be used again.").waitFor();
    await bob.signIn("bob@example.com", password);
  });

  test("a service is registered, and its secret is shown once", async () => {
    const { page } = owner;
    await page.goto("/admin/services");
    await page.getByLabel("Id", { exact: true }).fill("billing");
    await page.locator('input[name="name"]').fill("Billing");
    await page.locator('input[name="scopes"]').fill("introspection event-stream");
    await page.getByRole("button", { name: "Register" }).click();
    await page.getByRole("heading", { name: "The secret of billing" }).waitFor();
    await owner.picture("admin-services");
    await page.goto("/admin/services");
    assert.equal(await page.getByText("The secret of").count(), 0);
    await page.getByRole("link", { name: "Billing" }).click();
    await page.getByRole("heading", { name: "Billing" }).waitFor();
    await owner.picture("admin-service");
  });

  test("a signing key is published before it signs", async () => {
    const { page } = owner;
    await page.request.get("/.well-known/jwks.json");
    await page.goto("/admin/keys");
    await page.getByRole("button", { name: "Publish a new key" }).click();
    await page.getByText("A key is published").waitFor();
    assert.equal(await page.getByRole("button", { name: "Let the next key sign now" }).isDisabled(), true);
    await owner.picture("admin-keys");
    await page.goto("/admin/providers");
    await owner.picture("admin-providers");
  });

  test("everything can be read in the dark and on a phone", async () => {
    const { page } = owner;
    await page.emulateMedia({ colorScheme: "dark" });
    for (const tab of ["accounts", "services", "keys"]) {
      await page.goto(`/admin/${tab}`);
      await owner.picture(`admin-${tab}-dark`);
    }
    await page.setViewportSize({ width: 390, height: 800 });
    for (const tab of ["accounts", "services", "keys", "providers"]) {
      await page.goto(`/admin/${tab}`);
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(width <= 390, `/admin/${tab} is ${width} wide`);
      await owner.picture(`admin-${tab}-phone`);
    }
    await owner.leave();
    await bob.leave();
  });
});
