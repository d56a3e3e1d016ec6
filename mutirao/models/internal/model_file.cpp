#include "mutirao/models/internal/model_file.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>
#include <xxhash.h>

#include "model_file_generated.h"
#include "mutirao/core/file.hpp"
#include "mutirao/core/mapping.hpp"
#include "mutirao/core/unique_fd.hpp"

namespace mutirao::models::internal {
namespace {

static_assert(std::endian::native == std::endian::little, "model files are little-endian");

constexpr std::size_t kAlignment = 64;
constexpr std::string_view kMagic = "MUTIRAO\n";

struct Prologue {
  std::array<char, 8> magic;
  std::uint32_t format;
  std::uint32_t header_bytes;
  std::uint64_t file_bytes;
  std::uint64_t header_sum;
  std::uint64_t prologue_sum;
  std::array<std::uint64_t, 3> zeros;
};
static_assert(sizeof(Prologue) == kAlignment);
constexpr std::size_t kSummed = 32;

std::uint64_t sum_of(const void* data, std::size_t bytes) { return XXH3_64bits(data, bytes); }

std::size_t aligned(std::size_t offset) {
  return (offset + kAlignment - 1) / kAlignment * kAlignment;
}

void pad(core::AtomicFile& file) {
  constexpr std::array<char, kAlignment> kZeros{};
  file.write(kZeros.data(), aligned(file.size()) - file.size());
}

/// `offsets` are of the sections.
flatbuffers::DetachedBuffer make_header(const ModelFile& file, const SectionWriter& sections,
                                        const std::vector<std::uint64_t>& offsets) {
  flatbuffers::FlatBufferBuilder builder;
  std::vector<flatbuffers::Offset<file::Setting>> settings;
  for (const auto& [name, value] : file.parameters)
    settings.push_back(file::CreateSettingDirect(builder, name.c_str(), value.c_str()));
  std::vector<flatbuffers::Offset<file::Section>> entries;
  for (std::size_t i = 0; i < offsets.size(); ++i) {
    const auto& section = sections.sections()[i];
    entries.push_back(
        file::CreateSectionDirect(builder, section.name.c_str(), offsets[i], section.bytes.size(),
                                  sum_of(section.bytes.data(), section.bytes.size())));
  }
  const data::ClassLabels& classes = file.info.classes;
  builder.ForceDefaults(true);  // the header's length does not depend on the offsets
  builder.Finish(file::CreateHeader(
      builder, builder.CreateString(file.info.version), builder.CreateString(file.estimator),
      builder.CreateString(data::name_of(file.info.task)), builder.CreateString(file.info.target),
      file.info.seed, file.info.training_rows, builder.CreateVector(settings),
      builder.CreateVector(entries), file.info.id ? builder.CreateString(*file.info.id) : 0,
      classes.empty() ? 0 : builder.CreateVectorOfStrings(classes.names),
      classes.empty() ? 0 : builder.CreateString(data::name_of(classes.type))));
  return builder.Release();
}

}  // namespace

void sign_model_file(std::span<std::byte> bytes) {
  Prologue prologue{};
  if (bytes.size() < sizeof prologue) return;
  std::memcpy(&prologue, bytes.data(), sizeof prologue);
  const std::span<std::byte> rest = bytes.subspan(sizeof prologue);
  if (prologue.header_bytes <= rest.size()) {
    auto* header_bytes = reinterpret_cast<std::uint8_t*>(rest.data());
    // Before each sum again: where tables overlap, the last one may have spoilt the header.
    const auto section = [&](flatbuffers::uoffset_t i) -> file::Section* {
      flatbuffers::Verifier verifier(header_bytes, prologue.header_bytes);
      if (!file::VerifyHeaderBuffer(verifier)) return nullptr;
      auto& sections = *file::GetMutableHeader(header_bytes)->mutable_sections();
      return i < sections.size() ? sections.GetMutableObject(i) : nullptr;
    };
    for (flatbuffers::uoffset_t i = 0; file::Section* const at = section(i); ++i) {
      if (at->offset() <= bytes.size() && at->bytes() <= bytes.size() - at->offset())
        at->mutate_xxh3(sum_of(bytes.data() + at->offset(), at->bytes()));
    }
    prologue.header_sum = sum_of(rest.data(), prologue.header_bytes);
  }
  prologue.file_bytes = bytes.size();
  prologue.prologue_sum = sum_of(&prologue, kSummed);
  std::memcpy(bytes.data(), &prologue, sizeof prologue);
}

void write_model_file(const std::string& path, const ModelFile& file,
                      const SectionWriter& sections) {
  // Twice: the offsets depend on the header's length, which does not depend on the offsets.
  std::vector<std::uint64_t> offsets(sections.sections().size(), ~std::uint64_t{0});
  std::size_t next = kAlignment + make_header(file, sections, offsets).size();
  std::size_t file_bytes = next;
  for (std::size_t i = 0; i < offsets.size(); ++i) {
    offsets[i] = aligned(next);
    next = offsets[i] + sections.sections()[i].bytes.size();
    file_bytes = next;
  }
  const flatbuffers::DetachedBuffer header = make_header(file, sections, offsets);

  Prologue prologue{};
  std::copy(kMagic.begin(), kMagic.end(), prologue.magic.begin());
  prologue.format = kModelFormat;
  prologue.header_bytes = static_cast<std::uint32_t>(header.size());
  prologue.file_bytes = file_bytes;
  prologue.header_sum = sum_of(header.data(), header.size());
  prologue.prologue_sum = sum_of(&prologue, kSummed);

  core::AtomicFile out(path);
  out.write(&prologue, sizeof prologue);
  out.write(header.data(), header.size());
  for (const auto& section : sections.sections()) {
    pad(out);
    out.write(section.bytes.data(), section.bytes.size());
  }
  out.commit();
}

SectionReader read_model_file(const std::string& path, ModelFile& file) {
  const core::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status {};
  if (!fd || ::fstat(fd.get(), &status) != 0) {
    throw core::IoError(fmt::format("cannot read the model file {}", path), errno,
                        "give the path of a model that was saved, or of a run folder");
  }
  const auto corrupt = [&](const std::string& what) {
    return core::CorruptFile(fmt::format("the model file {} {}", path, what),
                             "train the model again, or copy the file again");
  };
  if (!S_ISREG(status.st_mode)) throw corrupt("is not a file");
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size == 0) throw corrupt("is empty");
  const auto mapping =
      std::make_shared<core::Mapping>(fd.get(), size, core::Mapping::Access::kRead);
  const auto* bytes = static_cast<const std::byte*>(mapping->data());

  Prologue prologue{};
  std::memcpy(&prologue, bytes, std::min(size, sizeof prologue));
  if (std::memcmp(prologue.magic.data(), kMagic.data(), std::min(size, kMagic.size())) != 0)
    throw corrupt("is not a model of mutirao");
  if (size < sizeof prologue) throw corrupt("is cut short");
  if (prologue.prologue_sum != sum_of(&prologue, kSummed)) throw corrupt("is damaged at its start");
  if (prologue.format > kModelFormat) {
    throw core::CorruptFile(
        fmt::format("the model file {} has format {}, and this version of mutirao reads format {}",
                    path, prologue.format, kModelFormat),
        "read it with a newer version of mutirao");
  }
  if (prologue.file_bytes > size) {
    throw corrupt(
        fmt::format("is cut short: {} of its {} bytes are there", size, prologue.file_bytes));
  }
  const auto all_zero = [&](std::size_t first, std::size_t last) {
    return std::all_of(bytes + first, bytes + last,
                       [](std::byte byte) { return byte == std::byte{0}; });
  };
  const std::size_t header_end = sizeof prologue + prologue.header_bytes;
  if (prologue.format == 0 || prologue.file_bytes != size || header_end > size ||
      !all_zero(offsetof(Prologue, zeros), sizeof prologue))
    throw corrupt("is damaged at its start");
  if (prologue.header_sum != sum_of(bytes + sizeof prologue, prologue.header_bytes))
    throw corrupt("is damaged in its header");
  const auto* header_bytes = reinterpret_cast<const std::uint8_t*>(bytes) + sizeof prologue;
  flatbuffers::Verifier verifier(header_bytes, prologue.header_bytes);
  if (!file::VerifyHeaderBuffer(verifier)) throw corrupt("has no valid header");
  const file::Header& header = *file::GetHeader(header_bytes);

  std::vector<SectionWriter::Section> sections;
  std::size_t end = header_end;
  for (const file::Section* section : *header.sections()) {
    const std::string name = section->name()->str();
    if (section->offset() != aligned(end) || section->offset() > size ||
        section->bytes() > size - section->offset() || !all_zero(end, section->offset()))
      throw corrupt(fmt::format("is damaged before its section '{}'", name));
    const std::span<const std::byte> content(bytes + section->offset(), section->bytes());
    if (section->xxh3() != sum_of(content.data(), content.size()))
      throw corrupt(fmt::format("is damaged in its section '{}'", name));
    sections.push_back({name, content});
    end = section->offset() + section->bytes();
  }
  if (end != size) throw corrupt("has bytes behind its end");

  const std::optional<data::Task> task = data::task_named(header.task()->str());
  if (!task) throw corrupt(fmt::format("is for the unknown task '{}'", header.task()->str()));
  file.info = {.target = header.target()->str(),
               .task = *task,
               .seed = header.seed(),
               .training_rows = header.training_rows(),
               .version = header.version()->str(),
               .id = header.id() == nullptr ? std::nullopt : std::optional(header.id()->str())};
  if (header.classes() != nullptr) {
    for (const auto* name : *header.classes()) file.info.classes.names.push_back(name->str());
    const std::string type = header.class_type() == nullptr ? "" : header.class_type()->str();
    const std::optional<data::ColumnType> known = data::column_type_named(type);
    if (!known) throw corrupt(fmt::format("has classes of the unknown type '{}'", type));
    file.info.classes.type = *known;
  }
  file.estimator = header.estimator()->str();
  for (const file::Setting* setting : *header.settings())
    file.parameters[setting->name()->str()] = setting->value()->str();
  return {std::move(sections), mapping};
}

}  // namespace mutirao::models::internal
