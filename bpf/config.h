/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is decided when the program is loaded. The constants are frozen, so the
 * verifier removes the branches that they switch off.
 */
#pragma once

#include "abi.h"

/* Set by loader/program.go before it loads the object. */
volatile const struct config cfg;
