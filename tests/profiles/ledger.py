"""Load on replicas behind nginx, with a ledger: what was acknowledged, what failed, and what of it is still there afterwards.

usage: ledger.py AUTHORITY AUTH RESOURCE USER PASSWORD SIGNAL     (deploy/profiles-check starts it)

Eight sessions refresh, write and read. The file SIGNAL.ready appears once all of them are at work; five seconds after SIGNAL
appeared they stop. AUTHORITY is the certificate of whom to trust. Nothing is tried twice.
"""

import base64
import collections
import http.client
import json
import os
import pathlib
import socket
import ssl
import sys
import threading
import time
import urllib.parse

AUTHORITY, AUTH, RESOURCE, USER, PASSWORD, SIGNAL = sys.argv[1:]
SESSIONS, AFTER, PAUSE = 8, 5, 0.1
TRUST = ssl.create_default_context(cafile=AUTHORITY)

counted = collections.Counter()
failures = []
lock = threading.Lock()
stop = threading.Event()


def ask(method, url, wanted, headers=None, body=None):
    """One request on a connection of its own; the answer's JSON, or None if it failed, which is written down."""
    at = urllib.parse.urlsplit(url)
    place, started = at.path + (at.query and "?" + at.query), time.monotonic()
    try:
        connection = http.client.HTTPSConnection("127.0.0.1", at.port, timeout=30, context=TRUST)
        # The name is not for the resolver: this machine may not know names below localhost.
        connection.sock = TRUST.wrap_socket(connect(at.port), server_hostname=at.hostname)
        connection.request(method, place, body, {"Host": at.netloc, "Connection": "close", **(headers or {})})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        said = f"{answer.status} {text[:200]!r}"
        found = json.loads(text) if text else {}
        good = answer.status == wanted
    except (OSError, http.client.HTTPException, ValueError) as error:
        said, found, good = repr(error), None, False
    with lock:
        counted[f"{method} {at.path.split('/doc_')[0]}"] += 1
        if not good:
            failures.append(f"{method} {place} after {time.monotonic() - started:.2f} s: {said}")
    return found if good else None


def connect(port):
    """A connection to nginx."""
    return socket.create_connection(("127.0.0.1", port), 30)


def tokens(form):
    """What the token endpoint gives for this form."""
    basic = base64.b64encode(b"web-app:").decode()
    headers = {"Authorization": f"Basic {basic}", "Content-Type": "application/x-www-form-urlencoded"}
    return ask("POST", f"{AUTH}/oauth2/token", 200, headers, urllib.parse.urlencode(form))


class Session(threading.Thread):
    """One login: the newest refresh token, and the documents that were acknowledged."""

    def __init__(self):
        super().__init__(daemon=True)
        self.refresh_token, self.documents, self.rounds = None, [], 0

    def run(self):
        """Refreshes, writes and reads until told to stop, or until something failed."""
        pair = tokens({"grant_type": "password", "username": USER, "password": PASSWORD})
        while pair and not stop.is_set():
            self.refresh_token = pair["refresh_token"]
            headers = {"Authorization": f"Bearer {pair['access_token']}", "Content-Type": "application/json"}
            text = {"title": "Acknowledged", "content": str(self.rounds)}
            document = ask("POST", f"{RESOURCE}/documents", 201, headers, json.dumps(text))
            if document:
                self.documents.append(document["id"])
            ask("GET", f"{RESOURCE}/documents?limit=1", 200, headers)
            ask("GET", f"{AUTH}/.well-known/jwks.json", 200)
            self.rounds += 1
            time.sleep(PAUSE)
            pair = tokens({"grant_type": "refresh_token", "refresh_token": self.refresh_token})
        if pair:
            self.refresh_token = pair["refresh_token"]

    def settle(self):
        """After the load: is the session alive, and is every document there? How much was lost."""
        pair = tokens({"grant_type": "refresh_token", "refresh_token": self.refresh_token})
        if not pair:
            return 1, len(self.documents)
        headers = {"Authorization": f"Bearer {pair['access_token']}"}
        return 0, sum(not ask("GET", f"{RESOURCE}/documents/{document}", 200, headers) for document in self.documents)


def main():
    """The load, the wait for the signal, and the ledger."""
    sessions = [Session() for _ in range(SESSIONS)]
    for session in sessions:
        session.start()
    deadline = time.monotonic() + 120
    while not all(session.rounds >= 3 for session in sessions) and not failures and time.monotonic() < deadline:
        time.sleep(0.1)
    pathlib.Path(SIGNAL + ".ready").touch()
    while not os.path.exists(SIGNAL) and time.monotonic() < deadline:
        time.sleep(0.1)
    before = sum(counted.values())
    time.sleep(AFTER)
    stop.set()
    for session in sessions:
        session.join(60)
    under_load = sum(counted.values())
    settled = [session.settle() for session in sessions]
    for what, number in sorted(counted.items()):
        print(f"       {number:5}  {what}")
    documents = sum(len(session.documents) for session in sessions)
    print(f"       {under_load} requests under load, {under_load - before} of them after the kill, {len(failures)} failed")
    print(f"       {SESSIONS} sessions, {sum(ended for ended, _ in settled)} logged out;"
          f" {documents} documents acknowledged, {sum(lost for _, lost in settled)} lost")
    print("".join(f"       FAILED {failure}\n" for failure in failures[:20]), end="")
    return bool(failures or under_load == before or documents == 0 or any(map(any, settled)))


sys.exit(main())
