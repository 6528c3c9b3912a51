"""Asks a Prometheus whether its targets are up and its rules evaluated, and everything that the dashboards ask.

usage: queries.py PROMETHEUS DASHBOARD...     (deploy/profiles-check starts it)

WITHOUT names targets that were left out. It waits two minutes at most for two scrapes of every target.
"""

import json
import os
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

PROMETHEUS, DASHBOARDS = sys.argv[1], sys.argv[2:]
LEFT_OUT = os.environ.get("WITHOUT", "").split()


def get(path, **query):
    """What the API says: its data, or its complaint as text."""
    url = f"{PROMETHEUS}/api/v1/{path}?{urllib.parse.urlencode(query)}"
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return json.load(answer)["data"]
    except urllib.error.HTTPError as error:
        return error.read().decode()


def targets():
    """The targets, without those that were left out."""
    found = get("targets", state="active")["activeTargets"]
    return [target for target in found if not any(name in target["scrapeUrl"] for name in LEFT_OUT)]


def expressions():
    """Every query of every panel, and of every variable, with Grafana's variables replaced by what they may stand for."""
    def within(value):
        if isinstance(value, dict):
            if isinstance(value.get("expr"), str):
                yield value["expr"]
            value = list(value.values())
        if isinstance(value, list):
            for inner in value:
                yield from within(inner)

    for path in DASHBOARDS:
        with open(path, encoding="utf-8") as file:
            for expression in within(json.load(file)):
                expression = re.sub(r"\$(__rate_interval|__interval|__range|\{__(rate_interval|interval|range)\})", "5m", expression)
                yield re.sub(r"\$(\w+|\{[^}]*\})", ".*", expression)


def wait_for_targets():
    """Until all are up, and have been for long enough to have a rate."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        found = targets()
        jobs = {target["labels"]["job"] for target in found}
        if found and all(target["health"] == "up" for target in found):
            twice = get("query", query="min(count_over_time(up[5m])) by (job)")["result"]
            seen = {row["metric"].get("job") for row in twice if float(row["value"][1]) >= 2}
            if jobs <= seen:
                return found
        time.sleep(2)
    for target in targets():
        print(f"  FAILED target {target['scrapeUrl']}: {target['health']} {target['lastError']}")
    return []


def main():
    """Says what holds; false if anything does not."""
    found = wait_for_targets()
    for target in found:
        print(f"  up     {target['labels']['job']} {target['scrapeUrl']}")
    failed = not found
    rules = [rule for group in get("rules")["groups"] for rule in group["rules"]]
    for rule in rules:
        if rule["health"] == "err":
            failed = True
            print(f"  FAILED rule {rule['name']}: {rule.get('lastError')}")
    asked = answered = 0
    for expression in expressions():
        asked += 1
        data = get("query", query=expression)
        if isinstance(data, str):
            failed = True
            print(f"  FAILED query {expression}: {data}")
        elif data["result"]:
            answered += 1
        else:
            print(f"  empty  {' '.join(expression.split())}")
    print(f"  {len(found)} targets up, {len(rules)} rules loaded, {asked} queries asked, {answered} of them with data")
    return not failed and rules and asked and answered * 2 >= asked


sys.exit(not main())
