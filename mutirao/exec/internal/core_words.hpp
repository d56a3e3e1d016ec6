#pragma once

// The memory that a CoreBudget shares between the processes of a program.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "mutirao/core/futex.hpp"
#include "mutirao/core/unique_fd.hpp"

namespace mutirao::exec::internal {

// Note [One owner word per core]
// Token and lease are the same word: a core is free when its word is 0, otherwise the word names
// the participant (a process) that holds it. Taking one is a compare-and-swap, giving it back a
// store. When a process dies, its parent clears the words that name it: nothing else has to be
// repaired, because nothing else is written. The counts of those who wait are words of the waiting
// process, for the same reason. Who sleeps does so on `epoch`, which every release moves when
// anybody waits.
class CoreWords {
 public:
  static constexpr std::size_t kMostCores = 1024;
  static constexpr std::uint32_t kMostParticipants = 1024;

  /// Who holds a core: a place in the table of participants and the number of its tenant.
  struct Participant {
    std::uint32_t place = 0;
    std::uint32_t tenant = 0;
    std::uint64_t word() const noexcept { return (std::uint64_t{place} + 1) << 32 | tenant; }
  };
  /// Somebody for whom running tasks give cores back; or somebody who only takes what is free.
  enum class Need { kTask, kSpare };

  /// In fresh zeroed memory; the caller becomes the first participant.
  void start(std::size_t cores) noexcept;

  std::size_t cores() const noexcept { return cores_.load(std::memory_order_relaxed); }
  void limit(std::size_t cores) noexcept;

  std::optional<Participant> join() noexcept;
  /// The participant is gone: its cores are free and its waits forgotten.
  void sweep(Participant participant) noexcept;
  /// The same for all but one.
  void sweep_others(Participant survivor) noexcept;

  /// The index of a core that was free and is now the participant's.
  std::optional<std::size_t> try_take(Participant participant) noexcept;
  /// As try_take, sleeping until one is free. `give_up` may say that it is no longer wanted; it is
  /// asked after each wake.
  template <class GiveUp>
  std::optional<std::size_t> take(Participant participant, Need need, GiveUp give_up) noexcept {
    if (const auto core = try_take(participant)) return core;
    add_wait(participant, need, 1);
    std::optional<std::size_t> core;
    while (!give_up()) {
      const std::uint32_t epoch = epoch_.load(std::memory_order_seq_cst);
      // A spare thread stands back while a task waits; the task's end of waiting wakes it again.
      if (need == Need::kTask || !task_waits()) core = try_take(participant);
      if (core) break;
      core::futex_wait(epoch_, epoch, core::FutexScope::kShared);
    }
    add_wait(participant, need, -1);
    if (need == Need::kTask && anybody_waits()) wake_all();
    return core;
  }
  /// So many cores at once (at most all), sleeping until they are free at the same time.
  std::vector<std::size_t> take_many(Participant participant, std::size_t wanted);
  void give_back(std::size_t core) noexcept;
  /// Counts this participant as one that waits, without sleeping.
  void add_wait(Participant participant, Need need, int change) noexcept;
  /// Whether a task, anywhere, waits for a core.
  bool task_waits() const noexcept;
  /// Whether this participant's words say that it holds that core.
  bool holds(Participant participant, std::size_t core) const noexcept {
    return owners_[core].load(std::memory_order_relaxed) == participant.word();
  }
  /// How many cores it holds just now.
  std::size_t held_by(Participant participant) const noexcept;
  /// Wakes everybody who sleeps, to look again.
  void wake_all() noexcept;

 private:
  static constexpr std::uint32_t kSpareUnit = 1U << 16;

  bool anybody_waits() const noexcept;

  std::atomic<std::uint32_t> cores_;
  std::atomic<std::uint32_t> epoch_;
  std::atomic<std::uint32_t> places_used_;                 // no participant beyond this place
  std::atomic<std::uint32_t> tenants_[kMostParticipants];  // odd: the place is taken
  std::atomic<std::uint32_t> waits_[kMostParticipants];    // tasks + kSpareUnit * spares
  std::atomic<std::uint64_t> owners_[kMostCores];          // Participant::word(), or 0
};

/// The words of this program: made by the Runtime before the zygote is forked, or, without one, at
/// the first call, for this process alone.
CoreWords& core_words();
/// The file that the words lie in, for processes that are executed, not forked. Throws IoError when
/// the system gives none.
int core_words_file();
/// In a process just executed, before anything asks: the words are those in this file.
void adopt_core_words(core::UniqueFd file);
CoreWords::Participant this_participant() noexcept;
/// In a worker, before anything asks: which participant it is.
void become_participant(CoreWords::Participant participant) noexcept;

/// Holds one core for the calling thread, from construction to destruction, if it does not hold one
/// already; waits for it.
class CoreLease {
 public:
  CoreLease();
  ~CoreLease();
  CoreLease(const CoreLease&) = delete;
  CoreLease& operator=(const CoreLease&) = delete;

 private:
  bool taken_ = false;
};

/// Lends the core that the calling thread holds, if any, to others while the thread sleeps.
class CoreLoan {
 public:
  CoreLoan() noexcept;
  ~CoreLoan();
  CoreLoan(const CoreLoan&) = delete;
  CoreLoan& operator=(const CoreLoan&) = delete;

 private:
  bool lent_ = false;
};

}  // namespace mutirao::exec::internal
