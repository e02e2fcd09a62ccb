-- SPDX-License-Identifier: Apache-2.0
--
--- base/version.lua: the version of gantry; CMakeLists.txt has the same.

return "0.1.0"
