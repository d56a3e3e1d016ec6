#pragma once

// A collective, or a message, under way.
//
// Purpose: what every call of a Communicator returns: begin now, compute meanwhile, wait later.
// Guarantees: wait() returns when the result is there in this rank's memory, and works on it
// meanwhile; done() never blocks. Progress is made inside calls of this rank (wait, done, the next
// collective), and on host memory by the other ranks too: once all ranks have called a collective,
// whoever waits finishes it.
// Thread safety: one thread at a time; different Works of one Communicator from different threads.
// Failure: wait() and done() throw GroupFailed; the memory then holds anything.
// Lifetime: may outlive its Communicator only when done. Destroying one that is not done gives the
// result up: a span is not touched any more, a Buffer still takes part.

#include <memory>

namespace mutirao::comm {

namespace internal {
class Pending;
}

class [[nodiscard]] Work {
 public:
  Work() noexcept = default;  ///< done
  explicit Work(std::shared_ptr<internal::Pending> pending) noexcept;
  Work(Work&&) noexcept = default;
  Work& operator=(Work&& other) noexcept;
  ~Work();

  void wait();
  bool done();

 private:
  std::shared_ptr<internal::Pending> pending_;  // null once done
};

}  // namespace mutirao::comm
