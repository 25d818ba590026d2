/* What holds of every frame, whatever it is: checked without knowing the right judgement. */
#pragma once

#include "judge.h"

/* Begins a sequence. */
void check_start(const struct config *config);

/* Dies unless `run` is a possible judgement of `input`, counted once. Returns the outcome that was counted. */
enum outcome check_run(const struct frame_input *input, const struct run *run);

/* Dies unless the accounts of sessions and strangers add up to the ledger's outcomes. */
void check_end(void);
