-- SPDX-License-Identifier: Apache-2.0
--
--- text/api.lua: what of gantry is for its users. The manual, the editor's stubs and the REPL's help show just this;
--- the words come from the doc comments of the modules.

---@class gantry.ApiSection
---@field title string
---@field module string
---@field class string? whose fields belong to it
---@field owner string what stands before the names in the module: "Plugin" for `function Plugin:call`
---@field as string? what users write instead: "plugin"
---@field names string[]

---@type gantry.ApiSection[]
return {
  { title = "gantry", module = "gantry", owner = "gantry",
    names = { "launch", "attach", "load", "plan", "engine", "loop" } },
  { title = "A plugin", module = "gantry.plugin", owner = "Plugin", as = "plugin", class = "gantry.Plugin",
    names = { "services", "call", "stream", "method", "wait", "kill", "stop", "detach", "to_host", "to_plugin",
      "pause_output", "resume_output", "describe", "stats" } },
  { title = "What a plugin uses: plugin:stats()", module = "gantry.plugin.stats", owner = "stats",
    class = "gantry.Stats", names = {} },
  { title = "A stream of messages", module = "gantry.grpc.stream", owner = "Stream", as = "stream",
    class = "gantry.Stream", names = { "next", "close" } },
  { title = "An engine", module = "gantry.engine.docker", owner = "Docker", as = "engine", class = "gantry.Engine",
    names = { "info", "describe", "list", "close" } },
  { title = "An error", module = "gantry.base.errors", owner = "Error", as = "err", class = "gantry.Error",
    names = { "wrap" } },
  { title = "What a policy is told: ctx", module = "gantry.policy.context", owner = "context", as = "ctx",
    class = "gantry.Context", names = {} },
  { title = "ctx.host", module = "gantry.policy.context", owner = "context", class = "gantry.ContextHost",
    names = {} },
  { title = "ctx.engine", module = "gantry.policy.context", owner = "context", class = "gantry.ContextEngine",
    names = {} },
  { title = "How a plugin ended", module = "gantry.plugin.exit", owner = "exit", class = "gantry.Exit", names = {} },
  { title = "What a policy would decide", module = "gantry.supervisor.simulate", owner = "simulate",
    class = "gantry.SimulatedStep", names = { "run" } },
  { title = "In a test of policies", module = "gantry.testing.api", owner = "t", class = "gantry.TestedPolicy",
    names = { "test", "load", "refuses", "equal", "has", "ok", "matches" } },
  { title = "What the site policy changed", module = "gantry.policy.site", owner = "site", class = "gantry.SiteChange",
    names = {} },
  { title = "Tasks", module = "gantry.task", owner = "task",
    names = { "run", "spawn", "detach", "sleep", "all", "first", "deadline", "await", "current", "cancelled" } },
  { title = "A task", module = "gantry.task.scope", owner = "Task", as = "task_object", class = "gantry.Task",
    names = { "wait", "cancel", "is_done" } },
  { title = "A scope", module = "gantry.task.scope", owner = "Scope", as = "scope", class = "gantry.Scope",
    names = { "spawn", "wait", "cancel", "close" } },
  { title = "An event", module = "gantry.task.event", owner = "Event", as = "event", class = "gantry.Event",
    names = { "set", "is_set", "wait" } },
  { title = "A queue", module = "gantry.task.queue", owner = "Queue", as = "queue", class = "gantry.Queue",
    names = { "put", "take", "close" } },
  { title = "In luv's loop", module = "gantry.luv", owner = "luv", names = { "attach" } },
  { title = "In a controller of cqueues", module = "gantry.cqueues", owner = "module", as = "cqueues",
    names = { "attach" } },
}
