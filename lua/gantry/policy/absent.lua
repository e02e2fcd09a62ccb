-- SPDX-License-Identifier: Apache-2.0
--
--- policy/absent.lua: what Lua has and policies have not: it is there by name, and says when it is used what there is
--- instead.

local absent = {}

local NOTHING <const> = "a policy says what its plugin is, and does nothing else"
local OUTPUT <const> = "print(…) is shown to whoever runs gantry, and stands in the journal under `gantry up`"
local PROGRAM <const> = "a policy runs no program; on_exit names one that gantry runs after each end"
local CODE <const> = "require loads a module that lies beside the policy"
local READING <const> = "io.open and io.lines read files"

-- By the table that they are in; "" are the globals.
local FUNCTIONS <const> = {
  [""] = { collectgarbage = NOTHING, dofile = CODE, loadfile = CODE, warn = OUTPUT },
  os = { execute = PROGRAM, exit = 'error("why") ends the policy, and gantry.refuse(FIELD, "why") with a line',
    getenv = "ctx.env has the caller's variables, in a policy that is a function of ctx", remove = NOTHING,
    rename = NOTHING, setlocale = NOTHING, tmpname = NOTHING },
  io = { close = READING, input = READING, output = OUTPUT, popen = PROGRAM, read = READING, tmpfile = NOTHING,
    type = READING, write = OUTPUT },
  string = { dump = NOTHING },
  math = { randomseed = "math.random is seeded already" },
  coroutine = { running = NOTHING },
}
local TABLES <const> = { [""] = { debug = NOTHING, package = CODE },
  io = { stdin = READING, stdout = OUTPUT, stderr = OUTPUT } }

---@param name string as a policy writes it
---@param instead string
---@return string message
local function message(name, instead)
  return ("%s: policies have none: %s"):format(name, instead)
end

---@param place string of FUNCTIONS
---@param name string
---@return string
local function whole_name(place, name)
  return place == "" and name or place .. "." .. name
end

---@param name string
---@param instead string
---@return table that cannot be used
local function useless(name, instead)
  local function raise() error(message(name, instead), 2) end
  return setmetatable({}, { __index = raise, __newindex = raise, __call = raise })
end

---Adds what says that it is not there to the globals of a policy.
---@param globals table
function absent.add(globals)
  for place, names in pairs(FUNCTIONS) do
    local into = place == "" and globals or globals[place]
    for name, instead in pairs(names) do
      into[name] = function() error(message(whole_name(place, name), instead), 2) end
    end
  end
  for place, names in pairs(TABLES) do
    local into = place == "" and globals or globals[place]
    for name, instead in pairs(names) do into[name] = useless(whole_name(place, name), instead) end
  end
end

return absent
