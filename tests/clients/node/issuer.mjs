// The issuer as oauth4webapi knows it: discovered, never configured.

import * as oauth from "oauth4webapi";

import { issuer, password } from "./checks.mjs";

// The one concession to a server on loopback, made by the client's own switch: plain http.
export const insecure = { [oauth.allowInsecureRequests]: true };

// The public client that a development issuer knows from the start.
export const firstParty = { client_id: "first-party" };

const identifier = new URL(issuer);
const discovery = await oauth.discoveryRequest(identifier, { algorithm: "oauth2", ...insecure });

/** The issuer's metadata (RFC 8414). */
export const metadata = await oauth.processDiscoveryResponse(identifier, discovery);

/** Logs a user in and returns the token response. */
export async function logIn(username, wish = {}, secret = password) {
  const parameters = { username, password: secret, ...wish };
  const isPublic = oauth.None();
  const response = await oauth.genericTokenEndpointRequest(metadata, firstParty, isPublic, "password", parameters, insecure);
  return oauth.processGenericTokenEndpointResponse(metadata, firstParty, response);
}
