#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "mutirao/exec/internal/task.hpp"

namespace mutirao::exec::internal {

/// Tasks in the order in which they should begin: by priority, then as they came. Not thread-safe.
class PendingTasks {
 public:
  bool empty() const noexcept { return size_ == 0; }
  std::size_t size() const noexcept { return size_; }

  void push_back(TaskRef task) {
    queues_[task->options().priority].push_back(std::move(task));
    ++size_;
  }
  /// Before those of the same priority; the tasks keep their order.
  void put_back(std::vector<TaskRef> tasks) {
    for (auto task = tasks.rbegin(); task != tasks.rend(); ++task) {
      const int priority = (*task)->options().priority;
      queues_[priority].push_front(std::move(*task));
      ++size_;
    }
  }
  const TaskRef& front() const { return queues_.begin()->second.front(); }
  TaskRef pop_front() {
    const auto queue = queues_.begin();
    TaskRef task = std::move(queue->second.front());
    queue->second.pop_front();
    --size_;
    if (queue->second.empty() && queues_.size() > 1) forget_empty();
    return task;
  }
  /// Empty when it is not there.
  TaskRef take(const Task& task) {
    const auto queue = queues_.find(task.options().priority);
    if (queue == queues_.end()) return {};
    const auto place = std::find_if(queue->second.begin(), queue->second.end(),
                                    [&](const TaskRef& each) { return each.get() == &task; });
    if (place == queue->second.end()) return {};
    TaskRef taken = std::move(*place);
    queue->second.erase(place);
    --size_;
    if (queue->second.empty()) forget_empty();
    return taken;
  }
  std::vector<TaskRef> take_all() {
    std::vector<TaskRef> all;
    while (!empty()) all.push_back(pop_front());
    return all;
  }

 private:
  /// The first queue is never empty while another holds a task.
  void forget_empty() {
    std::erase_if(queues_, [](const auto& queue) { return queue.second.empty(); });
  }

  std::map<int, std::deque<TaskRef>, std::greater<>> queues_;
  std::size_t size_ = 0;
};

}  // namespace mutirao::exec::internal
