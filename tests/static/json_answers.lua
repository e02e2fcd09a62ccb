-- SPDX-License-Identifier: Apache-2.0
--
--- json_answers.lua: fails where the answer of json.encode or json.pretty is used without a look at it: both give nil
--- for what JSON does not have. Allowed are `local text, err = json.encode(…)`, `return json.encode(…)` and
--- `assert(json.encode(…))`; what must go out whatever it holds is written by json.line. So that this can be seen, the
--- module is named json wherever it is used, and its functions are called there and then.
---
--- Usage: lua5.4 tests/static/json_answers.lua FILE...

local ALLOWED = { "[%w_.]+%s*,%s*[%w_.]+%s*=%s*$", "%f[%w_]return%s+$", "%f[%w_]assert%(%s*$", "function%s+$" }

---@param before string the code up to the call
---@return boolean
local function looks_at_answer(before)
  for _, pattern in ipairs(ALLOWED) do
    if before:find(pattern) then return true end
  end
  return false
end

---Whether what follows the call's arguments goes on with its answer, as in `return json.encode(value) .. "\n"`.
---@param after string from the call's arguments on
---@return boolean
local function goes_on(after)
  local rest = after:match("^%s*%b()(.*)$") or after:match("^%s*%b{}(.*)$") or after:match('^%s*"[^"]*"(.*)$')
    or after:match("^%s*'[^']*'(.*)$") or after:match("^%s*%[%[.-%]%](.*)$") or ""
  return rest:find("^%s*%.%.") ~= nil or rest:find("^%s*:[%a_]") ~= nil
end

local failures = 0

---@param path string
---@param text string
---@param at integer
---@param message string
local function fail(path, text, at, message)
  local _, line = text:sub(1, at):gsub("\n", "")
  print(("%s:%d: %s"):format(path, line + 1, message))
  failures = failures + 1
end

---@param path string
---@param text string
local function check_calls(path, text)
  for first, called, last in text:gmatch "%f[%w_]()json%s*%.%s*([ep][nr][ce]%w+)()" do
    local after = text:sub(last)
    local before = text:sub(math.max(1, first - 200), first - 1)
    local is_definition = before:find "function%s+$"
    if (called == "encode" or called == "pretty") and not is_definition then
      if not after:find "^%s*[%({\"'%[]" then
        fail(path, text, first, ("json.%s: call it where it is named"):format(called))
      elseif not looks_at_answer(before) or goes_on(after) then
        fail(path, text, first, ("json.%s: look at its answer, or use json.line"):format(called))
      end
    end
  end
end

---@param path string
---@param text string
local function check_names(path, text)
  for first in text:gmatch "()%f[%w_]require%s*%(?%s*['\"]gantry%.json['\"]" do
    if not text:sub(1, first - 1):find "local%s+json%s*=%s*$" then
      fail(path, text, first, "gantry.json: name it json: local json = require \"gantry.json\"")
    end
  end
  local computed = text:find "%f[%w_]json%s*%["
  if computed then fail(path, text, computed, "json[…]: name the function") end
end

for _, path in ipairs(arg) do
  local file <close> = assert(io.open(path))
  local text = file:read("a"):gsub("%-%-[^\n]*", function(comment) return (" "):rep(#comment) end)
  check_calls(path, text)
  check_names(path, text)
end
os.exit(failures == 0)
