// Five threads each run a task: they start together, and the program waits for all of them.

#include <chrono>
#include <iostream>
#include <mutex>
#include <thread>
#include <vector>

#include "mutirao/exec/thread_executor.hpp"

namespace {

std::mutex output;

void task(int number) {
  {
    const std::lock_guard lock(output);
    std::cout << "Tarefa " << number << " iniciada na thread " << std::this_thread::get_id()
              << std::endl;
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  const std::lock_guard lock(output);
  std::cout << "Tarefa " << number << " concluída." << std::endl;
}

}  // namespace

int main() {
  mutirao::exec::ThreadExecutor threads({.threads = 5});

  std::vector<mutirao::exec::Future<void>> tasks;
  for (int number = 1; number <= 5; ++number) tasks.push_back(threads.submit(task, number));
  for (auto& each : tasks) each.get();

  std::cout << "Todas as tarefas foram concluídas." << std::endl;
}
