-- SPDX-License-Identifier: Apache-2.0
--
--- Credentials and files of variables that are not there, or are not what they should be.

local cases = {}

---@param fields string of a policy
---@param code integer
local function add(verb, fields, code, ...)
  cases[#cases + 1] = { ("gantry %s kv.lua"):format(verb), code, name = ("gantry %s: %s"):format(verb, fields),
    files = { ["kv.lua"] = ("return { image = \"kv\",\n%s\n}\n"):format(fields) }, ... }
end

add("plan --offline", 'credentials = { token = "/no/token" }', 3, "credentials.token: /no/token does not exist")
add("plan --offline", 'env_files = "/no/env"', 3, "env_files[1]: /no/env does not exist")
for fields, words in pairs {
  ['credentials = { token = "token" }'] = "credentials.token must be an absolute path, got 'token'",
  ['credentials = { token = "" }'] = "credentials.token must not be empty",
  ["credentials = { token = 5 }"] = "credentials.token must be a path, or { file =",
  ['credentials = { ["a/b"] = "/etc/hostname" }'] = "the name 'a/b' is no plain name of a file",
  ['credentials = { [".."] = "/etc/hostname" }'] = "the name '..' is no plain name of a file",
  ['credentials = { "/etc/hostname" }'] = "credentials must be a map of names to paths",
  ['credentials = "/etc/hostname"'] = "credentials must be a map of names to paths",
  ['credential = { token = "/etc/hostname" }'] = "unknown field 'credential'; did you mean 'credentials'?",
  ['credentials = { token = { flie = "/etc/hostname" } }'] = "did you mean 'file'?",
  ['credentials = { token = { file = "/etc/hostname", mode = "rw" } }'] = "credentials.token.mode",
  ['credentials = { token = { file = "/etc/hostname", on_change = "explode" } }'] = "credentials.token.on_change",
  ['env_files = "kv.env"'] = "env_files must be an absolute path, got 'kv.env'",
  ["env_files = 5"] = "env_files must be an absolute path, or a list of them, got 5",
} do
  add("check", fields, 3, "kv.lua:2: ", words)
end

return { subject = "secrets", cases = cases }
