"""A program behind forward auth that answers whatever it is asked, and remembers what that was."""

import http.server
import itertools
import threading

UNDERSTOOD, NUMBERS = [], itertools.count()


class Program(http.server.BaseHTTPRequestHandler):
    """One connection to it."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        """Takes the body as its length says, and no other."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        name = f"{next(NUMBERS):032x}"
        UNDERSTOOD.append({"trace_id": self.headers.get("traceparent", "--").split("-")[1], "request_id": name,
                           "client_ip": self.headers.get("X-Forwarded-For"), "method": self.command})
        self.send_response(200)
        self.send_header("X-Request-Id", name)
        self.send_header("Content-Length", str(len(name)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(name.encode())

    do_GET = do_HEAD = do_POST = do_DELETE = do_OPTIONS = answer

    def log_message(self, *_):  # pylint: disable=arguments-differ
        """It says nothing."""


def start():
    """Starts it; the port it listens at."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Program)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port
