-- SPDX-License-Identifier: Apache-2.0
--
--- testing/child.lua: runs one test file, in the process that policies are evaluated in: there it may loop, and take
--- memory, and harms nobody.

local api = require "gantry.testing.api"
local loaders = require "gantry.policy.loader"
local policies = require "gantry.policy"
local sessions = require "gantry.testing.session"

local child = {}

local MOST_OUTPUT <const> = 1000 -- lines

---@param session gantry.TestSession
---@return fun() chunk, or raises
local function chunk_of(session)
  local loader = session.loader
  local text, err = loader:read(session.path)
  if not text then error(err, 0) end
  local chunk, wrong = loader:compile(session.path, text)
  if not chunk then error(wrong, 0) end
  return chunk
end

---@param request { path: string, filter: string?, coverage: boolean? }
---@return table answer results, coverage, output
function child.answer(request)
  local session = sessions.new(request.path, request)
  session.folder = request.path:match "^(.*)/[^/]*$"
  function session.print(_, text)
    if #session.output < MOST_OUTPUT then session.output[#session.output + 1] = text end
  end
  local t = api.of(session)
  session.loader = loaders.new(request.path, { shipped = policies.shipped_folder(), folder = session.folder,
    print = function(text) session:print(text) end, modules = { ["gantry.test"] = function() return t end } })
  session.loader.globals.os.exit = function() error("os.exit: a test does not end the process that it is run in", 2) end
  session:run(request.path:match "[^/]*$", function() chunk_of(session)() end, true)
  if #session.results == 0 and not request.filter then session:note_empty(request.path:match "[^/]*$") end
  return { results = session.results, coverage = session:coverage(), output = session.output }
end

return child
