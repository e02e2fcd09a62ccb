-- SPDX-License-Identifier: Apache-2.0
--
--- rooms_c.lua: the rooms of src, lowest first. A file may use files of its own room and of lower ones. order_c.lua
--- holds every `#include` and every symbol against this list, CONTRIBUTING.md shows the same, and so does each folder's
--- README.md.

---@type Room[]
return {
  { name = "core/base", purpose = "what needs no system: errors, buffers, lists, lines, frames of an engine's stream" },
  { name = "core/system", purpose = "single system calls: on descriptors and Unix addresses, facts of the machine" },
  { name = "core/files", purpose = "files and directories: read, replaced, emptied, shared with a plugin; groups" },
  { name = "core/loop", purpose = "everything that waits, in one epoll set: watches, timers, signals, inotify" },
  { name = "core/process", purpose = "child processes, limits on this one, and word to the service manager" },
  { name = "core/plugin", purpose = "what a plugin says of itself: its handshake line and its socket" },
  { name = "core/tls", purpose = "the pair of a connection's certificate and key, and TLS over any bytes" },
  { name = "core/http", purpose = "an HTTP client on the loop, for an engine's API" },
  { name = "core/grpc", purpose = "a gRPC client on the loop, for plugins" },
  { name = "core/control", purpose = "an HTTP server on the loop, for the supervisor's socket" },
  { name = "core/terminal", purpose = "a line that is typed and edited, key by key" },
  { name = "lua", purpose = "what Lua has of all that: `gantry.core`, one file a part" },
  { name = "bytecode", purpose = "the Lua that was compiled with the executable: made, found, loaded" },
  { name = "face", purpose = "the process that a go-plugin host holds, which has no Lua" },
  { name = "main", purpose = "the executable", flat = { "main.c" }, flat_only = true },
}
