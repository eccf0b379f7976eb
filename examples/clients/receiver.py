"""Receives webhooks with Python's standard library alone: checks each signature and tells repeated calls.

    CARILLON_WEBHOOK_SECRET=whsec_… python3 examples/clients/receiver.py

PORT   8080 where not set; 0 takes a free one

The secret is shown once by registerWebhook, or by rotateAccountWebhookSecret for the URLs given with jobs.
"""

import base64
import hashlib
import hmac
import os
import threading
import time
from collections import OrderedDict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOLERANCE_SECONDS = 300
MAX_BODY_BYTES = 2 * 1024 * 1024
MAX_IDS = 100_000

KEY = base64.b64decode(os.environ["CARILLON_WEBHOOK_SECRET"].removeprefix("whsec_"), validate=True)


def is_genuine(headers, body: bytes) -> bool:
    """Standard Webhooks: HMAC-SHA256 over "id.timestamp.body", the body as the bytes that came."""
    webhook_id = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    if not webhook_id or not timestamp.isdecimal() or abs(time.time() - int(timestamp)) > TOLERANCE_SECONDS:
        return False
    content = f"{webhook_id}.{timestamp}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.new(KEY, content, hashlib.sha256).digest()).decode()
    # While a secret is being replaced a sender may write several signatures; comparing takes constant time.
    signatures = headers.get("webhook-signature", "").split(" ")
    return any(hmac.compare_digest(expected.encode(), signature.encode()) for signature in signatures)


seen = OrderedDict()
lock = threading.Lock()


def is_new(webhook_id: str) -> bool:
    """Remembers ids in memory; where a repeated call would hurt, keep them in your database."""
    with lock:
        if webhook_id in seen:
            return False
        seen[webhook_id] = True
        if len(seen) > MAX_IDS:
            seen.popitem(last=False)
        return True


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        length = int(self.headers.get("content-length", 0))
        if length > MAX_BODY_BYTES:
            self.answer(413)
            return
        body = self.rfile.read(length)
        if not is_genuine(self.headers, body):
            print("refused", flush=True)
            self.answer(400)
            return
        self.answer(204)
        webhook_id = self.headers["webhook-id"]
        what = self.headers.get("x-carillon-event", "") if is_new(webhook_id) else "again"
        # One write: lines of two threads must not get into each other.
        print(f"{what}   {webhook_id}   {body.decode()}\n", end="", flush=True)

    def answer(self, status: int):
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", 8080))), Receiver)
print(f"listening on http://127.0.0.1:{server.server_port}/", flush=True)
server.serve_forever()
