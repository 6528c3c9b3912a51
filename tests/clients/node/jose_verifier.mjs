// jose as a verifier: an access token against the published keys, which it fetches by itself.

import assert from "node:assert/strict";

import * as jose from "jose";

import { check, editor, issuer, resource } from "./checks.mjs";
import { logIn, metadata } from "./issuer.mjs";

const keys = jose.createRemoteJWKSet(new URL(metadata.jwks_uri));

const expected = {
  issuer,
  audience: resource,
  typ: "at+jwt",
  algorithms: ["RS256"],
  requiredClaims: ["exp", "sub", "client_id", "iat", "jti"],
};

const accessToken = async (wish) => (await logIn(editor, wish)).access_token;

await check("jose: the access token verifies with the remote key set: alg, typ, iss, aud, required claims", async () => {
  const { payload, protectedHeader } = await jose.jwtVerify(await accessToken(), keys, expected);
  assert.equal(protectedHeader.alg, "RS256");
  assert.equal(payload.sub.length > 0, true);
  for (const date of ["iat", "exp"]) {
    assert.ok(Number.isInteger(payload[date]), `${date} is an integer`);
  }
});

await check("jose: every published key is a public key whose kid is its RFC 7638 thumbprint", async () => {
  const published = await (await fetch(metadata.jwks_uri)).json();
  assert.ok(published.keys.length > 0);
  for (const key of published.keys) {
    assert.equal((await jose.importJWK(key)).type, "public");
    assert.equal(key.kid, await jose.calculateJwkThumbprint(key));
  }
});

await check("jose: a token for the issuer itself is refused by whoever expects the other audience", async () => {
  const token = await accessToken({ scope: "account" });
  await assert.rejects(jose.jwtVerify(token, keys, expected), { code: "ERR_JWT_CLAIM_VALIDATION_FAILED", claim: "aud" });
});

await check("jose: a token whose claims were changed does not verify", async () => {
  const [header, payload, signature] = (await accessToken()).split(".");
  const claims = { ...JSON.parse(Buffer.from(payload, "base64url")), roles: ["admin"] };
  const tampered = [header, Buffer.from(JSON.stringify(claims)).toString("base64url"), signature].join(".");
  await assert.rejects(jose.jwtVerify(tampered, keys, expected), { code: "ERR_JWS_SIGNATURE_VERIFICATION_FAILED" });
});
