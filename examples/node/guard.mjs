// Turns the bearer token of a request into a caller (RFC 9068 section 4), or says no as RFC 6750 wants it.

import * as jose from "jose";

import { Refusal } from "./refusal.mjs";
import { StatusLists } from "./status_lists.mjs";

const LEEWAY = 30;
const MAX_LIFETIME = 3600;
const MAX_LENGTH = 8 * 1024;

const isText = (value) => typeof value === "string" && value !== "";

export class Guard {
  constructor(issuer, audience) {
    this.issuer = issuer;
    this.audience = audience;
    this.lists = new StatusLists(issuer, (token, options) => this.verify(token, options));
  }

  // Who calls, if the token allows this scope and the caller has this role.
  async require(request, scope, role) {
    const claims = await this.claims(bearerToken(request));
    if (!(claims.scope ?? "").split(" ").includes(scope)) {
      throw Refusal.challenge(403, "insufficient_scope", `the access token lacks scope: ${scope}`, { scope });
    }
    if (role && !(claims.roles ?? []).includes(role)) {
      throw Refusal.challenge(403, "insufficient_scope", `the caller lacks the role: ${role}`);
    }
    return { subject: claims.sub, client: claims.client_id };
  }

  async claims(token) {
    const requiredClaims = ["exp", "sub", "client_id", "iat", "jti"];
    const options = { issuer: this.issuer, audience: this.audience, typ: "at+jwt", requiredClaims };
    if (token.length > MAX_LENGTH) throw invalid("the access token is too long");
    const claims = await this.verify(token, options);
    check(claims);
    if (claims.status && (await this.lists.isRevoked(claims.status))) throw invalid("the access token has been revoked");
    return claims;
  }

  // The claims of a JWT whose signature holds by a key of the issuer.
  async verify(token, options) {
    // jose is lenient where it decodes base64url, and takes the only key there is if the token names none.
    if (token.split(".").some((part) => Buffer.from(part, "base64url").toString("base64url") !== part)) {
      throw invalid("the access token is malformed");
    }
    try {
      const { kid } = jose.decodeProtectedHeader(token);
      if (!isText(kid) || !/^[A-Za-z0-9_-]{1,64}$/.test(kid)) throw invalid("the access token names no key");
      const keys = await this.keys();
      const always = { algorithms: ["RS256"], clockTolerance: LEEWAY };
      return (await jose.jwtVerify(token, keys, { ...options, ...always })).payload;
    } catch (error) {
      throw refusalFor(error);
    }
  }

  // The issuer's keys, found by its metadata (RFC 8414); jose renews them, and asks for unknown ones at a bounded pace.
  async keys() {
    this.found ??= this.discover().catch((error) => {
      this.found = undefined;
      throw error;
    });
    return this.found;
  }

  async discover() {
    const url = new URL(this.issuer);
    url.pathname = `/.well-known/oauth-authorization-server${url.pathname === "/" ? "" : url.pathname}`;
    const answer = await fetch(url, { redirect: "error", signal: AbortSignal.timeout(5000) }).catch(() => undefined);
    const metadata = answer?.ok ? await answer.json().catch(() => undefined) : undefined;
    if (metadata?.issuer !== this.issuer) throw Refusal.unavailable();
    if (new URL(metadata.jwks_uri).origin !== url.origin) throw Refusal.unavailable();
    return jose.createRemoteJWKSet(new URL(metadata.jwks_uri), { cacheMaxAge: 300_000, cooldownDuration: 5_000 });
  }
}

function invalid(message) {
  return Refusal.challenge(401, "invalid_token", message);
}

// What the token is at fault for, and what we are.
function refusalFor(error) {
  if (error instanceof Refusal) return error;
  const { JWKSNoMatchingKey, JWKSTimeout, JWKSInvalid, JOSEError } = jose.errors;
  if (error instanceof JWKSNoMatchingKey) return invalid("the issuer does not publish the key of the access token");
  const isOurs = error instanceof JWKSTimeout || error instanceof JWKSInvalid || error.code === "ERR_JOSE_GENERIC";
  if (isOurs || error.cause?.code === "ECONNREFUSED") return Refusal.unavailable();
  if (error instanceof JOSEError || error instanceof TypeError) return invalid("the access token is not good here");
  return error;
}

// What jose does not look at.
function check(claims) {
  const { sub, client_id, jti, iat, exp, scope = "", roles = [] } = claims;
  if (![sub, client_id, jti].every(isText)) throw invalid("the access token lacks a claim");
  if (![iat, exp].every(Number.isSafeInteger)) throw invalid("a date of the access token is none");
  if (iat > Date.now() / 1000 + LEEWAY) throw invalid("the access token is not valid yet");
  if (exp <= iat || exp - iat > MAX_LIFETIME) throw invalid("the lifetime of the access token is not acceptable");
  if (typeof scope !== "string") throw invalid("the scope of the access token is not a text");
  if (!Array.isArray(roles) || !roles.every((role) => typeof role === "string")) {
    throw invalid("the roles of the access token are not a list of names");
  }
  if ("cnf" in claims) throw invalid("the access token is bound to a key");
}

// The one bearer token of a request: in the Authorization header, and nowhere else.
function bearerToken(request) {
  const headers = request.headersDistinct.authorization ?? [];
  if (!headers.some((header) => /^bearer( |$)/i.test(header))) {
    throw Refusal.challenge(401, undefined, "an access token is needed");
  }
  const [, token] = /^bearer +([A-Za-z0-9._~+/-]+=*)$/i.exec(headers[0]) ?? [];
  const isTwice = headers.length > 1 || new URL(request.url, "http://localhost").searchParams.has("access_token");
  if (!token || isTwice) {
    throw Refusal.challenge(400, "invalid_request", "the access token must be presented once, in the Authorization header");
  }
  return token;
}
