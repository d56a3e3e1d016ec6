#pragma once

#include "mutirao/core/local_socket.hpp"
#include "mutirao/core/unique_fd.hpp"
#include "mutirao/exec/internal/core_words.hpp"

namespace mutirao::exec::internal {

/// What a worker is born with.
struct WorkerSeed {
  core::UniqueFd channel;
  core::UniqueFd bell;
  core::LocalSocket socket;  // memory to and from the program
  core::LocalSocket zygote;  // asks for workers of its own
  CoreWords::Participant participant;
};

/// The life of a worker: takes tasks from its ring until it is told to stop or the program is gone.
[[noreturn]] void run_worker(WorkerSeed seed);

}  // namespace mutirao::exec::internal
