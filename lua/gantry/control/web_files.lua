-- SPDX-License-Identifier: Apache-2.0
--
--- control/web_files.lua: the files of the page, as they are in the folder `web`. Each is read once.

local core = require "gantry.core"
local errors = require "gantry.base.errors"
local shipped = require "gantry.base.shipped"

local web_files = {}

local LONGEST <const> = 1024 * 1024
local SCRIPT <const> = "text/javascript; charset=utf-8"

---@type { path: string, name: string, kind: string }[]
local FILES <const> = {
  { path = "/", name = "index.html", kind = "text/html; charset=utf-8" },
  { path = "/page.css", name = "page.css", kind = "text/css; charset=utf-8" },
  { path = "/icon.svg", name = "icon.svg", kind = "image/svg+xml" },
}
for _, name in ipairs { "page", "server", "plugins", "plugin", "log", "graph", "text" } do
  FILES[#FILES + 1] = { path = ("/%s.js"):format(name), name = name .. ".js", kind = SCRIPT }
end

---@class gantry.WebFile
---@field kind string its media type
---@field bytes string

---@return table<string, gantry.WebFile>? files by the path of the request, gantry.Error? err
function web_files.read()
  local folder = shipped.folder "web"
  if not folder then
    return nil, errors.new("CONTROL_FAILED", "the files of the page are not beside gantry's Lua files; the Debian "
      .. "package and cmake --install bring them")
  end
  local files = {}
  for _, file in ipairs(FILES) do
    local bytes, err = core.files.read(("%s/%s"):format(folder, file.name), LONGEST)
    if not bytes then return nil, err:wrap "read the page" end
    files[file.path] = { kind = file.kind, bytes = bytes }
  end
  return files
end

return web_files
