-- SPDX-License-Identifier: Apache-2.0
--
--- engine/docker/methods.lua: what a client does with containers, images and the rest of its engine, from the files
--- beside, each of which has one subject.

---@type table<string, function>
local methods = {}
for _, subject in ipairs { require "gantry.engine.docker.info", require "gantry.engine.docker.images",
  require "gantry.engine.docker.containers", require "gantry.engine.docker.output",
  require "gantry.engine.docker.files", (require "gantry.engine.docker.probe") } do
  for name, method in pairs(subject.methods) do methods[name] = method end
end

return methods
