-- SPDX-License-Identifier: Apache-2.0
--
--- rooms_c.lua: the rooms of src, lowest first. A file may use files of its own room and of lower ones. order_c.lua
--- holds every `#include` and every symbol against this list, CONTRIBUTING.md shows the same, and so does each folder's
--- README.md.

---@type Room[]
return {
  { name = "core/base", purpose = "what needs no system: errors, buffers, lists, lines, frames of an engine's stream" },
  { name = "core/system", purpose = "single system calls: on descriptors and Unix addresses, facts of the machine" },
  { name = "monitor", purpose = "the parent of a container without a daemon: keeps its pipes, and how it ended" },
  { name = "gate", purpose = "the first process of a container: waits, starts the plugin, reaps" },
  { name = "core/files", purpose = "files and directories: read, replaced, emptied, shared with a plugin; groups" },
  { name = "core/loop", purpose = "everything that waits, in one epoll set: watches, timers, signals, inotify" },
  { name = "core/process", purpose = "child processes, limits on this one, and word to the service manager" },
  { name = "core/monitor", purpose = "containers' monitors: starts one, or finds one that lives, and hears from it" },
  { name = "core/gate", purpose = "asks a gate for a plugin, and hears from it" },
  { name = "core/plugin", purpose = "what a plugin says of itself: its handshake line and its socket" },
  { name = "core/tls", purpose = "the pair of a connection's certificate and key, and TLS over any bytes" },
  { name = "core/http", purpose = "an HTTP client on the loop, for an engine's API" },
  { name = "core/grpc", purpose = "a gRPC client on the loop, for plugins" },
  { name = "core/control", purpose = "an HTTP server on the loop, for the supervisor's socket" },
  { name = "core/terminal",
    purpose = "the process's terminal: a line that is typed and edited, a screen, and who keeps it in order" },
  { name = "lua", purpose = "what Lua has of all that: `gantry.core`, one file a part" },
  { name = "bytecode", purpose = "the Lua that was compiled with the executable: made, found, loaded" },
  { name = "face", purpose = "the process that a go-plugin host holds, which has no Lua" },
  { name = "unpack", purpose = "the process that unpacks an image's layers, confined, and moves them into the store" },
  { name = "main", purpose = "the executable", flat = { "main.c" }, flat_only = true },
}
