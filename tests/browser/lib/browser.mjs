// One Chromium for all tests; each person gets a browser context, that is, cookies of their own.

import { mkdir } from "node:fs/promises";
import { join } from "node:path";

import { chromium } from "playwright-core";

const pictures = process.env.VESTIBULE_SCREENSHOTS;

/** Starts Chromium. It answers `*.localhost` with 127.0.0.1 by itself, as browsers do. */
export async function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync", "--no-proxy-server"],
  });
}

/** A person at a browser of their own. */
export class Person {
  static async at(browser, server, options = {}) {
    const person = new Person();
    person.context = await browser.newContext({ baseURL: server.shell, ...options });
    person.context.setDefaultTimeout(45_000);
    person.page = await person.context.newPage();
    person.server = server;
    person.problems = [];
    person.page.on("pageerror", (error) => person.problems.push(String(error)));
    person.page.on("console", (message) => {
      if (/Content Security Policy|Refused to/.test(message.text())) person.problems.push(message.text());
    });
    return person;
  }

  async signIn(login, password) {
    await this.page.goto("/signin");
    await this.page.locator('input[name="email"]').fill(login);
    await this.page.locator('input[name="password"]').fill(password);
    await this.page.locator('form[action^="/signin"] button[type="submit"]').click();
    await this.page.waitForURL((url) => url.pathname !== "/signin");
  }

  /** The cookies this person would send to an app, as a header. */
  async cookies(origin) {
    const cookies = await this.context.cookies(origin);
    return { cookie: cookies.map(({ name, value }) => `${name}=${value}`).join("; ") };
  }

  /** Keeps a picture when VESTIBULE_SCREENSHOTS names a folder; for people to look at. */
  async picture(name) {
    if (!pictures) return;
    await mkdir(pictures, { recursive: true });
    await this.page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
  }

  async leave() {
    await this.context.close();
    if (this.problems.length > 0) throw new Error(`the pages complained:\n${this.problems.join("\n")}`);
  }
}
