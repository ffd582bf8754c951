// A real Vestibule server for a test: the program itself, on a free port, with a data directory of its own.

import { execFile, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { get } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export const repository = fileURLToPath(new URL("../../../", import.meta.url));
const binary = process.env.VESTIBULE_BINARY ?? join(repository, "target/debug/vestibule");

/** A port that was free a moment ago. */
async function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

/** The environment of the programs: ours without settings that would leak into the test. */
function environment(extra = {}) {
  const kept = Object.entries(process.env).filter(([name]) => !/^(VESTIBULE_|.*_proxy$)/i.test(name));
  return { ...Object.fromEntries(kept), NO_COLOR: "1", ...extra };
}

export class Server {
  /** Starts `vestibule up [folder]` and waits until it has printed its addresses. */
  static async up(folder, options = {}) {
    const server = new Server();
    server.dataDirectory = options.dataDirectory ?? (await mkdtemp(join(tmpdir(), "vestibule-browser-")));
    server.keepData = Boolean(options.dataDirectory);
    server.port = options.port ?? (await freePort());
    server.shell = `http://localhost:${server.port}`;
    const flags = ["--data-dir", server.dataDirectory, "--listen", `127.0.0.1:${server.port}`, "--admin-listen", "off"];
    const folders = folder ? [folder] : [];
    await server.#start(["up", ...folders, ...flags, "--json"], options);
    return server;
  }

  async #start(argv, options) {
    this.lines = [];
    this.process = spawn(binary, argv, {
      cwd: repository,
      env: environment({ XDG_CONFIG_HOME: this.dataDirectory, ...options.env }),
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.errors = "";
    this.process.stderr.on("data", (chunk) => (this.errors += chunk));
    this.exited = new Promise((resolve) => this.process.once("exit", (code, signal) => resolve({ code, signal })));
    const output = createInterface({ input: this.process.stdout });
    this.ready = await new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`the server was not ready in time:\n${this.errors}`)), 180_000);
      output.on("line", (line) => {
        const event = JSON.parse(line);
        this.lines.push(event);
        if (event.ready) {
          clearTimeout(timer);
          resolve(event.ready);
        }
      });
      this.exited.then(({ code, signal }) => reject(new Error(`the server ended (${code ?? signal}):\n${this.errors}`)));
    });
  }

  /** Runs another command of the program against this server's data directory; its standard output. */
  async command(argv, { input = "", env = {} } = {}) {
    return new Promise((resolve, reject) => {
      const child = execFile(
        binary,
        argv,
        { cwd: repository, env: environment({ XDG_CONFIG_HOME: this.dataDirectory, VESTIBULE_SERVER: this.shell, ...env }) },
        (error, stdout, stderr) => {
          if (error) reject(new Error(`vestibule ${argv.join(" ")} ended with ${error.code}:\n${stdout}${stderr}`));
          else resolve(stdout);
        },
      );
      child.stdin.end(input);
    });
  }

  /** Makes an account the way an operator does. */
  async createAccount({ email, username, password, role = "user" }) {
    const who = ["--email", email, "--username", username, "--role", role, "--password-stdin"];
    await this.command(["account", "create", ...who, "--data-dir", this.dataDirectory], { input: password });
  }

  /** The origin of an app. */
  app(slug) {
    return `http://${slug}.localhost:${this.port}`;
  }

  /** The status of a plain request to an app; node does not know that `*.localhost` is this machine. */
  async status(slug, path, headers = {}) {
    return new Promise((resolve, reject) => {
      const host = new URL(this.app(slug)).host;
      const request = get({ host: "127.0.0.1", port: this.port, path, headers: { ...headers, host } }, (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      });
      request.once("error", reject);
    });
  }

  /** Stops as Ctrl-C does, and fails the test when that was not clean. */
  async stop() {
    this.process.kill("SIGINT");
    const { code, signal } = await this.exited;
    if (!this.keepData) await rm(this.dataDirectory, { recursive: true, force: true });
    if (code !== 0 && code !== 130) throw new Error(`the server ended with ${code ?? signal}:\n${this.errors}`);
  }
}
