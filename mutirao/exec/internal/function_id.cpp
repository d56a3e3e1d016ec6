#include "mutirao/exec/internal/function_id.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <string_view>
#include <vector>

#include <dlfcn.h>
#include <elf.h>
#include <link.h>

#include <fmt/format.h>
#include <cereal/types/string.hpp>

#include "mutirao/core/error.hpp"

namespace mutirao::exec::internal {
namespace {

struct Range {
  std::uintptr_t first;
  std::uintptr_t last;
  std::uintptr_t base;
  std::uint64_t id;
};

struct Module : Range {
  std::string file;
};

// What locate() looks at: plain memory, written once.
Range remembered[256];
std::size_t remembered_count = 0;

// In the offset of an encoded function: the file of its module follows.
constexpr std::uint64_t kFileFollows = std::uint64_t{1} << 63;
// Whether any function was seen in a module that is not among those remembered.
std::atomic<bool> some_came_late{false};

bool is_remembered(std::uint64_t module) noexcept {
  return std::any_of(remembered, remembered + remembered_count,
                     [&](const Range& range) { return range.id == module; });
}

// FNV-1a: names modules, defends against nothing.
std::uint64_t hash(const void* data, std::size_t size) {
  std::uint64_t value = 0xcbf29ce484222325ULL;
  const auto* bytes = static_cast<const unsigned char*>(data);
  for (std::size_t i = 0; i < size; ++i) value = (value ^ bytes[i]) * 0x100000001b3ULL;
  return value;
}

// The build id from the module's notes, or 0.
std::uint64_t build_id(const char* notes, std::size_t size) {
  const auto padded = [](std::size_t n) { return (n + 3) & ~std::size_t{3}; };
  std::size_t at = 0;
  while (at + sizeof(ElfW(Nhdr)) <= size) {
    ElfW(Nhdr) header;
    std::memcpy(&header, notes + at, sizeof header);
    const std::size_t name = at + sizeof header;
    const std::size_t content = name + padded(header.n_namesz);
    if (content + header.n_descsz > size) break;
    if (header.n_type == NT_GNU_BUILD_ID && header.n_namesz == 4 &&
        std::memcmp(notes + name, "GNU", 4) == 0)
      return hash(notes + content, header.n_descsz);
    at = content + padded(header.n_descsz);
  }
  return 0;
}

int add_module(dl_phdr_info* info, std::size_t, void* modules) {
  Module module{{~std::uintptr_t{0}, 0, info->dlpi_addr, 0}, info->dlpi_name};
  if (module.file.empty()) module.file = "/proc/self/exe";
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& part = info->dlpi_phdr[i];
    const std::uintptr_t start = info->dlpi_addr + part.p_vaddr;
    if (part.p_type == PT_LOAD) {
      module.first = std::min(module.first, start);
      module.last = std::max(module.last, start + part.p_memsz);
    } else if (part.p_type == PT_NOTE && module.id == 0) {
      // NOLINTNEXTLINE(performance-no-int-to-ptr): the loader tells addresses as numbers
      module.id = build_id(reinterpret_cast<const char*>(start), part.p_memsz);
    }
  }
  if (module.id == 0) module.id = hash(info->dlpi_name, std::strlen(info->dlpi_name));
  static_cast<std::vector<Module>*>(modules)->push_back(module);
  return 0;
}

// The modules of this process. Libraries can be loaded later, so a miss looks again.
class ModuleTable {
 public:
  /// Calls `use` with the module that it is looking for; false when there is none. Every task asks
  /// three times.
  template <class Predicate, class Use>
  bool find(Predicate predicate, Use use) {
    const std::lock_guard lock(mutex_);
    for (int attempt = 0; attempt < 2; ++attempt) {
      for (const Module& module : modules_) {
        if (predicate(module)) {
          use(module);
          return true;
        }
      }
      modules_.clear();
      ::dl_iterate_phdr(&add_module, &modules_);
    }
    return false;
  }
  std::vector<Module> all() {
    const std::lock_guard lock(mutex_);
    modules_.clear();
    ::dl_iterate_phdr(&add_module, &modules_);
    return modules_;
  }

 private:
  std::mutex mutex_;
  std::vector<Module> modules_;
};

ModuleTable& module_table() {
  static ModuleTable& table = *new ModuleTable;
  return table;
}

}  // namespace

FunctionId identify(AnyFunction function) {
  const auto address = reinterpret_cast<std::uintptr_t>(function);
  if (address == 0) throw core::InvalidArgument("a task's function is null");
  Range module{};
  if (!module_table().find(
          [&](const Module& each) { return each.first <= address && address < each.last; },
          [&](const Module& found) { module = found; }))
    throw core::InvalidArgument("a task's function lies in no module of this program",
                                "pass a function of the program or of a library");
  if (remembered_count != 0 && !is_remembered(module.id)) some_came_late.store(true);
  return {module.id, address - module.base};
}

AnyFunction resolve(const FunctionId& id) {
  Range module{};
  if (!module_table().find([&](const Module& each) { return each.id == id.module; },
                           [&](const Module& found) { module = found; }) ||
      module.base + id.offset < module.first || module.base + id.offset >= module.last) {
    throw core::Unsupported("the task's function lies in a library that the worker has not loaded",
                            "link the library to the program, or load it before the Runtime");
  }
  // NOLINTNEXTLINE(performance-no-int-to-ptr): the loader tells addresses as numbers
  return reinterpret_cast<AnyFunction>(module.base + id.offset);
}

void FunctionId::save(core::OutputArchive& archive) const {
  if (!some_came_late.load(std::memory_order_relaxed) || is_remembered(module)) {
    archive(module, offset);
    return;
  }
  archive(module, offset | kFileFollows, file_of_module(module));
}

void FunctionId::load(core::InputArchive& archive) {
  archive(module, offset);
  if ((offset & kFileFollows) == 0) return;
  offset &= ~kFileFollows;
  std::string file;
  archive(file);
  const auto here = [this] { return !file_of_module(module).empty(); };
  if (here()) return;
  const void* const library = ::dlopen(file.c_str(), RTLD_NOW | RTLD_GLOBAL);
  const char* const why = library == nullptr ? ::dlerror() : nullptr;
  if (here()) return;
  throw core::Unsupported(
      fmt::format("the task's function lies in '{}', which a worker cannot load: {}", file,
                  why != nullptr ? why : "the file has changed since the program loaded it"),
      "link the library to the program, or load it before the Runtime");
}

std::string file_of_module(std::uint64_t id) {
  std::string file;
  module_table().find([&](const Module& each) { return each.id == id; },
                      [&](const Module& found) { file = found.file; });
  return file;
}

ModuleBuilds module_builds() {
  ModuleBuilds builds;
  for (const Module& module : module_table().all()) {
    if (builds.count == ModuleBuilds::kMost) break;
    builds.modules[builds.count++] = {hash(module.file.data(), module.file.size()), module.id};
  }
  return builds;
}

std::string module_of_another_build(const ModuleBuilds& there) {
  for (const Module& module : module_table().all()) {
    const std::uint64_t file = hash(module.file.data(), module.file.size());
    for (std::uint32_t i = 0; i < there.count; ++i) {
      if (there.modules[i].file == file && there.modules[i].build != module.id) return module.file;
    }
  }
  return {};
}

void remember_modules() {
  remembered_count = 0;
  for (const Module& module : module_table().all()) {
    if (remembered_count == std::size(remembered)) return;
    remembered[remembered_count++] = module;
  }
}

FunctionId locate(std::uintptr_t address) noexcept {
  for (std::size_t i = 0; i < remembered_count; ++i) {
    const Range& range = remembered[i];
    if (range.first <= address && address < range.last) return {range.id, address - range.base};
  }
  return {0, address};
}

}  // namespace mutirao::exec::internal
