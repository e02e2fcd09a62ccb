-- SPDX-License-Identifier: Apache-2.0
--
--- rooms.lua: the rooms of lua/gantry, lowest first. A file may use files of its own room and of lower ones. order.lua
--- holds every `require` against this list, CONTRIBUTING.md shows the same, and so does each folder's README.md.

---@type Room[]
return {
  { name = "base", purpose = "values and texts that know nothing of plugins: errors, units, JSON, names of images",
    flat = { "gantry.json" } },
  { name = "task", purpose = "structured concurrency: tasks, scopes, events, queues", flat = { "gantry.task" } },
  { name = "protobuf", purpose = "protobuf's wire format, and messages by descriptor, with their JSON form" },
  { name = "grpc", purpose = "calls, streams and reflection on a connection to one plugin" },
  { name = "config",
    purpose = "the schema of a plugin's config: fields, defaults, bounds, merging, restart strategies" },
  { name = "restart", purpose = "what follows the end of a plugin: strategies evaluated, floors, history",
    flat = { "gantry.restart" } },
  { name = "policy",
    purpose = "policy files: found, loaded in their own environment, asked in a process of their own" },
  { name = "engine", purpose = "container engines: their API, their kinds, and what a container is asked for" },
  { name = "place", purpose = "where gantry keeps things on this machine, and whose they are" },
  { name = "plugin", purpose = "one generation of one plugin: launch, attach, calls, end, and what a killed one left" },
  { name = "pod", purpose = "a policy as a sidecar in a Kubernetes pod: what of it a pod can say" },
  { name = "supervisor", purpose = "keeps many plugins as their policies say, across its own death" },
  { name = "testing", purpose = "policies tried by tests: a made-up ctx, ends under a virtual clock, expectations" },
  { name = "doctor", purpose = "what is wrong with this machine, an engine or a policy, and the remedy" },
  { name = "control", purpose = "the supervisor's socket: requests, streams, metrics, and its client" },
  { name = "library", purpose = "what a program gets from `require \"gantry\"`", flat = { "gantry" } },
  { name = "hosts", purpose = "gantry in other event loops", flat = { "gantry.luv", "gantry.cqueues" },
    flat_only = true },
  { name = "text", purpose = "what people read: progress, reports, tables, exit codes, documentation" },
  { name = "top",
    purpose = "one live screen of what is supervised: its model, its drawing, its keys, and who feeds it" },
  { name = "repl", purpose = "a session: Lua typed piece by piece, with its console, completion and help",
    flat = { "gantry.repl" } },
  { name = "handover", purpose = "a container handed to the process that a go-plugin host holds: its environment, its "
    .. "connections, what is said" },
  { name = "exec", purpose = "a plugin's stand-in under a host that knows nothing of gantry", face = true },
  { name = "cli", purpose = "the verbs of the command line, one file each", face = true },
}
