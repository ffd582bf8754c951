// What people do with Vestibule, from the first link to the last sign-out.

import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { launch, Person } from "./lib/browser.mjs";
import { repository, Server } from "./lib/server.mjs";

const password = "a long and quiet walk";

/** The page of the app inside the shell's frame. */
async function framed(person) {
  const frame = person.page.frameLocator("iframe");
  await frame.locator("#viewer").waitFor();
  return frame;
}

describe("people at a server", { timeout: 600_000 }, () => {
  let browser, server, folder, owner, bob;

  before(async () => {
    // A copy, so that the test may change it and publish it again.
    folder = join(await mkdtemp(join(tmpdir(), "vestibule-app-")), "guestbook");
    await cp(join(repository, "examples/guestbook"), folder, { recursive: true });
    [browser, server] = await Promise.all([launch(), Server.up(folder)]);
    owner = await Person.at(browser, server);
    bob = await Person.at(browser, server);
  });

  after(async () => {
    await browser?.close();
    await server?.stop();
    if (folder) await rm(join(folder, ".."), { recursive: true, force: true });
  });

  test("the first link makes the owner, and works once", async () => {
    const { page } = owner;
    await page.goto(server.ready.link);
    await owner.picture("setup");
    await page.locator('input[name="email"]').fill("ada@example.com");
    await page.locator('input[name="username"]').fill("ada");
    await page.locator('input[name="password"]').fill(password);
    await page.getByRole("button", { name: "Make the owner" }).click();
    await page.waitForURL((url) => url.pathname === "/");
    await page.getByRole("link", { name: /guestbook/i }).first().waitFor();
    await owner.picture("dashboard");

    const late = await Person.at(browser, server);
    await late.page.goto(server.ready.link);
    assert.equal(await late.page.locator('input[name="password"]').count(), 0, "the link must be used up");
    await late.leave();
  });

  test("a stranger is asked to sign in, and told nothing else", async () => {
    const stranger = await Person.at(browser, server);
    assert.equal(await server.status("guestbook", "/"), 401);
    await stranger.page.goto(`${server.app("guestbook")}/`);
    await stranger.page.waitForURL((url) => url.pathname === "/signin");
    await stranger.picture("signin");
    await stranger.leave();
  });

  test("the owner shares the app with an address that has an account already", async () => {
    await server.createAccount({ email: "bob@example.com", username: "bob", password });
    const { page } = owner;
    await page.goto("/apps/guestbook/people");
    await page.locator('textarea[name="addresses"]').fill("bob@example.com");
    await page.getByRole("button", { name: "Share", exact: true }).click();
    await page.getByText("Can open it now").waitFor();
    await owner.picture("people");

    await bob.signIn("bob", password);
    await bob.page.goto("/");
    await bob.page.getByRole("link", { name: /guestbook/i }).first().waitFor();
  });

  test("two people have a draft each and one book together", async () => {
    for (const [person, name] of [[owner, "ada"], [bob, "bob"]]) {
      await person.page.goto("/view/guestbook");
      const app = await framed(person);
      assert.equal(await app.locator("#viewer").innerText(), name);
      await app.locator("#draft").fill(`the draft of ${name}`);
      await app.getByRole("button", { name: "Save draft" }).click();
      await app.locator("#entry").fill(`${name} was here`);
      await app.getByRole("button", { name: "Sign", exact: true }).click();
      await app.getByText(`${name} was here`).waitFor();
    }
    await owner.picture("view");
    await owner.page.goto("/view/guestbook");
    const app = await framed(owner);
    await app.getByText("ada was here").waitFor();
    await app.getByText("bob was here").waitFor();
    assert.equal(await app.locator("#draft").inputValue(), "the draft of ada");
    await bob.page.goto(`${server.app("guestbook")}/`);
    assert.equal(await bob.page.locator("#draft").inputValue(), "the draft of bob");
  });

  test("somebody without an account comes in by an invite link and lands in the app", async () => {
    const { page } = owner;
    await page.goto("/apps/guestbook/people");
    await page.locator('textarea[name="addresses"]').fill("cleo@example.com");
    await page.getByRole("button", { name: "Share", exact: true }).click();
    const link = (await page.content()).match(/http:\/\/localhost:\d+\/invite\/vst_i_[\w-]+/)?.[0];
    assert.ok(link, "the page shows the invite link");

    const cleo = await Person.at(browser, server);
    await cleo.page.goto(link);
    await cleo.picture("invite");
    await cleo.page.getByRole("link", { name: /account/i }).first().click();
    await cleo.page.locator('input[name="username"]').fill("cleo");
    await cleo.page.locator('input[name="password"]').fill(password);
    await cleo.page.locator('main form button:not([name])').first().click();
    await cleo.page.waitForURL((url) => !url.pathname.startsWith("/signup"));
    await cleo.page.goto("/view/guestbook");
    const app = await framed(cleo);
    await app.getByText("bob was here").waitFor();

    // The same link is of no use to somebody else.
    await bob.page.goto(link);
    assert.match(await bob.page.locator("main").innerText(), /cleo@example\.com|used|another/i);
    await cleo.leave();
  });

  test("a new version goes live, and the owner rolls it back while the data stays", async () => {
    const pages = join(folder, "pages.py");
    await writeFile(pages, (await readFile(pages, "utf8")).replace("<h1>Guestbook</h1>", "<h1>The new book</h1>"));
    await server.command(["login", server.shell, "--email", "ada@example.com", "--password-stdin"], { input: password });
    const lines = (await server.command(["publish", folder, "--json", "--message", "a new name"])).trim().split("\n");
    const done = JSON.parse(lines.at(-1));
    assert.equal(done.stage, "done");
    assert.equal(done.data.version, 2);

    await owner.page.goto("/view/guestbook");
    let app = await framed(owner);
    await app.getByRole("heading", { name: "The new book" }).waitFor();
    await owner.page.goto("/apps/guestbook/versions");
    await owner.picture("versions");
    await owner.page.getByRole("link", { name: "Roll back" }).first().click();
    await owner.page.locator("form").getByRole("button", { name: /roll back/i }).click();
    await owner.page.waitForLoadState();
    await owner.page.goto("/view/guestbook");
    app = await framed(owner);
    await app.getByRole("heading", { name: "Guestbook" }).waitFor();
    await app.getByText("bob was here").waitFor();
  });

  test("a person whose access is taken away is out within a second", async () => {
    const cookies = await bob.cookies(server.app("guestbook"));
    assert.equal(await server.status("guestbook", "/api/me", cookies), 200);
    await server.command(["unshare", "guestbook", "bob"]);
    const deadline = Date.now() + 1000;
    let status;
    do {
      status = await server.status("guestbook", "/api/me", cookies);
    } while (status === 200 && Date.now() < deadline);
    assert.ok([401, 403, 404].includes(status), `bob still got ${status}`);
  });

  test("signing out ends the way into the app as well", async () => {
    const { page } = owner;
    await page.goto("/signout");
    await page.locator("main").getByRole("button", { name: /sign out/i }).click();
    await page.goto(`${server.app("guestbook")}/`);
    await page.waitForURL((url) => url.pathname === "/signin");
    await owner.leave();
    await bob.leave();
  });
});
