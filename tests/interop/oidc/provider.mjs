// An OpenID Connect provider for a test: the certified implementation of npm, with people of ours.

import { generateKeyPair } from "node:crypto";
import { createServer } from "node:http";
import { promisify } from "node:util";

import Provider from "oidc-provider";

const person = (email, rest = {}) => ({ email, email_verified: true, ...rest });

/** Who has an account at the provider; any password will do there. */
export const people = {
  ada: person("ada@example.com", { name: "Ada Lovelace", preferred_username: "ada" }),
  bob: person("bob@example.com", { name: "Bob" }),
  // Says that she is Bob, which nobody has verified.
  mallory: person("bob@example.com", { email_verified: false }),
};

export const client = { id: "vestibule", secret: "a secret of the tests: / & ?" };

async function signingKey(kid) {
  const { privateKey } = await promisify(generateKeyPair)("rsa", { modulusLength: 2048 });
  return { ...privateKey.export({ format: "jwk" }), kid, use: "sig", alg: "RS256" };
}

/** Starts a provider that sends people back to `callback`; gives its issuer and a way to stop it. */
export async function start(callback) {
  // A test that failed before it could stop this ends all the same.
  const server = createServer().unref();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{ client_id: client.id, client_secret: client.secret, redirect_uris: [callback] }],
    findAccount: (_, id) => people[id] && { accountId: id, claims: async () => ({ sub: id, ...people[id] }) },
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name", "preferred_username"] },
    pkce: { required: () => true },
    cookies: { keys: ["for the tests only"] },
    jwks: { keys: [await signingKey("first")] },
  });
  // What went wrong at the provider is what a failed test wants to know.
  for (const event of ["server_error", "authorization.error", "grant.error", "userinfo.error"]) {
    provider.on(event, (_, error) => error.error !== "access_denied" && console.error(event, error));
  }
  server.on("request", provider.callback());
  return { issuer, stop: () => new Promise((resolve) => { server.close(resolve); server.closeAllConnections(); }) };
}
