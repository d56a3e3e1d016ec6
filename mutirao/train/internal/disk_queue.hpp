#pragma once

// Puts files on disk while the program goes on.
//
// Waiting for the disk takes milliseconds a file. Whoever computes should not: it writes, and hands
// the path to this queue. Guarantees: files come on disk in the order in which they were put; one
// that was put again before its turn came, once. Thread safety: one thread. Failure: put() and
// wait() throw the first core::IoError that the disk gave since; what is not there any more is
// passed over. Lifetime: the destructor waits for all that was put.

#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>

namespace mutirao::train::internal {

class DiskQueue {
 public:
  DiskQueue() = default;
  ~DiskQueue();
  DiskQueue(const DiskQueue&) = delete;
  DiskQueue& operator=(const DiskQueue&) = delete;

  /// A file, or a folder, whose names are meant.
  void put(std::string path);
  /// Returns when all that was put is on disk.
  void wait();

 private:
  void work(const std::stop_token& stop);
  void throw_failure();

  std::mutex mutex_;
  std::condition_variable_any something_to_do_;
  std::condition_variable nothing_to_do_;
  std::deque<std::string> waiting_;  // guarded by mutex_, as the two below
  bool at_work_ = false;
  std::exception_ptr failure_;
  std::jthread thread_;  // from the first put() on
};

}  // namespace mutirao::train::internal
