// What happens to tokens after the first answer, through oauth4webapi: refresh, revocation, client credentials,
// introspection.

import assert from "node:assert/strict";

import * as oauth from "oauth4webapi";

import { check, documents, editor, env, reader, resource } from "./checks.mjs";
import { firstParty, insecure, logIn, metadata } from "./issuer.mjs";

const isPublic = oauth.None();

// The confidential client, and how it authenticates.
const clientId = env("STACK_CLIENT_ID");
const confidential = { client_id: clientId };
const basic = oauth.ClientSecretBasic(env("STACK_CLIENT_SECRET"));
const post = oauth.ClientSecretPost(env("STACK_CLIENT_SECRET"));

async function refresh(token) {
  const response = await oauth.refreshTokenGrantRequest(metadata, firstParty, isPublic, token, insecure);
  return oauth.processRefreshTokenResponse(metadata, firstParty, response);
}

async function revoke(token, hint) {
  const options = { ...insecure, ...(hint && { additionalParameters: { token_type_hint: hint } }) };
  const response = await oauth.revocationRequest(metadata, firstParty, isPublic, token, options);
  await oauth.processRevocationResponse(response);
}

async function ownToken(authentication = basic) {
  const response = await oauth.clientCredentialsGrantRequest(metadata, confidential, authentication, {}, insecure);
  return oauth.processClientCredentialsResponse(metadata, confidential, response);
}

async function introspect(token, options = {}) {
  const response = await oauth.introspectionRequest(metadata, confidential, basic, token, { ...insecure, ...options });
  const answer = await oauth.processIntrospectionResponse(metadata, confidential, response);
  return { answer, response };
}

const isInvalidGrant = (error) => error instanceof oauth.ResponseBodyError && error.error === "invalid_grant";

await check("oauth4webapi: the metadata names the grants and endpoints of a token's life, and who may use them", () => {
  for (const grant of ["refresh_token", "client_credentials"]) {
    assert.ok(metadata.grant_types_supported.includes(grant), grant);
  }
  assert.ok(metadata.revocation_endpoint_auth_methods_supported.includes("none"));
  assert.ok(!metadata.introspection_endpoint_auth_methods_supported.includes("none"));
});

await check("oauth4webapi: refresh answers a new pair, and its access token is valid", async () => {
  const first = await logIn(editor);
  const second = await refresh(first.refresh_token);
  assert.ok(second.refresh_token && second.refresh_token !== first.refresh_token);
  assert.equal(second.scope, first.scope);
  const request = new Request(documents, { headers: { authorization: `Bearer ${second.access_token}` } });
  await oauth.validateJwtAccessToken(metadata, request, resource, insecure);
});

await check("oauth4webapi: an unknown refresh token is invalid_grant", async () => {
  await assert.rejects(refresh("no-such-token"), isInvalidGrant);
});

await check("oauth4webapi: a revoked refresh token is invalid_grant from then on", async () => {
  const { refresh_token: token } = await logIn(reader);
  await revoke(token);
  await assert.rejects(refresh(token), isInvalidGrant);
});

await check("oauth4webapi: revoking what is unknown, or with the wrong hint, is fine (RFC 7009 §2.2)", async () => {
  await revoke("no-such-token");
  const { refresh_token: token } = await logIn(reader);
  await revoke(token, "access_token");
  await assert.rejects(refresh(token), isInvalidGrant);
});

await check("oauth4webapi: client_credentials by Basic and in the body, without a refresh token", async () => {
  for (const authentication of [basic, post]) {
    const tokens = await ownToken(authentication);
    assert.equal(tokens.refresh_token, undefined);
    const request = new Request(documents, { headers: { authorization: `Bearer ${tokens.access_token}` } });
    const claims = await oauth.validateJwtAccessToken(metadata, request, resource, insecure);
    assert.deepEqual([claims.sub, claims.client_id], [clientId, clientId]);
    const answer = await oauth.protectedResourceRequest(tokens.access_token, "GET", documents, null, null, insecure);
    assert.equal(answer.status, 200);
  }
});

await check("oauth4webapi: client_credentials with a wrong secret is a Basic challenge", async () => {
  await assert.rejects(ownToken(oauth.ClientSecretBasic("wrong")), (error) => {
    assert.ok(error instanceof oauth.WWWAuthenticateChallengeError, error);
    assert.deepEqual([error.status, error.cause[0].scheme], [401, "basic"]);
    return true;
  });
});

await check("oauth4webapi: introspection tells the API's own client whose token it is", async () => {
  const { access_token: token } = await logIn(editor);
  const { answer } = await introspect(token);
  assert.deepEqual([answer.active, answer.client_id, answer.username], [true, firstParty.client_id, editor]);
  assert.deepEqual([answer.iss, answer.aud, answer.token_type], [metadata.issuer, resource, "Bearer"]);
});

await check("oauth4webapi: introspection tells nothing of an unknown token, and nothing to a public client", async () => {
  assert.deepEqual((await introspect("no-such-token")).answer, { active: false });
  const response = await oauth.introspectionRequest(metadata, firstParty, isPublic, "no-such-token", insecure);
  const isUnauthorized = (error) => error instanceof oauth.WWWAuthenticateChallengeError && error.status === 401;
  await assert.rejects(oauth.processIntrospectionResponse(metadata, firstParty, response), isUnauthorized);
});

await check("oauth4webapi: introspection tells that a token was revoked", async () => {
  const { access_token: token } = await ownToken();
  assert.equal((await introspect(token)).answer.active, true);
  await oauth.processRevocationResponse(await oauth.revocationRequest(metadata, confidential, basic, token, insecure));
  assert.deepEqual((await introspect(token)).answer, { active: false });
});

await check("oauth4webapi: introspection answers as a signed JWT when asked for one (RFC 9701)", async () => {
  const { access_token: token } = await logIn(reader);
  const { answer, response } = await introspect(token, { requestJwtResponse: true });
  assert.equal(response.headers.get("content-type"), "application/token-introspection+jwt");
  assert.deepEqual([answer.active, answer.username], [true, reader]);
  await oauth.validateApplicationLevelSignature(metadata, response, insecure);
});

await check("oauth4webapi: the metadata names the algorithm of those JWTs (RFC 9701 §7)", () => {
  assert.ok(metadata.introspection_signing_alg_values_supported?.includes("RS256"));
});
