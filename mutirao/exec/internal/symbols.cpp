#include "mutirao/exec/internal/symbols.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string_view>

#include <cxxabi.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/stat.h>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"
#include "mutirao/core/mapping.hpp"
#include "mutirao/core/unique_fd.hpp"

namespace mutirao::exec::internal {
namespace {

/// The functions of one module's file. Every offset in the file is checked: files can be anything.
class SymbolFile {
 public:
  explicit SymbolFile(const std::string& path) {
    const core::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat status {};
    if (!fd || ::fstat(fd.get(), &status) != 0 || status.st_size <= 0) return;
    try {
      file_ = core::Mapping(fd.get(), static_cast<std::size_t>(status.st_size),
                            core::Mapping::Access::kRead);
    } catch (const core::IoError&) {
      return;
    }
    read_sections();
  }

  struct Found {
    std::string_view name;
    std::uint64_t offset = 0;
  };
  Found find(std::uint64_t address) const {
    Found best;
    for (std::uint64_t i = 0; i < symbol_count_; ++i) {
      ElfW(Sym) symbol;
      std::memcpy(&symbol, symbols_ + i * sizeof symbol, sizeof symbol);
      if ((symbol.st_info & 0xf) != STT_FUNC || symbol.st_value > address ||
          address - symbol.st_value >= std::max<std::uint64_t>(symbol.st_size, 1) ||
          symbol.st_name >= names_size_)
        continue;
      const char* name = names_ + symbol.st_name;
      best = {{name, ::strnlen(name, names_size_ - symbol.st_name)}, address - symbol.st_value};
    }
    return best;
  }

 private:
  template <class T>
  bool read(std::uint64_t at, T& value) const {
    if (at > file_.size() || sizeof value > file_.size() - at) return false;
    std::memcpy(&value, bytes() + at, sizeof value);
    return true;
  }
  const char* bytes() const noexcept { return static_cast<const char*>(file_.data()); }
  bool inside(const ElfW(Shdr) & section) const noexcept {
    return section.sh_offset <= file_.size() && section.sh_size <= file_.size() - section.sh_offset;
  }

  void read_sections() {
    ElfW(Ehdr) header;
    if (!read(0, header) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return;
    // The full table where it was not stripped, else that of the dynamic linker.
    for (const std::uint32_t wanted : {SHT_SYMTAB, SHT_DYNSYM}) {
      for (std::uint64_t i = 0; i < header.e_shnum; ++i) {
        ElfW(Shdr) table;
        ElfW(Shdr) names;
        if (!read(header.e_shoff + i * sizeof table, table) || table.sh_type != wanted ||
            !read(header.e_shoff + table.sh_link * sizeof names, names) || !inside(table) ||
            !inside(names))
          continue;
        symbols_ = bytes() + table.sh_offset;
        symbol_count_ = table.sh_size / sizeof(ElfW(Sym));
        names_ = bytes() + names.sh_offset;
        names_size_ = names.sh_size;
        return;
      }
    }
  }

  core::Mapping file_;
  const char* symbols_ = nullptr;
  std::uint64_t symbol_count_ = 0;
  const char* names_ = nullptr;
  std::uint64_t names_size_ = 0;
};

std::string readable(std::string_view symbol) {
  const std::string name(symbol);
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> demangled(
      abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status), &std::free);
  return status == 0 ? demangled.get() : name;
}

}  // namespace

std::vector<std::string> symbolize(std::span<const FunctionId> places) {
  std::map<std::string, SymbolFile> files;
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < places.size(); ++i) {
    const FunctionId& place = places[i];
    const std::string path = file_of_module(place.module);
    if (path.empty()) {
      lines.push_back(fmt::format("#{} {:#x}", i, place.offset));
      continue;
    }
    const SymbolFile& file = files.try_emplace(path, path).first->second;
    const std::uint64_t inside = i == 0 ? 0 : 1;
    const SymbolFile::Found found = file.find(place.offset - inside);
    const std::string module =
        path == "/proc/self/exe" ? "the program" : path.substr(path.rfind('/') + 1);
    lines.push_back(found.name.empty() ? fmt::format("#{} {:#x} in {}", i, place.offset, module)
                                       : fmt::format("#{} {} +{:#x} in {}", i, readable(found.name),
                                                     found.offset + inside, module));
  }
  return lines;
}

}  // namespace mutirao::exec::internal
