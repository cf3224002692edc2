"""A hub on this machine, by real HTTP: as much of its protocol as models need."""

import base64
import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "hf_a_token_that_may_write"


class Hub(ThreadingHTTPServer):
    """Holds the files of each model; ``asked`` lists what it was asked for.

    Attributes:
        models: By ``owner/name``, the files' bytes by path. Every write makes a new commit.
        broken: Whether it answers with an error of its own.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.models, self.asked, self.broken = {}, [], False
        self.address = f"http://127.0.0.1:{self.server_address[1]}"

    def commit(self, name):
        parts = (part for item in sorted(self.models[name].items()) for part in item)
        joined = b"".join(part if isinstance(part, bytes) else part.encode() for part in parts)
        return hashlib.sha1(joined).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self._read()

    def do_HEAD(self):
        self._read()

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self._chunked():
            body = self._chunks()
        path = self.path.partition("?")[0]
        self.server.asked.append(f"POST {path}")
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._say(401, {"error": "Invalid username or password."})
        if path == "/api/repos/create":
            made = json.loads(body)
            name = f"{made.get('organization', 'me')}/{made['name']}"
            self.server.models.setdefault(name, {})
            return self._say(200, {"url": f"{self.server.address}/{name}", "name": name})
        if path == "/api/validate-yaml":
            return self._say(200, {"errors": [], "warnings": []})
        parts = path.split("/")
        name, verb = "/".join(parts[3:5]), parts[5]
        if verb == "preupload":
            files = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                for file in json.loads(body)["files"]
            ]
            return self._say(200, {"files": files})
        assert verb == "commit", path
        for line in map(json.loads, body.splitlines()):
            if line["key"] == "file":
                value = line["value"]
                self.server.models[name][value["path"]] = base64.b64decode(value["content"])
        oid = self.server.commit(name)
        url = f"{self.server.address}/{name}/commit/{oid}"
        return self._say(200, {"success": True, "commitOid": oid, "commitUrl": url})

    def _read(self):  # noqa: PLR0911 - one answer per kind of request
        path = self.path.partition("?")[0]
        self.server.asked.append(f"{self.command} {path}")
        parts = path.strip("/").split("/")
        if self.server.broken:
            return self._say(500, {"error": "on fire"})
        if parts[:2] == ["api", "models"]:
            name = "/".join(parts[2:4])
            if name not in self.server.models:
                return self._missing("RepoNotFound")
            files, oid = self.server.models[name], self.server.commit(name)
            if parts[4:5] == ["tree"]:
                entries = [
                    {"type": "file", "path": path, "size": len(data), "oid": _blob(data)}
                    for path, data in files.items()
                ]
                return self._say(200, entries)
            if parts[4:5] == ["revision"] and parts[5] not in ("main", "v1", oid):
                return self._missing("RevisionNotFound")
            siblings = [{"rfilename": path} for path in files]
            return self._say(200, {"id": name, "sha": oid, "siblings": siblings, "tags": []})
        name, file = "/".join(parts[:2]), "/".join(parts[4:])
        data = self.server.models.get(name, {}).get(file)
        if data is None:
            return self._missing("EntryNotFound")
        known = {"ETag": f'"{_blob(data)}"', "X-Repo-Commit": self.server.commit(name)}
        return self._say(200, data, known)

    def _missing(self, code):
        self._say(404 if code != "RepoNotFound" else 401, {"error": code}, {"X-Error-Code": code})

    def _say(self, status, answer, headers=()):
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        kind = "application/octet-stream" if isinstance(answer, bytes) else "application/json"
        more = {"Content-Type": kind, "Content-Length": str(len(data)), **dict(headers)}
        for name, value in more.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _chunked(self):
        return "chunked" in (self.headers.get("Transfer-Encoding") or "")

    def _chunks(self):
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body


def _blob(data):
    """Name content as git does."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@contextmanager
def running():
    hub = Hub()
    thread = threading.Thread(target=hub.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()
        thread.join()
