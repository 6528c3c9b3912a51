// oauth4webapi, which refuses whatever is not exactly as the RFCs have it, as client and as resource server.

import assert from "node:assert/strict";

import * as oauth from "oauth4webapi";

import { check, documents, editor, issuer, password, reader, resource } from "./checks.mjs";
import { firstParty, insecure, logIn, metadata } from "./issuer.mjs";

const call = (tokens, method, url, body) => {
  const headers = new Headers(body ? { "content-type": "application/json" } : {});
  return oauth.protectedResourceRequest(tokens.access_token, method, url, headers, body && JSON.stringify(body), insecure);
};

const validate = (tokens, audience) => {
  const request = new Request(documents, { headers: { authorization: `Bearer ${tokens.access_token}` } });
  return oauth.validateJwtAccessToken(metadata, request, audience, { signingAlgorithms: ["RS256"], ...insecure });
};

/** The challenges (RFC 9110 §11.6.1) by which a request is refused, as oauth4webapi reads them. */
async function challenges(request) {
  try {
    await request;
  } catch (error) {
    assert.ok(error instanceof oauth.WWWAuthenticateChallengeError, error);
    return { status: error.status, challenges: error.cause };
  }
  return assert.fail("there was no challenge");
}

await check("oauth4webapi: discovery finds the issuer's metadata, with the password grant in it", () => {
  assert.equal(metadata.issuer, issuer);
  assert.ok(metadata.grant_types_supported.includes("password"));
  assert.ok(metadata.token_endpoint_auth_methods_supported.includes("none"));
});

await check("oauth4webapi: the password grant answers a Bearer token with its lifetime and scope", async () => {
  const tokens = await logIn(reader);
  assert.equal(tokens.token_type, "bearer");
  assert.ok(Number.isInteger(tokens.expires_in) && tokens.expires_in > 0);
  assert.equal(tokens.scope, "documents:read");
});

await check("oauth4webapi: a wrong password is 400 invalid_grant", async () => {
  await assert.rejects(logIn(reader, {}, "not the password"), (error) => {
    assert.ok(error instanceof oauth.ResponseBodyError, error);
    assert.deepEqual([error.status, error.error], [400, "invalid_grant"]);
    assert.ok(error.error_description);
    return true;
  });
});

await check("oauth4webapi: a client that fails to authenticate by Basic is challenged to do so", async () => {
  const wrong = oauth.ClientSecretBasic("a secret it does not have");
  const login = { username: reader, password };
  const response = await oauth.genericTokenEndpointRequest(metadata, firstParty, wrong, "password", login, insecure);
  const refusal = await challenges(oauth.processGenericTokenEndpointResponse(metadata, firstParty, response));
  assert.equal(refusal.status, 401);
  assert.deepEqual(refusal.challenges.map((challenge) => challenge.scheme), ["basic"]);
  assert.equal((await response.json()).error, "invalid_client");
});

await check("oauth4webapi: an access token is valid after RFC 9068 at its audience", async () => {
  const claims = await validate(await logIn(editor), resource);
  assert.equal(claims.client_id, firstParty.client_id);
  assert.deepEqual(claims.roles, ["editor"]);
  assert.equal(claims.scope, "documents:read documents:write");
});

await check("oauth4webapi: the same token is not valid for another audience", async () => {
  await assert.rejects(validate(await logIn(editor), issuer), { code: oauth.JWT_CLAIM_COMPARISON });
});

await check("oauth4webapi: GET and POST /documents are open to an editor", async () => {
  const tokens = await logIn(editor);
  const created = await call(tokens, "POST", documents, { title: "From oauth4webapi", content: "Grüße" });
  assert.equal(created.status, 201);
  const read = await call(tokens, "GET", new URL(created.headers.get("location"), documents));
  assert.equal(read.status, 200);
  assert.equal((await read.json()).content, "Grüße");
  assert.equal((await call(tokens, "GET", documents)).status, 200);
});

await check("oauth4webapi: POST /documents as a reader is a challenge, insufficient_scope and the scope", async () => {
  const refusal = await challenges(call(await logIn(reader), "POST", documents, { title: "No", content: "" }));
  assert.equal(refusal.status, 403);
  const [{ scheme, parameters }, ...others] = refusal.challenges;
  assert.deepEqual([scheme, parameters.error, parameters.scope], ["bearer", "insufficient_scope", "documents:write"]);
  assert.equal(others.length, 0);
});

await check("oauth4webapi: a token for the issuer opens /account there, and nothing at the other service", async () => {
  const tokens = await logIn(editor, { scope: "account" });
  const account = await call(tokens, "GET", new URL(`${issuer}/account`));
  assert.equal((await account.json()).username, editor);
  const refusal = await challenges(call(tokens, "GET", documents));
  assert.deepEqual([refusal.status, refusal.challenges[0].parameters.error], [401, "invalid_token"]);
});

await check("oauth4webapi: by the API's address alone a client finds the issuer, logs in and calls (RFC 9728)", async () => {
  const refusal = await challenges(call({ access_token: "not-a-token" }, "GET", documents));
  const pointer = refusal.challenges[0].parameters.resource_metadata;
  assert.equal(pointer, `${resource}/.well-known/oauth-protected-resource`);

  const identifier = new URL(resource);
  const discovery = await oauth.resourceDiscoveryRequest(identifier, insecure);
  const described = await oauth.processResourceDiscoveryResponse(identifier, discovery);
  assert.equal(discovery.url, pointer);
  assert.equal(described.resource, resource);
  assert.deepEqual(described.authorization_servers, [metadata.issuer]);
  assert.deepEqual(described.bearer_methods_supported, ["header"]);
  assert.ok(metadata.protected_resources.includes(described.resource));

  const tokens = await logIn(reader, { resource: described.resource, scope: "documents:read" });
  assert.equal((await call(tokens, "GET", documents)).status, 200);
});
