"""What tests/sight/run checks. Standard library only.

configure FILE    prints the shipped configuration of Prometheus with the addresses of this run, and a short interval
check DEPLOY      makes something happen at the services, and puts every query of the dashboard and of the alert rules to
                  Prometheus
"""

import concurrent.futures
import json
import os
import re
import socket
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

PATIENCE = 60
# Long enough for a rate over several scrapes of this run.
RANGE = "10s"
WORDS = {
    "and", "or", "unless", "by", "without", "on", "ignoring", "group_left", "group_right", "bool", "offset", "inf", "nan",
}
# Nothing of the kind happens in this run, so there is nothing to be seen; the metrics themselves must be there all the same.
QUIET = {"access_tokens_unchecked_total"}


def configure(path):
    text = open(path, encoding="utf-8").read()
    targets = {"auth-service": os.environ["METRICS_OF_AUTH"], "resource-service": os.environ["METRICS_OF_RESOURCE"]}

    def static(match):
        return f"static_configs:\n      - targets: ['{targets.pop(match[1])}']"

    text = re.sub(r"dns_sd_configs:\n +- names: \[(\S+)\]\n +type: A\n +port: \d+\n +refresh_interval: \S+", static, text)
    assert not targets, f"no discovery of {list(targets)}"
    text = text.replace("localhost:9090", os.environ["PROMETHEUS"]).replace("interval: 15s", "interval: 1s")
    print(text)


def send(url, form=None, token=None):
    """The status and the body of an answer, whatever it says."""
    request = urllib.request.Request(url, data=form and urllib.parse.urlencode(form).encode())
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def traffic():
    """A little of everything that the dashboard shows."""
    issuer, resource = os.environ["STACK_ISSUER"], os.environ["STACK_RESOURCE"]
    login = {"grant_type": "password", "username": "the-reader", "password": os.environ["STACK_PASSWORD"]}
    status, body = send(f"{issuer}/oauth2/token", login)
    assert status == 200, body
    tokens = json.loads(body)
    forged = tokens["access_token"][:-8] + "AAAAAAAA"
    for token in [tokens["access_token"], tokens["access_token"], forged, "nonsense", None]:
        send(f"{resource}/documents", token=token)
    send(f"{issuer}/oauth2/token", {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]})
    send(f"{issuer}/oauth2/token", {**login, "password": "wrong"})
    send(f"{issuer}/oauth2/token", {**login, "username": "nobody"})
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for _ in range(10):
            if 429 in list(pool.map(lambda _: send(f"{issuer}/oauth2/revoke")[0], range(200))):
                return
    raise AssertionError("the rate limit of /oauth2/ is not reached")


def ask(path, **parameters):
    url = f"http://{os.environ['PROMETHEUS']}/api/v1/{path}"
    status, body = send(url, parameters or None)
    answer = json.loads(body)
    if status != 200 or answer["status"] != "success":
        raise ValueError(answer.get("error", status))
    return answer["data"]


def wait_for(what, query):
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            if ask("query", query=query)["result"]:
                return
        except (OSError, ValueError):
            pass
        assert time.monotonic() < deadline, f"{what} within {PATIENCE} s"
        time.sleep(0.25)


def names(query):
    """The metrics that a query names."""
    query = re.sub(r'"[^"]*"', "", query)
    query = re.sub(r"\{[^}]*\}|\[[^\]]*\]", "", query)
    query = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", query)
    found = re.finditer(r"(?<![\w.])([a-zA-Z_:][\w:]*)\s*(\(?)", query)
    return {match[1] for match in found if not match[2] and match[1] not in WORDS}


def exposed():
    """The names of all series that the services have, or say that they will have."""
    found = {"up"}
    for address in [os.environ["METRICS_OF_AUTH"], os.environ["METRICS_OF_RESOURCE"]]:
        text = send(f"http://{address}/metrics")[1].decode()
        for line in text.splitlines():
            if match := re.match(r"# TYPE (\S+) counter", line):
                found.add(f"{match[1]}_total")
            elif not line.startswith("#"):
                found.add(re.match(r"[\w:]+", line)[0])
    return found


def of_dashboard(path):
    dashboard = json.load(open(path, encoding="utf-8"))
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
    for annotation in dashboard["annotations"]["list"]:
        yield annotation["name"], annotation["expr"]


class Report:
    def __init__(self):
        self.passed = self.failed = 0

    def line(self, is_good, text):
        self.passed += is_good
        self.failed += not is_good
        print(f"  {'ok    ' if is_good else 'FAILED'} {text}", flush=True)


def put(report, where, query, known, must_show):
    """Puts a query to Prometheus."""
    try:
        missing = sorted(names(query) - known)
        result = ask("query", query=query.replace("$__rate_interval", RANGE))["result"]
    except ValueError as error:
        return report.line(False, f"{where}: {error}: {query}")
    if missing:
        return report.line(False, f"{where}: there is no {', '.join(missing)}: {query}")
    if must_show and not result and not names(query) & QUIET:
        return report.line(False, f"{where}: nothing to see: {query}")
    return report.line(True, f"{where}: {len(result)} series")


def half_a_request():
    """A connection on which a request begins and never goes on: it is cut."""
    url = urllib.parse.urlsplit(os.environ["STACK_RESOURCE"])
    connection = socket.create_connection(("127.0.0.1", url.port))
    connection.sendall(b"GET / HTTP/1.1\r\n")
    return connection


def check(deploy):
    hanging = half_a_request()
    wait_for("both services are scraped", 'count(up{job=~"auth-service|resource-service"} == 1) == 2')
    # A rate needs a series that was there before; the first time makes them, the second moves them.
    traffic()
    time.sleep(2)
    traffic()
    wait_for("the second traffic is seen", 'sum(increase(token_requests_total{outcome="issued"}[10s])) > 0')
    wait_for("a connection is cut", 'sum(http_connections_cut_total) > 0')
    hanging.close()
    known, report = exposed(), Report()

    print("\nthe dashboard")
    for title, query in of_dashboard(f"{deploy}/grafana/dashboards/oauth.json"):
        put(report, title, query, known, must_show=title != "Starts")

    print("\nthe alert rules")
    rules = [rule for group in ask("rules")["groups"] for rule in group["rules"]]
    report.line(len(rules) >= 20, f"{len(rules)} rules are loaded")
    for rule in rules:
        put(report, rule["name"], rule["query"], known, must_show=False)
        report.line(rule["health"] == "ok", f"{rule['name']}: {rule['health']} {rule.get('lastError', '')}")
        anchor = rule["annotations"]["runbook_url"]
        report.line(describes(deploy, anchor, rule["name"]), f"{rule['name']}: {anchor}")
    print(f"\nsight: {report.passed} passed, {report.failed} failed")
    return report.failed == 0


def describes(deploy, anchor, name):
    """Whether the page has a paragraph of this anchor."""
    path, _, fragment = anchor.partition("#")
    text = open(f"{deploy}/../{path}", encoding="utf-8").read()
    return fragment == name.lower() and re.search(rf"^#+ {name}$", text, re.MULTILINE) is not None


match sys.argv[1:]:
    case ["configure", path]:
        configure(path)
    case ["check", deploy]:
        sys.exit(0 if check(deploy) else 1)
    case _:
        sys.exit(__doc__)
