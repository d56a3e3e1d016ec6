#include "mutirao/nn/checkpoint.hpp"

#include <cstring>
#include <mutex>
#include <span>
#include <utility>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <fmt/format.h>
#include <torch/serialize/archive.h>

#include "mutirao/core/error.hpp"
#include "mutirao/nn/internal/checkpoint_file.hpp"
#include "mutirao/nn/internal/texts.hpp"

namespace mutirao::nn {
namespace {

using torch::Tensor;
using torch::serialize::InputArchive;
using torch::serialize::OutputArchive;

constexpr auto kNotOfThisRun = "resume with the model, optimizer and ranks of that run";

/// Where the parameters are.
torch::Device device_of(const TrainingParts& parts) {
  std::vector<Tensor> parameters;
  if (parts.module != nullptr) parameters = parts.module->parameters();
  if (parts.optimizer != nullptr) {
    for (const auto& group : std::as_const(*parts.optimizer).param_groups())
      parameters.insert(parameters.end(), group.params().begin(), group.params().end());
  }
  return parameters.empty() ? torch::Device(torch::kCPU) : parameters.front().device();
}

/// The generators whose numbers a training may use: the host's, and that of its GPU.
std::vector<at::Generator> generators_of(const torch::Device& device) {
  std::vector<at::Generator> found{at::detail::getDefaultCPUGenerator()};
  if (!device.is_cpu()) found.push_back(at::globalContext().defaultGenerator(device));
  return found;
}

/// Of each generator: the bytes of its state, then that state in whole words.
void append_random_states(std::vector<std::int64_t>& words, const torch::Device& device) {
  for (at::Generator& generator : generators_of(device)) {
    const std::lock_guard lock(generator.mutex());
    const Tensor state = generator.get_state();
    const std::size_t bytes = state.nbytes(), place = words.size() + 1;
    words.push_back(static_cast<std::int64_t>(bytes));
    words.resize(place + (bytes + 7) / 8, 0);
    std::memcpy(words.data() + place, state.data_ptr(), bytes);
  }
}

void set_random_states(std::span<const std::int64_t> words, const torch::Device& device) {
  for (at::Generator& generator : generators_of(device)) {
    if (words.empty()) return;  // written by a training without a GPU
    const auto bytes = static_cast<std::size_t>(words.front());
    const Tensor state = torch::empty({words.front()}, torch::kUInt8);
    std::memcpy(state.data_ptr(), words.data() + 1, bytes);
    words = words.subspan(1 + (bytes + 7) / 8);
    const std::lock_guard lock(generator.mutex());
    generator.set_state(state);
  }
}

Tensor tensor_of(const std::vector<double>& values) {
  return torch::tensor(values, torch::kFloat64);
}

std::vector<double> values_of(const Tensor& tensor) {
  const double* first = tensor.data_ptr<double>();
  return {first, first + tensor.numel()};
}

void write(OutputArchive& archive, const std::string& key, std::int64_t number) {
  archive.write(key, torch::full({1}, number, torch::kInt64), /*is_buffer=*/true);
}

Tensor read_tensor(InputArchive& archive, const std::string& key) {
  Tensor tensor;
  archive.read(key, tensor);
  return tensor.detach();
}

std::int64_t read_number(InputArchive& archive, const std::string& key) {
  return read_tensor(archive, key).item<std::int64_t>();
}

std::string read_text(InputArchive& archive, const std::string& key) {
  c10::IValue value;
  archive.read(key, value);
  return value.toStringRef();
}

/// Parameters and buffers with their names.
std::vector<std::pair<std::string, Tensor>> tensors_of(const torch::nn::Module& module) {
  std::vector<std::pair<std::string, Tensor>> found;
  for (const auto& item : module.named_parameters()) found.emplace_back(item.key(), item.value());
  for (const auto& item : module.named_buffers()) found.emplace_back(item.key(), item.value());
  return found;
}

void write_module(OutputArchive& archive, const torch::nn::Module& module) {
  const auto tensors = tensors_of(module);
  write(archive, "tensors", static_cast<std::int64_t>(tensors.size()));
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    archive.write(fmt::format("tensor{}_name", i), c10::IValue(tensors[i].first));
    archive.write(fmt::format("tensor{}", i), tensors[i].second.detach(), /*is_buffer=*/true);
  }
}

/// Looks at everything before it changes anything.
std::vector<std::pair<Tensor, Tensor>> matched_tensors(InputArchive& archive,
                                                       const torch::nn::Module& module) {
  const auto tensors = tensors_of(module);
  const std::int64_t count = read_number(archive, "tensors");
  std::vector<std::pair<Tensor, Tensor>> matched;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto& [name, tensor] = tensors[i];
    const bool there = static_cast<std::int64_t>(i) < count;
    const std::string saved_name =
        there ? read_text(archive, fmt::format("tensor{}_name", i)) : "nothing";
    const Tensor saved = there ? read_tensor(archive, fmt::format("tensor{}", i)) : Tensor();
    if (saved_name != name || saved.sizes() != tensor.sizes()) {
      throw core::InvalidInput(
          fmt::format("the checkpoint is of another model: it has {} where this one has {}",
                      saved_name == name ? name + " of another shape" : saved_name, name),
          kNotOfThisRun);
    }
    matched.emplace_back(tensor, saved);
  }
  if (count != static_cast<std::int64_t>(tensors.size())) {
    throw core::InvalidInput(
        fmt::format("the checkpoint is of another model: it has {} tensors, this one {}", count,
                    tensors.size()),
        kNotOfThisRun);
  }
  return matched;
}

void copy(const std::vector<std::pair<Tensor, Tensor>>& matched) {
  const torch::NoGradGuard no_grad;
  for (const auto& [tensor, saved] : matched) tensor.copy_(saved);
}

InputArchive open(const std::string& payload, const torch::Device& device = torch::kCPU) {
  InputArchive archive;
  archive.load_from(payload.data(), payload.size(), device);
  return archive;
}

/// Rank 0 does it; what it throws, all throw. Collective.
template <class Action>
void on_rank_zero(comm::Communicator& ranks, Action action) {
  std::string complaint;
  std::exception_ptr thrown;
  if (ranks.rank() == 0) {
    try {
      action();
    } catch (const core::Error& error) {
      thrown = std::current_exception();
      complaint =
          fmt::format("{}\n{}\n{}", static_cast<int>(error.code()), error.hint(), error.what());
    } catch (const std::exception& error) {
      thrown = std::current_exception();
      complaint =
          fmt::format("{}\n\n{}", static_cast<int>(core::ErrorCode::kInternal), error.what());
    }
  }
  complaint = internal::broadcast_text(ranks, complaint);
  if (thrown) std::rethrow_exception(thrown);
  if (complaint.empty()) return;
  const std::size_t first = complaint.find('\n');
  const std::size_t second = complaint.find('\n', first + 1);
  throw core::Error(static_cast<core::ErrorCode>(std::stoi(complaint)),
                    complaint.substr(second + 1) + " (rank 0)",
                    complaint.substr(first + 1, second - first - 1));
}

}  // namespace

Checkpoints::Checkpoints(comm::Communicator& ranks, const TrainingParts& parts,
                         const CheckpointOptions& options)
    : ranks_(ranks), parts_(parts), options_(options) {
  if (options.folder.empty() || options.keep < 1) {
    throw core::InvalidArgument("checkpoints need a folder, and to keep at least one",
                                "set CheckpointOptions::folder");
  }
}

// What is each rank's own: [given, then the states of its random numbers].
std::string Checkpoints::encode(std::int64_t step, const std::map<std::string, double>& values) {
  std::vector<std::int64_t> mine{
      parts_.sampler == nullptr ? 0 : static_cast<std::int64_t>(parts_.sampler->given())};
  append_random_states(mine, device_of(parts_));
  std::vector<std::int64_t> all(mine.size() * static_cast<std::size_t>(ranks_.size()));
  ranks_.all_gather(std::span<const std::int64_t>(mine), std::span<std::int64_t>(all)).wait();
  if (ranks_.rank() != 0) return {};

  OutputArchive archive;
  write(archive, "step", step);
  write(archive, "world", ranks_.size());
  archive.write("ranks", torch::tensor(all, torch::kInt64), /*is_buffer=*/true);
  std::string names;
  std::vector<double> numbers;
  for (const auto& [name, value] : values) {
    names += name + '\n';
    numbers.push_back(value);
  }
  archive.write("value_names", c10::IValue(names));
  archive.write("values", tensor_of(numbers), /*is_buffer=*/true);
  if (parts_.module != nullptr) write_module(archive, *parts_.module);
  if (parts_.optimizer != nullptr) {
    OutputArchive inner(archive.compilation_unit());
    parts_.optimizer->save(inner);
    archive.write("optimizer", inner);
    std::vector<double> rates;
    for (const auto& group : std::as_const(*parts_.optimizer).param_groups())
      rates.push_back(group.options().get_lr());
    archive.write("rates", tensor_of(rates), /*is_buffer=*/true);
  }
  if (parts_.sampler != nullptr) {
    OutputArchive inner(archive.compilation_unit());
    parts_.sampler->save(inner);
    archive.write("sampler", inner);
  }
  if (parts_.learning_rate != nullptr) {
    archive.write("initial_rates", tensor_of(parts_.learning_rate->initial_rates()),
                  /*is_buffer=*/true);
    write(archive, "rate_step", parts_.learning_rate->steps());
  }
  std::string payload;
  archive.save_to([&](const void* data, std::size_t size) {
    payload.append(static_cast<const char*>(data), size);
    return size;
  });
  return payload;
}

Resumed Checkpoints::decode(const std::string& payload) {
  InputArchive archive = open(payload);
  Resumed resumed{.step = read_number(archive, "step")};
  const std::int64_t world = read_number(archive, "world");
  if (world != ranks_.size()) {
    throw core::InvalidInput(
        fmt::format("the checkpoint was written by {} ranks, these are {}", world, ranks_.size()),
        kNotOfThisRun);
  }
  std::vector<std::pair<Tensor, Tensor>> matched;
  if (parts_.module != nullptr) matched = matched_tensors(archive, *parts_.module);
  const std::vector<double> numbers = values_of(read_tensor(archive, "values"));
  const std::string names = read_text(archive, "value_names");
  for (std::size_t i = 0, begin = 0; i < numbers.size(); ++i) {
    const std::size_t end = names.find('\n', begin);
    resumed.values[names.substr(begin, end - begin)] = numbers[i];
    begin = end + 1;
  }
  const Tensor all = read_tensor(archive, "ranks").view({world, -1});
  const Tensor mine = all[ranks_.rank()].contiguous();
  const std::span<const std::int64_t> words(mine.data_ptr<std::int64_t>(),
                                            static_cast<std::size_t>(mine.numel()));
  const torch::Device device = device_of(parts_);

  if (parts_.optimizer != nullptr) {
    const std::vector<double> rates = values_of(read_tensor(archive, "rates"));
    auto& groups = parts_.optimizer->param_groups();
    if (rates.size() != groups.size()) {
      throw core::InvalidInput(fmt::format("the checkpoint has {} parameter groups, this run {}",
                                           rates.size(), groups.size()),
                               kNotOfThisRun);
    }
    InputArchive inner;
    if (device.is_cpu()) {
      archive.read("optimizer", inner);
    } else {
      open(payload, device).read("optimizer", inner);  // its state belongs beside the parameters
    }
    parts_.optimizer->load(inner);
    // Not every version of torch restores the options.
    for (std::size_t i = 0; i < rates.size(); ++i) groups[i].options().set_lr(rates[i]);
  }
  if (parts_.sampler != nullptr) {
    InputArchive inner;
    archive.read("sampler", inner);
    parts_.sampler->load(inner);
    parts_.sampler->seek(parts_.sampler->epoch(), static_cast<std::size_t>(words[0]));
  }
  if (parts_.learning_rate != nullptr) {
    parts_.learning_rate->restore(values_of(read_tensor(archive, "initial_rates")),
                                  read_number(archive, "rate_step"));
  }
  copy(matched);
  set_random_states(words.subspan(1), device);
  return resumed;
}

void Checkpoints::save(std::int64_t step, const std::map<std::string, double>& values) {
  const std::string payload = encode(step, values);
  on_rank_zero(ranks_, [&] {
    internal::write_checkpoint(options_.folder, step, payload);
    internal::prune_checkpoints(options_.folder, options_.keep);
  });
}

std::optional<Resumed> Checkpoints::resume() {
  std::string payload, path, passed_over;
  on_rank_zero(ranks_, [&] {
    for (const std::int64_t step : internal::checkpoint_steps(options_.folder)) {
      path = internal::checkpoint_path(options_.folder, step);
      try {
        payload = internal::read_checkpoint(path);
        return;
      } catch (const core::CorruptFile& error) {
        passed_over += std::string(error.what()) + '\n';
      }
    }
    if (path.empty()) return;
    throw core::CorruptFile(fmt::format("no checkpoint in {} is whole", options_.folder),
                            "remove them to begin anew");
  });
  path = internal::broadcast_text(ranks_, path);
  if (path.empty()) return std::nullopt;
  passed_over = internal::broadcast_text(ranks_, passed_over);
  payload = internal::broadcast_text(ranks_, payload);
  Resumed resumed = decode(payload);
  resumed.path = path;
  for (std::size_t begin = 0; begin < passed_over.size();) {
    const std::size_t end = passed_over.find('\n', begin);
    resumed.passed_over.push_back(passed_over.substr(begin, end - begin));
    begin = end + 1;
  }
  return resumed;
}

void load_module(const std::string& path, torch::nn::Module& module) {
  const std::string payload = internal::read_checkpoint(path);
  InputArchive archive = open(payload);
  copy(matched_tensors(archive, module));
}

}  // namespace mutirao::nn
