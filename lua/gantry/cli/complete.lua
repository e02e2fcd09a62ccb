-- SPDX-License-Identifier: Apache-2.0
--
--- cli/complete.lua: what a shell asks for while a command is typed: which words could stand at its end. It prints one
--- a line, a tab and what it is, and in the last line whether files or folders fit as well. It is quick, and silent
--- about whatever cannot be asked.

local core = require "gantry.core"
local takes = require "gantry.cli.takes"
local task = require "gantry.task"

local complete = {}

-- Seconds for a supervisor, an engine and a plugin to answer, all in all.
local TIMEOUT <const> = 2

---@class gantry.Candidate
---@field [1] string
---@field [2] string? what it is

---@class gantry.Completion a command that is being typed
---@field verb string
---@field current string its last word
---@field given table<string, string> values of options so far
---@field arguments string[] so far
---@field found gantry.Candidate[]
---@field also "files"|"directories"|nil what fits besides
local Completion = {}
Completion.__index = Completion

---@param word string
---@param text string?
function Completion:add(word, text)
  if word:sub(1, #self.current) == self.current and not word:find "[%s%c]" then
    self.found[#self.found + 1] = { word, text }
  end
end

-- ---- what stands for what ----

---By the name that an argument or an option's value has in the help.
---@type table<string, fun(completion: gantry.Completion)>
local VALUES = {}

local function files(completion) completion.also = "files" end
for _, name in ipairs { "POLICY", "FILE", "FILE.json", "FILE.xml", "FILE|DIR", "PATH", "ARGUMENT", "COMMAND" } do
  VALUES[name] = files
end

function VALUES.DIR(completion) completion.also = "directories" end

---The plugins of a `gantry up`.
function VALUES.NAME(completion)
  local client = assert(require("gantry.control.client").open(completion.given["--control"]))
  local answer = assert(client:call("GET", "/v1/plugins", require("gantry.control.answer").types.plugins))
  client:close()
  for _, one in ipairs(answer.plugins) do completion:add(one.name, one.state) end
end

---@param completion gantry.Completion
---@return gantry.EngineClient
local function engine_of(completion)
  return assert(require("gantry").engine(completion.given["--engine"]))
end

---The plugins that run, whoever keeps them.
---@param completion gantry.Completion
local function running(completion)
  local label = require("gantry.engine.container").LABEL.plugin
  for _, one in ipairs(assert(engine_of(completion):list { [label] = true })) do
    if one.status == "running" then completion:add(one.labels[label], "runs in " .. one.id:sub(1, 12)) end
  end
end

VALUES["POLICY|NAME"] = function(completion)
  files(completion)
  if not completion.current:find("/", 1, true) then running(completion) end
end

VALUES["NAME|ID"] = function(completion)
  running(completion)
  for _, one in ipairs(assert(engine_of(completion):list {})) do
    if one.status == "running" and #completion.current > 0 then completion:add(one.id:sub(1, 12), one.image) end
  end
end

---The methods of a plugin that runs; without their package where that is how one begins.
function VALUES.METHOD(completion)
  local plugin <close> = assert(require("gantry").attach(completion.arguments[1], {
    engine = completion.given["--engine"] }))
  for service, methods in pairs(assert(plugin:services())) do
    local short = service:match "[^.]*$"
    local named = completion.current ~= "" and short:sub(1, #completion.current:match "[^/]*") ==
      completion.current:match "[^/]*" and short or service
    for _, method in ipairs(methods) do completion:add(("%s/%s"):format(named, method), service) end
  end
end

---The engines that the docker command knows, and the usual sockets that are there.
function VALUES.URL(completion)
  local environment = core.system.environment()
  for _, one in ipairs(require("gantry.engine.endpoint").of_contexts(environment)) do
    completion:add(one.host, "docker context " .. one.name)
  end
  for _, url in ipairs(require("gantry.engine.endpoint").usual(environment)) do
    if core.system.stat((url:gsub("^unix://", ""))) then completion:add(url, "a usual socket") end
  end
end

function VALUES.GROUP(completion)
  for line in io.lines "/etc/group" do completion:add(line:match "^[^:]*") end
end

function VALUES.COLUMN(completion)
  for _, column in ipairs(require("gantry.text.plugin_columns").all) do completion:add(column.name, column.doc) end
end

function VALUES.HOST(completion)
  for _, name in ipairs(require("gantry.text.first_policy").hosts()) do completion:add(name) end
end

-- ---- the line ----

---@param taken gantry.Taken[]
---@param word string
---@return gantry.Taken? option
local function find_option(taken, word)
  for _, one in ipairs(taken) do
    for name in one.name:gmatch "%S+" do
      if one.kind ~= "argument" and name == word then return one end
    end
  end
end

---Reads the words before the last one.
---@param taken gantry.Taken[]
---@param words string[]
---@return gantry.Taken? option whose value the last word is
---@return boolean ended whether options can stand here no more
function Completion:read(taken, words)
  local waiting, ended
  for i = 1, #words - 1 do
    local word = words[i]
    local option = not ended and not waiting and find_option(taken, word)
    if waiting then
      self.given[waiting.name:match "%S+$"], waiting = word, nil
    elseif word == "--" then
      ended = true
    elseif option then
      waiting = option.kind == "option" and option or nil
    elseif ended or word:sub(1, 1) ~= "-" then
      self.arguments[#self.arguments + 1] = word
    else
      local name, value = word:match "^(%-%-[^=]+)=(.*)$"
      if name then self.given[name] = value end
    end
  end
  return waiting, ended or false
end

---@param one gantry.Taken?
function Completion:values(one)
  if not one then return end
  if type(one.choices) == "table" then
    for _, word in ipairs(one.choices) do self:add(word) end
  elseif VALUES[one.argname] and not (one.kind == "option" and one.argname == "NAME") then
    VALUES[one.argname](self)
  end
end

---@param taken gantry.Taken[]
---@return gantry.Taken? argument that comes next
function Completion:next_argument(taken)
  local place = 0
  for _, one in ipairs(taken) do
    if one.kind == "argument" then
      place = place + 1
      if place > #self.arguments or one.args == "*" or one.args == "+" then return one end
    end
  end
end

---@param taken gantry.Taken[] of the verb
---@param words string[] after the verb
function Completion:of_verb(taken, words)
  local option, ended = self:read(taken, words)
  if option then return self:values(option) end
  local head, value = self.current:match "^(%-%-[^=]+=)(.*)$"
  if head and not ended then
    self.current = value
    self:values(find_option(taken, head:sub(1, -2)))
    for _, one in ipairs(self.found) do one[1] = head .. one[1] end
  elseif self.current:sub(1, 1) == "-" and not ended then
    for _, one in ipairs(taken) do
      if one.kind ~= "argument" then self:add(one.name:match "%S+$", one.text) end
    end
    self:add("--help", "Show help.")
  else
    self:values(self:next_argument(taken))
  end
end

---@class gantry.CompletionSource
---@field verbs gantry.Candidate[]
---@field configure fun(verb: string): (fun(parser: table))? what declares a verb's options and arguments

---@param words string[] after `gantry`; the last one is being typed, and may be empty
---@param source gantry.CompletionSource
---@return gantry.Candidate[] candidates, string? also
function complete.find(words, source)
  local self = setmetatable({ verb = words[1], current = words[#words], given = {}, arguments = {}, found = {} },
    Completion)
  local configure = #words > 1 and source.configure(words[1])
  if #words == 1 or words[1] == "help" and #words == 2 then
    for _, verb in ipairs(source.verbs) do self:add(verb[1], verb[2]) end
    if self.current:sub(1, 1) == "-" then
      self:add("--help", "list the verbs")
      self:add("--version", "show the version")
    end
  elseif configure then
    local rest = table.move(words, 2, #words, 1, {})
    -- What cannot be asked has nothing to offer.
    pcall(task.deadline, TIMEOUT, self.of_verb, self, takes.of(configure), rest)
  end
  table.sort(self.found, function(left, right) return left[1] < right[1] end)
  return self.found, self.also
end

---@param words string[]
---@param source gantry.CompletionSource
---@return integer exit_code
function complete.run(words, source)
  local found, also = complete.find(#words > 0 and words or { "" }, source)
  for _, one in ipairs(found) do io.stdout:write(one[1], "\t", one[2] and one[2]:gsub("%c", " ") or "", "\n") end
  io.stdout:write(":", also or "", "\n")
  return 0
end

return complete
