-- SPDX-License-Identifier: Apache-2.0
--
--- The wrong inputs of tests/lua/wrong_inputs that need an engine.

require "lua.wrong_inputs.harness".define(true)
