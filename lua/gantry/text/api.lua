-- SPDX-License-Identifier: Apache-2.0
--
--- text/api.lua: what of gantry is for its users. The manual, the editor's stubs and the REPL's help show just this;
--- the words come from the doc comments of the modules.

---@class gantry.ApiSection
---@field title string
---@field module string
---@field class string? whose fields belong to it
---@field fields string[]? of the class, those that are for users; all where nil
---@field owner string? what stands before the names in the module: "Plugin" for `function Plugin:call`
---@field as string? what users write instead: "plugin"
---@field names string[]?

---@type gantry.ApiSection[]
return {
  { title = "gantry", module = "gantry", owner = "gantry",
    names = { "launch", "attach", "supervise", "load", "plan", "engine", "loop" } },
  { title = "Options of gantry.load", module = "gantry", class = "gantry.LoadOptions" },
  { title = "Options of gantry.launch", module = "gantry", class = "gantry.LaunchOptions" },
  { title = "Options of gantry.attach", module = "gantry", class = "gantry.AttachOptions" },
  { title = "Handlers", module = "gantry", class = "gantry.PluginHandlers" },
  { title = "Events of a plugin", module = "gantry.plugin.events", class = "gantry.PluginEvents" },
  { title = "Progress of a pull", module = "gantry.engine.pull", class = "gantry.PullMessage" },
  { title = "Options of gantry.supervise", module = "gantry.library.supervise", class = "gantry.SuperviseOptions" },
  { title = "A supervisor", module = "gantry.library.supervise", owner = "Supervision", as = "supervised",
    class = "gantry.Supervision", fields = { "directory", "control", "faults" },
    names = { "wait", "leave", "close", "down", "plugins", "plugin", "await", "start", "stop", "restart", "why",
      "reload", "tell" } },
  { title = "Events of a supervisor", module = "gantry.supervisor.journal", class = "gantry.SupervisorEvent" },
  { title = "A supervised plugin", module = "gantry.supervisor.view", class = "gantry.PluginView" },
  { title = "What it uses and has done", module = "gantry.supervisor.stats", class = "gantry.SupervisedStats" },
  { title = "An entry of its journal", module = "gantry.supervisor.journal", class = "gantry.JournalEntry" },
  { title = "The loop", module = "gantry", class = "gantry.Loop" },
  { title = "A loaded policy", module = "gantry.policy", class = "gantry.Policy",
    fields = { "name", "path", "config", "site" } },
  { title = "Its config", module = "gantry.config", class = "gantry.Config" },
  { title = "A plugin", module = "gantry.plugin", owner = "Plugin", as = "plugin", class = "gantry.Plugin",
    fields = { "name", "config", "state", "container", "address", "protocol", "protocol_version", "ready_ms", "exit",
      "rpc", "faults" },
    names = { "services", "call", "stream", "method", "wait", "kill", "stop", "detach", "diagnose", "to_host",
      "to_plugin", "pause_output", "resume_output", "describe", "stats" } },
  { title = "What a plugin uses: plugin:stats()", module = "gantry.plugin.stats", class = "gantry.Stats" },
  { title = "Options of a call", module = "gantry.grpc.rpc", class = "gantry.CallOptions" },
  { title = "A method", module = "gantry.grpc.reflection", class = "gantry.MethodType",
    fields = { "name", "service", "path", "client_streaming", "server_streaming" } },
  { title = "A stream of messages", module = "gantry.grpc.stream", owner = "Stream", as = "stream",
    class = "gantry.Stream", fields = {}, names = { "next", "close" } },
  { title = "An engine", module = "gantry.engine.docker", owner = "Docker", as = "engine", class = "gantry.Engine",
    fields = { "kind", "api", "server" }, names = { "info", "describe", "list", "close" } },
  { title = "An error", module = "gantry.base.errors", owner = "Error", as = "err", class = "gantry.Error",
    names = { "wrap" } },
  { title = "What is told of a failed launch", module = "gantry.plugin.diagnosis", class = "gantry.Diagnosis" },
  { title = "What a policy is told: ctx", module = "gantry.policy.context", as = "ctx", class = "gantry.Context" },
  { title = "ctx.host", module = "gantry.policy.context", class = "gantry.ContextHost" },
  { title = "ctx.engine", module = "gantry.policy.context", class = "gantry.ContextEngine" },
  { title = "How a plugin ended", module = "gantry.plugin.exit", class = "gantry.Exit" },
  { title = "What a policy would decide", module = "gantry.supervisor.simulate", owner = "simulate",
    class = "gantry.SimulatedStep", names = { "run" } },
  { title = "A decision", module = "gantry.restart.decider", class = "gantry.Decision",
    fields = { "action", "delay", "reason", "place", "changes", "scope", "floor" } },
  { title = "In a test of policies", module = "gantry.testing.api", owner = "t", class = "gantry.TestedPolicy",
    names = { "test", "load", "refuses", "equal", "has", "ok", "matches" } },
  { title = "Options in a test of policies", module = "gantry.testing.api", class = "gantry.TestOptions" },
  { title = "What the site policy changed", module = "gantry.policy.site", class = "gantry.SiteChange" },
  { title = "Tasks", module = "gantry.task", owner = "task",
    names = { "run", "spawn", "detach", "sleep", "all", "first", "deadline", "scope", "event", "queue", "shield",
      "await", "current", "cancelled", "add_host" } },
  { title = "A task", module = "gantry.task.scope", owner = "Task", as = "task_object", class = "gantry.Task",
    fields = {}, names = { "wait", "cancel", "is_done" } },
  { title = "A scope", module = "gantry.task.scope", owner = "Scope", as = "scope", class = "gantry.Scope",
    fields = {}, names = { "spawn", "wait", "cancel", "close" } },
  { title = "An event", module = "gantry.task.event", owner = "Event", as = "event", class = "gantry.Event",
    fields = {}, names = { "set", "is_set", "wait" } },
  { title = "A queue", module = "gantry.task.queue", owner = "Queue", as = "queue", class = "gantry.Queue",
    fields = {}, names = { "put", "take", "close" } },
  { title = "In luv's loop", module = "gantry.luv", owner = "luv", names = { "attach" } },
  { title = "Gantry in luv's loop", module = "gantry.luv", owner = "Attached", as = "attached",
    class = "gantry.AttachedLuv", fields = {}, names = { "spawn", "adopt", "detach" } },
  { title = "In a controller of cqueues", module = "gantry.cqueues", owner = "module", as = "cqueues",
    names = { "attach" } },
  { title = "Gantry in a controller of cqueues", module = "gantry.cqueues", owner = "Attached", as = "attached",
    class = "gantry.AttachedCqueues", fields = {}, names = { "spawn", "detach" } },
}
