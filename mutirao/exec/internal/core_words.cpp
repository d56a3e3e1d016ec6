#include "mutirao/exec/internal/core_words.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <mutex>
#include <new>
#include <utility>

#include "mutirao/core/error.hpp"
#include "mutirao/core/mapping.hpp"
#include "mutirao/core/shared_memory.hpp"
#include "mutirao/exec/core_budget.hpp"
#include "mutirao/exec/internal/held_core.hpp"

namespace mutirao::exec::internal {
namespace {

CoreWords::Participant own_participant;
thread_local std::optional<std::size_t> held_core;

/// Where the words lie. Never unmapped: threads of other libraries may still give cores back while
/// the program ends.
struct WordsMemory {
  core::UniqueFd file;  // none where the system refused one, which only executed workers need
  core::Mapping mapping;
  bool adopted = false;
};

WordsMemory& words_memory() {
  static WordsMemory& memory = *new WordsMemory;
  return memory;
}

CoreWords& make_words() {
  WordsMemory& memory = words_memory();
  if (memory.adopted) return *static_cast<CoreWords*>(memory.mapping.data());
  try {
    memory.file = core::create_memory_file(sizeof(CoreWords), "core-budget");
    memory.mapping =
        core::Mapping(memory.file.get(), sizeof(CoreWords), core::Mapping::Access::kReadWrite);
  } catch (const core::IoError&) {
    memory.mapping = core::Mapping::anonymous_shared(sizeof(CoreWords));
  }
  auto* words = new (memory.mapping.data()) CoreWords;
  words->start(available_cores());
  return *words;
}

}  // namespace

void CoreWords::start(std::size_t cores) noexcept {
  limit(cores);
  tenants_[0].store(1, std::memory_order_relaxed);
  places_used_.store(1, std::memory_order_relaxed);
}

void CoreWords::limit(std::size_t cores) noexcept {
  cores_.store(static_cast<std::uint32_t>(std::clamp<std::size_t>(cores, 1, kMostCores)),
               std::memory_order_relaxed);
}

std::optional<CoreWords::Participant> CoreWords::join() noexcept {
  for (std::uint32_t place = 0; place < kMostParticipants; ++place) {
    std::uint32_t tenant = tenants_[place].load(std::memory_order_relaxed);
    if (tenant & 1) continue;
    if (!tenants_[place].compare_exchange_strong(tenant, tenant + 1)) continue;
    std::uint32_t used = places_used_.load();
    while (used < place + 1 && !places_used_.compare_exchange_weak(used, place + 1)) {
    }
    return Participant{place, tenant + 1};
  }
  return std::nullopt;
}

void CoreWords::sweep(Participant participant) noexcept {
  // Swept already, perhaps somebody else's place by now.
  if (tenants_[participant.place].load() != participant.tenant) return;
  waits_[participant.place].store(0);
  for (auto& owner : owners_) {
    std::uint64_t word = participant.word();
    owner.compare_exchange_strong(word, 0);
  }
  tenants_[participant.place].store(participant.tenant + 1);
  wake_all();
}

void CoreWords::sweep_others(Participant survivor) noexcept {
  const std::uint32_t used = places_used_.load();
  for (std::uint32_t place = 0; place < used; ++place) {
    const std::uint32_t tenant = tenants_[place].load();
    if (place != survivor.place && (tenant & 1) != 0) sweep({place, tenant});
  }
}

std::optional<std::size_t> CoreWords::try_take(Participant participant) noexcept {
  const std::size_t count = cores();
  // Each participant begins at a word of its own, so that they seldom meet.
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t core = (participant.place + i) % count;
    std::uint64_t free = 0;
    if (owners_[core].load(std::memory_order_relaxed) == 0 &&
        owners_[core].compare_exchange_strong(free, participant.word()))
      return core;
  }
  return std::nullopt;
}

std::vector<std::size_t> CoreWords::take_many(Participant participant, std::size_t wanted) {
  std::vector<std::size_t> taken;
  wanted = std::clamp<std::size_t>(wanted, 1, cores());
  add_wait(participant, Need::kTask, 1);
  for (;;) {
    const std::uint32_t epoch = epoch_.load(std::memory_order_seq_cst);
    // All or none: two who each held half would wait for each other.
    std::size_t free = 0;
    for (std::size_t core = 0; core < cores(); ++core)
      free += owners_[core].load(std::memory_order_seq_cst) == 0 ? 1 : 0;
    while (free >= wanted && taken.size() < wanted) {
      const auto core = try_take(participant);
      if (!core) break;
      taken.push_back(*core);
    }
    if (taken.size() == wanted) break;
    for (const std::size_t core : taken) give_back(core);
    if (taken.empty()) core::futex_wait(epoch_, epoch, core::FutexScope::kShared);
    taken.clear();
  }
  add_wait(participant, Need::kTask, -1);
  if (anybody_waits()) wake_all();
  return taken;
}

void CoreWords::give_back(std::size_t core) noexcept {
  owners_[core].store(0, std::memory_order_seq_cst);
  if (anybody_waits()) wake_all();
}

void CoreWords::add_wait(Participant participant, Need need, int change) noexcept {
  const std::uint32_t unit = need == Need::kTask ? 1 : kSpareUnit;
  waits_[participant.place].fetch_add(change > 0 ? unit : 0 - unit, std::memory_order_seq_cst);
}

bool CoreWords::task_waits() const noexcept {
  const std::uint32_t used = places_used_.load(std::memory_order_relaxed);
  for (std::uint32_t place = 0; place < used; ++place) {
    if ((waits_[place].load(std::memory_order_relaxed) & (kSpareUnit - 1)) != 0) return true;
  }
  return false;
}

bool CoreWords::anybody_waits() const noexcept {
  const std::uint32_t used = places_used_.load(std::memory_order_seq_cst);
  for (std::uint32_t place = 0; place < used; ++place) {
    if (waits_[place].load(std::memory_order_seq_cst) != 0) return true;
  }
  return false;
}

std::size_t CoreWords::held_by(Participant participant) const noexcept {
  std::size_t held = 0;
  for (std::size_t core = 0; core < cores(); ++core) held += holds(participant, core) ? 1 : 0;
  return held;
}

void CoreWords::wake_all() noexcept {
  epoch_.fetch_add(1, std::memory_order_seq_cst);
  core::futex_wake(epoch_, INT_MAX, core::FutexScope::kShared);
}

CoreWords& core_words() {
  static CoreWords& words = make_words();
  return words;
}

int core_words_file() {
  core_words();
  if (!words_memory().file)
    throw core::IoError("cannot share the core budget with other processes", EMFILE,
                        "raise the limit on open files (ulimit -n)");
  return words_memory().file.get();
}

void adopt_core_words(core::UniqueFd file) {
  WordsMemory& memory = words_memory();
  memory.mapping = core::Mapping(file.get(), sizeof(CoreWords), core::Mapping::Access::kReadWrite);
  memory.file = std::move(file);
  memory.adopted = true;
}

CoreWords::Participant this_participant() noexcept {
  return own_participant.tenant == 0 ? CoreWords::Participant{0, 1} : own_participant;
}

void become_participant(CoreWords::Participant participant) noexcept {
  own_participant = participant;
}

bool this_thread_holds_core() noexcept { return held_core.has_value(); }

void adopt_core(std::size_t core) noexcept { held_core = core; }

std::optional<std::size_t> release_core() noexcept {
  return std::exchange(held_core, std::nullopt);
}

void drop_core() noexcept {
  if (held_core) core_words().give_back(*std::exchange(held_core, std::nullopt));
}

namespace {

struct ReservedCores {
  std::mutex mutex;
  std::vector<std::size_t> free;
  std::atomic<std::size_t> count{0};  // of `free`, to be looked at without the lock
};

ReservedCores& reserved() {
  static ReservedCores& cores = *new ReservedCores;
  return cores;
}

}  // namespace

void reserve_cores(std::vector<std::size_t> cores) {
  const std::lock_guard lock(reserved().mutex);
  reserved().free = std::move(cores);
  reserved().count.store(reserved().free.size());
}

std::optional<std::size_t> take_reserved_core() {
  if (reserved().count.load() == 0) return std::nullopt;
  const std::lock_guard lock(reserved().mutex);
  if (reserved().free.empty()) return std::nullopt;
  const std::size_t core = reserved().free.back();
  reserved().free.pop_back();
  reserved().count.store(reserved().free.size());
  return core;
}

void put_back_reserved(std::size_t core) {
  const std::lock_guard lock(reserved().mutex);
  reserved().free.push_back(core);
  reserved().count.store(reserved().free.size());
}

void give_back_reserved_cores() {
  while (const auto core = take_reserved_core()) core_words().give_back(*core);
}

CoreLease::CoreLease() {
  if (held_core) return;
  held_core = core_words().take(this_participant(), CoreWords::Need::kTask, [] { return false; });
  taken_ = true;
}

CoreLease::~CoreLease() {
  if (taken_) drop_core();
}

CoreLoan::CoreLoan() noexcept : lent_(held_core.has_value()) {
  if (lent_) drop_core();
}

CoreLoan::~CoreLoan() {
  if (lent_) {
    held_core = core_words().take(this_participant(), CoreWords::Need::kTask, [] { return false; });
  }
}

}  // namespace mutirao::exec::internal
