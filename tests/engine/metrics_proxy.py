# SPDX-License-Identifier: Apache-2.0
#
# metrics_proxy.py SOCKET: what the manual has a reverse proxy do: GET /metrics on a port of this machine, which it says,
# is GET /v1/metrics of a control socket; nothing else is there.
import socket
import sys
import threading


def read_all(connection, until=None):
    text = b""
    while until is None or until not in text:
        piece = connection.recv(65536)
        if not piece:
            break
        text += piece
    return text


def serve(client):
    with client:
        if not read_all(client, b"\r\n\r\n").startswith(b"GET /metrics "):
            client.sendall(b"HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control:
            control.connect(sys.argv[1])
            control.sendall(b"GET /v1/metrics HTTP/1.0\r\n\r\n")
            client.sendall(read_all(control))


listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
