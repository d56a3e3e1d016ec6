#pragma once

// How a running task hears that it should end.
//
// Purpose: `this_task::stop_token()` inside a task; Future::cancel() and Executor::shutdown()
// outside. Requires: nothing; outside a task the token never asks. Guarantees: the same
// std::stop_token, with its callbacks, in line, on threads and in worker processes. Thread safety:
// any thread of a task, also those that CoreBudget::for_each lends it; callbacks run on another
// thread. Ordering: none is promised between a request and other memory. Failure: in a worker,
// std::system_error when the system gives no thread to listen with. Lifetime: a token may outlive
// its task, and then never asks.
//
//   while (rounds-- > 0 && !this_task::stop_token().stop_requested()) improve(model);

#include <stop_token>

namespace mutirao::exec {

/// What becomes of an executor's tasks when it is shut down.
enum class Shutdown {
  kWait,    ///< every task runs to its end
  kCancel,  ///< what has not begun fails with Cancelled; what runs runs to its end
  kKill     ///< both fail with Cancelled; what runs is killed, or, on threads, asked to stop
};

namespace this_task {

/// Asks the calling task to end once somebody cancels it. What the task returns or throws then is
/// its outcome as ever.
std::stop_token stop_token();

}  // namespace this_task
}  // namespace mutirao::exec
