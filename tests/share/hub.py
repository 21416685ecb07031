"""A hub of one's own on 127.0.0.1: the few routes that huggingface_hub asks for to make, fill and read a repository."""

import base64
import hashlib
import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import unquote, urlsplit


class Hub:
    """repositories: owner/name -> file -> bytes; asked: "GET /path" of all that came in, in order."""

    def __init__(self):
        self.repositories, self.asked, self.made = {}, [], {}

    def commit(self, repo):
        """A name for what a repository holds now."""
        files = self.repositories[repo]
        return hashlib.sha1(repr(sorted((n, hashlib.sha1(b).digest()) for n, b in files.items())).encode()).hexdigest()

    def fetched(self):
        """Names of the files whose contents were asked for."""
        return [line.rpartition("/")[2] for line in self.asked if line.startswith("GET") and "/resolve/" in line]


class Answers(BaseHTTPRequestHandler):
    hub: Hub

    def log_message(self, format, *args):
        pass

    def answer(self, body=b"", status=200, **headers):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def find(self):
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append(f"{self.command} {path}")
        return path.strip("/").split("/")

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        hub, parts = self.hub, self.find()
        repo = "/".join(parts[2:4] if parts[0] == "api" else parts[:2])
        if repo not in hub.repositories:
            return self.answer({"error": "not found"}, 404, X_Error_Code="RepoNotFound")
        files, commit = hub.repositories[repo], hub.commit(repo)
        if "resolve" in parts:
            name = "/".join(parts[4:])
            if name not in files:
                return self.answer(b"", 404, X_Error_Code="EntryNotFound")
            tag = hashlib.sha1(files[name]).hexdigest()
            return self.answer(files[name], ETag=f'"{tag}"', X_Repo_Commit=commit)
        if "tree" in parts:
            found = [
                {"type": "file", "path": n, "size": len(b), "oid": hashlib.sha1(b).hexdigest()}
                for n, b in files.items()
            ]
            return self.answer(found)
        return self.answer({"id": repo, "sha": commit, "siblings": [{"rfilename": name} for name in files]})

    def do_POST(self):
        hub, parts = self.hub, self.find()
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if parts[:3] == ["api", "repos", "create"]:
            asked = json.loads(body)
            repo = f"{asked['organization']}/{asked['name']}"
            hub.made[repo] = asked
            hub.repositories.setdefault(repo, {})
            return self.answer({"url": f"http://{self.headers['Host']}/{repo}", "id": repo})
        if "validate-yaml" in parts:
            return self.answer({"errors": [], "warnings": []})
        repo = "/".join(parts[2:4])
        if "preupload" in parts:
            names = [file["path"] for file in json.loads(body)["files"]]
            return self.answer({"files": [{"path": n, "uploadMode": "regular", "shouldIgnore": False} for n in names]})
        for line in map(json.loads, body.splitlines()):
            if line["key"] == "file":
                hub.repositories[repo][line["value"]["path"]] = base64.b64decode(line["value"]["content"])
        commit = hub.commit(repo)
        url = f"http://{self.headers['Host']}/{repo}/commit/{commit}"
        return self.answer({"success": True, "commitOid": commit, "commitUrl": url})


@contextmanager
def serving():
    """A hub, and its address."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Answers,), {"hub": hub}))
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield hub, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
