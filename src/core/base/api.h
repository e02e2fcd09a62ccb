/* SPDX-License-Identifier: Apache-2.0
 *
 * api.h: what the core's private library shows to the modules that stand on it. All else in it is hidden. */
#ifndef GANTRY_API_H
#define GANTRY_API_H

#define GANTRY_API __attribute__((visibility("default")))

#endif
