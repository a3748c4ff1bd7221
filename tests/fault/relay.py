"""A relay on loopback that keeps what it takes, and is down when it is told to be."""

import collections
import socketserver
import threading


class Relay:
    def __init__(self):
        self.down = False
        self.arrived = collections.defaultdict(list)
        self.lock = threading.Lock()
        relay = self

        class Conversation(socketserver.StreamRequestHandler):
            timeout = 30

            def handle(self):
                try:
                    converse(relay, self.rfile, self.wfile)
                except OSError:
                    pass  # The client was killed.

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Conversation)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def converse(relay, heard, said):
    def say(line):
        said.write(line.encode() + b"\r\n")

    if relay.down:
        return say("421 4.3.2 not now")
    say("220 mx.example ESMTP")
    for line in heard:
        verb = line.strip().upper().split(b" ")[0]
        if verb == b"EHLO":
            say("250 mx.example")
        elif verb == b"DATA":
            say("354 go on")
            content = body(heard)
            if content is None:
                return None
            with relay.lock:
                relay.arrived[message_id(content)].append(content)
            say("250 2.0.0 taken")
        elif verb == b"QUIT":
            return say("221 bye")
        else:
            say("250 ok")
    return None


def body(heard):
    """The content of a message; None where it was never finished."""
    lines = []
    for line in heard:
        if line == b".\r\n":
            return b"".join(lines)
        lines.append(line[1:] if line.startswith(b".") else line)
    return None


def message_id(content):
    for line in content.split(b"\r\n"):
        if line.lower().startswith(b"message-id:"):
            return line.split(b"<")[1].split(b">")[0].decode()
    return ""
