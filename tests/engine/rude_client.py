# SPDX-License-Identifier: Apache-2.0
#
# rude_client.py SOCKET COUNT TEXT TRICKLE: opens so many connections, sends TEXT (with Python's escapes) on each, says
# "sent", and, where TRICKLE is not empty, sends that again and again. Ends once the server has ended all connections;
# what it had answered on the first goes to standard output.
import select
import socket
import sys

path, count, text, trickle = sys.argv[1], int(sys.argv[2]), *[
    word.encode().decode("unicode_escape").encode("latin-1") for word in sys.argv[3:5]]
SECONDS = 0.2  # between two pieces


def send(connection, piece):
    try:
        connection.sendall(piece)
    except OSError:
        pass  # it was ended: reading tells


def receive(connection):
    try:
        return connection.recv(4096)
    except OSError:
        return b""


connections = []
for _ in range(count):
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(path)
    connections.append(connection)
    send(connection, text)
print("sent", flush=True)

first, answer = connections[0], b""
while connections:
    readable, _, _ = select.select(connections, [], [], SECONDS if trickle else None)
    for connection in readable:
        came = receive(connection)
        if connection is first:
            answer += came
        if not came:
            connections.remove(connection)
    if trickle and not readable:
        for connection in connections:
            send(connection, trickle)
print(answer.decode("latin-1"), end="")
