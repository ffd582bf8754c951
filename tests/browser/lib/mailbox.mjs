// A mail server for a test: takes every message and keeps it (RFC 5321, as much of it as our sender needs).

import { createServer } from "node:net";

/** Decodes quoted-printable (RFC 2045 §6.7). */
function decode(text) {
  return text.replace(/=\r\n/g, "").replace(/=([0-9A-F]{2})/g, (_, code) => String.fromCharCode(parseInt(code, 16)));
}

export class Mailbox {
  static async open() {
    const mailbox = new Mailbox();
    mailbox.messages = [];
    mailbox.waiting = [];
    mailbox.server = createServer((socket) => mailbox.#serve(socket));
    await new Promise((resolve) => mailbox.server.listen(0, "127.0.0.1", resolve));
    mailbox.port = mailbox.server.address().port;
    return mailbox;
  }

  /** The environment of a server that sends through it. */
  get settings() {
    return {
      VESTIBULE_MAIL__HOST: "127.0.0.1",
      VESTIBULE_MAIL__PORT: String(this.port),
      VESTIBULE_MAIL__SECURITY: "none",
      VESTIBULE_MAIL__FROM: "Vestibule <vestibule@example.com>",
    };
  }

  #serve(socket) {
    let buffer = "";
    let message = null;
    const say = (line) => socket.write(`${line}\r\n`);
    socket.on("error", () => {});
    socket.setEncoding("utf8");
    say("220 mailbox ESMTP");
    let to = [];
    socket.on("data", (chunk) => {
      buffer += chunk;
      for (let end = buffer.indexOf("\r\n"); end >= 0; end = buffer.indexOf("\r\n")) {
        const line = buffer.slice(0, end);
        buffer = buffer.slice(end + 2);
        if (message !== null) {
          if (line === ".") {
            this.#take(to, message);
            message = null;
            say("250 taken");
          } else {
            message += `${line.replace(/^\./, "")}\r\n`;
          }
        } else if (/^DATA/i.test(line)) {
          message = "";
          say("354 go on");
        } else if (/^QUIT/i.test(line)) {
          say("221 bye");
          socket.end();
        } else {
          if (/^MAIL/i.test(line)) to = [];
          if (/^RCPT/i.test(line)) to.push(/<(.*)>/.exec(line)?.[1]);
          say("250 fine");
        }
      }
    });
  }

  #take(to, raw) {
    const [, part = ""] = raw.split("Content-Type: text/plain");
    const body = part.slice(part.indexOf("\r\n\r\n") + 4).split("\r\n--")[0];
    const subject = /^Subject: (.*)$/m.exec(raw)?.[1].trim();
    this.messages.push({ to, subject, text: decode(body) });
    for (const look of this.waiting.splice(0)) look();
  }

  /** The link of the first message to an address with a subject, as soon as it has come. */
  async link(address, subject) {
    const deadline = Date.now() + 60_000;
    for (;;) {
      const at = this.messages.findIndex((one) => one.to.includes(address) && one.subject === subject);
      if (at >= 0) return /https?:\/\/\S+token=\S+/.exec(this.messages.splice(at, 1)[0].text)[0];
      if (Date.now() > deadline) throw new Error(`no “${subject}” to ${address}; there are ${JSON.stringify(this.messages)}`);
      await new Promise((resolve) => {
        this.waiting.push(resolve);
        setTimeout(resolve, 1000);
      });
    }
  }

  async close() {
    await new Promise((resolve) => this.server.close(resolve));
  }
}
