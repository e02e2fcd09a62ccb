-- SPDX-License-Identifier: Apache-2.0
--
--- protobuf/features.lua: what proto2, proto3 and editions mean by the same words, as one set of features: of a file,
--- inherited by what stands in it and overridden there (protobuf's "Feature Settings for Editions").

local features = {}

-- Values of the enums of google.protobuf.FeatureSet.
features.EXPLICIT, features.IMPLICIT, features.REQUIRED = 1, 2, 3
features.PACKED, features.EXPANDED = 1, 2
features.VERIFY, features.NONE = 2, 3
features.DELIMITED = 2

local BY_SYNTAX = {
  proto2 = {
    field_presence = features.EXPLICIT, repeated_field_encoding = features.EXPANDED, utf8_validation = features.NONE,
  },
  proto3 = {
    field_presence = features.IMPLICIT, repeated_field_encoding = features.PACKED, utf8_validation = features.VERIFY,
  },
  editions = {
    field_presence = features.EXPLICIT, repeated_field_encoding = features.PACKED, utf8_validation = features.VERIFY,
  },
}

---The features of what stands inside of something.
---@param outer table
---@param element table a descriptor
---@return table
function features.inside(outer, element)
  local own = element.options and element.options.features
  if not own then return outer end
  local merged = {}
  for name, value in pairs(outer) do merged[name] = value end
  for name, value in pairs(own) do merged[name] = value end
  return merged
end

---@param file table a file's descriptor
---@return table
function features.of_file(file)
  local syntax = file.syntax
  if syntax == nil or syntax == "" then syntax = "proto2" end
  return features.inside(BY_SYNTAX[syntax] or BY_SYNTAX.editions, file)
end

return features
