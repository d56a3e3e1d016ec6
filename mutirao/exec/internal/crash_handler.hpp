#pragma once

#include "mutirao/exec/internal/channel.hpp"

namespace mutirao::exec::internal {

/// From now on, a signal that ends this process first writes into the report, in shared memory,
/// where the process was. Then it ends it as it would have. Call it on the thread that runs tasks:
/// only there is a stack overflow survived for long enough.
void install_crash_handler(CrashReport& report);

}  // namespace mutirao::exec::internal
