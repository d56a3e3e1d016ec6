#include "mutirao/nn/reducer.hpp"

#include <algorithm>
#include <mutex>
#include <optional>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/csrc/autograd/engine.h>
#include <torch/csrc/autograd/utils/lambda_post_hook.h>
#include <torch/csrc/autograd/variable.h>

#include "mutirao/nn/gpu.hpp"
#include "mutirao/nn/internal/agreement.hpp"
#include "mutirao/nn/internal/bucket.hpp"
#include "mutirao/nn/internal/device.hpp"

namespace mutirao::nn {
namespace {

using internal::Bucket;
using internal::GradientState;
using internal::Slot;
using torch::Tensor;
using torch::autograd::variable_list;

/// The parameters of this process that have a Reducer.
class AttachedParameters {
 public:
  void attach(const std::vector<NamedTensor>& parameters) {
    const std::lock_guard lock(mutex());
    for (const NamedTensor& parameter : parameters) {
      if (all().contains(parameter.tensor.unsafeGetTensorImpl())) {
        throw core::InvalidArgument(
            fmt::format("parameter {} already has a Reducer", parameter.name),
            "wrap a model once, and keep that one DistributedDataParallel");
      }
    }
    for (const NamedTensor& parameter : parameters) {
      all().insert(parameter.tensor.unsafeGetTensorImpl());
      mine_.push_back(parameter.tensor.unsafeGetTensorImpl());
    }
  }
  ~AttachedParameters() {
    const std::lock_guard lock(mutex());
    for (const void* parameter : mine_) all().erase(parameter);
  }

 private:
  static std::mutex& mutex() {
    static std::mutex one;
    return one;
  }
  static std::unordered_set<const void*>& all() {
    static std::unordered_set<const void*> one;
    return one;
  }
  std::vector<const void*> mine_;
};

std::string rank_list(const std::vector<int>& ranks) {
  return fmt::format("{} {}", ranks.size() == 1 ? "rank" : "ranks", fmt::join(ranks, ", "));
}

}  // namespace

std::vector<NamedTensor> named(const torch::OrderedDict<std::string, Tensor>& tensors) {
  std::vector<NamedTensor> found;
  for (const auto& item : tensors) found.push_back({item.key(), item.value()});
  return found;
}

// Note [What happens in a backward pass]
// Autograd's node that accumulates a parameter's gradient calls our hook when it has done so:
//   first hook   the pass begins; a callback is queued for its end
//   every hook   the gradient goes into its bucket, unless it lies there already, and grad()
//                becomes the bucket's tensor; a bucket that is complete is launched when all before
//                it are
//   end          parameters without a gradient give what they have; buckets that are left are
//                launched; all are waited for, in order; what the ranks said in the tails is looked
//                at, by all of them alike
// On a GPU all of it is queued, and the host waits once: to look at the tails.
// Nothing looks at the outputs of forward(): who was not used is known at the end of the pass.
struct Reducer::State {
  /// Tells that a pass was given up: the engine drops the callback that holds it.
  struct Pass {
    explicit Pass(State& owner) : state(owner) {}
    ~Pass() {
      if (!ended) state.given_up = true;
    }
    State& state;
    bool ended = false;
  };
  struct Hook {
    std::shared_ptr<torch::autograd::Node> accumulator;
    std::uintptr_t key;
  };

  State(comm::Communicator& communicator, const ReducerOptions& given)
      : ranks(communicator), options(given), device(device_of(communicator)), order(device) {}
  ~State() { stop_listening(); }

  void make_buckets(const std::vector<NamedTensor>& parameters);
  void make_buffers(const std::vector<NamedTensor>& named_buffers);
  void listen();
  void stop_listening();

  void on_gradient(std::size_t bucket, std::size_t slot);
  void begin_pass();
  void launch_complete();
  void end_pass();
  void settle();
  void complain() const;
  void synchronize_buffers(int root);
  bool take_part();

  comm::Communicator& ranks;
  const ReducerOptions options;
  const torch::Device device;  // of buckets, parameters and buffers
  AttachedParameters attached;
  std::vector<Bucket> buckets;
  std::vector<Hook> hooks;
  std::vector<Tensor> buffers;
  comm::Buffer packed;                   // for those
  std::vector<Tensor> packed_on_device;  // each one's place in it
  int unsynchronized = 0;                // NoSync objects
  std::size_t passes = 0;

  bool in_pass = false;
  bool given_up = false;        // the last pass ended by an exception
  std::size_t launched = 0;     // buckets
  internal::StreamOrder order;  // of the pass
};

void Reducer::State::make_buckets(const std::vector<NamedTensor>& parameters) {
  // The last layers' gradients come first.
  std::vector<std::vector<Bucket::Parameter>> groups;
  std::vector<std::size_t> bytes;
  for (auto parameter = parameters.rbegin(); parameter != parameters.rend(); ++parameter) {
    const std::size_t size =
        static_cast<std::size_t>(parameter->tensor.numel()) * parameter->tensor.element_size();
    // One bucket grows at a time for each type, the last one of that type.
    std::optional<std::size_t> open;
    for (std::size_t i = 0; i < groups.size(); ++i) {
      if (groups[i].front().tensor.scalar_type() == parameter->tensor.scalar_type()) open = i;
    }
    const std::size_t limit = open == 0 ? options.first_bucket_bytes : options.bucket_bytes;
    if (!open || bytes[*open] + size > limit) {
      groups.emplace_back();
      bytes.push_back(0);
      open = groups.size() - 1;
    }
    groups[*open].push_back({parameter->name, parameter->tensor});
    bytes[*open] += size;
  }
  for (std::size_t i = 0; i < groups.size(); ++i) buckets.emplace_back(ranks, i, groups[i]);
}

void Reducer::State::make_buffers(const std::vector<NamedTensor>& named_buffers) {
  if (!options.synchronize_buffers) return;
  // Tensors of a GPU start where every type may.
  const std::size_t aligned = device.is_cpu() ? 1 : internal::kAlignment;
  std::size_t bytes = 0;
  std::vector<std::size_t> places;
  for (const NamedTensor& buffer : named_buffers) {
    buffers.push_back(buffer.tensor);
    places.push_back(bytes);
    bytes += (buffer.tensor.nbytes() + aligned - 1) / aligned * aligned;
  }
  constexpr std::size_t kWord = sizeof(std::int64_t);
  if (bytes != 0) packed = ranks.allocate((bytes + kWord - 1) / kWord * kWord);
  if (device.is_cpu()) return;
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    const Tensor& one = buffers[i];
    if (one.numel() == 0) continue;
    packed_on_device.push_back(
        internal::tensor_over(packed, places[i], one.sizes(), one.strides(), one.scalar_type()));
  }
}

void Reducer::State::listen() {
  for (std::size_t b = 0; b < buckets.size(); ++b) {
    for (std::size_t s = 0; s < buckets[b].slots().size(); ++s) {
      auto accumulator = torch::autograd::impl::grad_accumulator(buckets[b].slots()[s].parameter);
      const std::uintptr_t key =
          accumulator->add_post_hook(std::make_unique<torch::autograd::utils::LambdaPostHook>(
              [this, b, s](const variable_list& outputs, const variable_list&) {
                on_gradient(b, s);
                return outputs;
              }));
      hooks.push_back({std::move(accumulator), key});
    }
  }
}

void Reducer::State::stop_listening() {
  for (const Hook& hook : hooks) hook.accumulator->del_post_hook(hook.key);
  hooks.clear();
}

void Reducer::State::on_gradient(std::size_t bucket, std::size_t slot) {
  if (torch::GradMode::is_enabled()) {
    throw core::Unsupported("gradients of gradients cannot be averaged over ranks",
                            "call backward() without create_graph, or under no_sync()");
  }
  if (unsynchronized != 0) return;
  if (!in_pass || given_up) begin_pass();
  const Slot& which = buckets[bucket].slots()[slot];
  const Tensor& gradient = which.parameter.grad();
  if (!gradient.defined()) return;
  if (gradient.layout() != torch::kStrided) {
    throw core::Unsupported(fmt::format("the gradient of {} is sparse", which.name),
                            "use a dense gradient");
  }
  if (which.state != GradientState::kNone) {
    throw core::Unsupported(
        fmt::format("parameter {} got two gradients in one backward pass", which.name),
        "do not call backward() inside a backward pass, unless under no_sync()");
  }
  const bool complete = buckets[bucket].take(slot, options.non_finite == OnNonFinite::kError);
  order.join();
  if (complete) launch_complete();
}

void Reducer::State::begin_pass() {
  // The others still read what this rank has launched.
  order.begin();
  if (std::exchange(given_up, false)) {
    const internal::CollectivesOn scope(ranks, order.stream());
    for (std::size_t i = 0; i < launched; ++i) buckets[i].wait();
  }
  for (Bucket& bucket : buckets) bucket.begin();
  launched = 0;
  in_pass = true;
  const auto pass = std::make_shared<Pass>(*this);
  torch::autograd::Engine::get_default_engine().queue_callback([this, pass] {
    pass->ended = true;
    end_pass();
  });
}

void Reducer::State::launch_complete() {
  const internal::CollectivesOn scope(ranks, order.stream());
  while (launched < buckets.size() && buckets[launched].complete())
    buckets[launched++].launch(options.hook, buckets.size(), /*active=*/true);
}

void Reducer::State::end_pass() {
  in_pass = false;
  const torch::NoGradGuard no_grad;
  // The engine has put the caller's stream behind those of the hooks.
  order.begin();
  for (std::size_t i = launched; i < buckets.size(); ++i) buckets[i].take_rest();
  launch_complete();
  const internal::CollectivesOn scope(ranks, order.stream());
  for (Bucket& bucket : buckets) bucket.wait();
  if (!internal::is_capturing(device))
    for (Bucket& bucket : buckets) bucket.look();
  settle();
}

void Reducer::State::settle() {
  const int world = ranks.size();
  int active = 0;
  int root = -1;
  for (int rank = 0; rank < world; ++rank) {
    if (!buckets.front().active(rank)) continue;
    if (root < 0) root = rank;
    ++active;
  }
  for (Bucket& bucket : buckets) {
    if (active < world) bucket.scale(static_cast<double>(world) / active);
    for (std::size_t s = 0; s < bucket.slots().size(); ++s) {
      Slot& slot = bucket.slots()[s];
      bool used = slot.state != GradientState::kNone;  // then grad() is the bucket's already
      for (int rank = 0; rank < world && !used; ++rank) {
        used = bucket.state(s, rank) != GradientState::kNone;
        if (used) slot.parameter.mutable_grad() = slot.gradient;
      }
    }
  }
  synchronize_buffers(root);
  ++passes;
  complain();
}

void Reducer::State::complain() const {
  for (const Bucket& bucket : buckets) {
    for (std::size_t s = 0; s < bucket.slots().size(); ++s) {
      std::vector<int> without, bad;
      for (int rank = 0; rank < ranks.size(); ++rank) {
        if (!buckets.front().active(rank)) continue;
        const GradientState state = bucket.state(s, rank);
        if (state == GradientState::kNone) without.push_back(rank);
        if (state == GradientState::kNonFinite) bad.push_back(rank);
      }
      const std::string& name = bucket.slots()[s].name;
      if (!bad.empty() && options.non_finite == OnNonFinite::kError) {
        throw NonFiniteGradient(
            fmt::format("the gradient of {} is infinite or NaN on {}", name, rank_list(bad)),
            "look at the loss and the batch of that rank, or lower the learning rate");
      }
      if (!without.empty() && options.missing == OnMissingGradient::kError) {
        throw MissingGradient(
            fmt::format("parameter {} got no gradient on {}", name, rank_list(without)),
            "use every parameter in forward(), or set missing to OnMissingGradient::kZero");
      }
    }
  }
}

void Reducer::State::synchronize_buffers(int root) {
  if (packed.size() == 0) return;
  constexpr std::size_t kWord = sizeof(std::int64_t);
  const auto all = packed.part<std::int64_t>(packed.size() / kWord);
  if (!device.is_cpu()) {
    const auto copy = [&](bool pack) {
      std::size_t next = 0;
      for (const Tensor& buffer : buffers) {
        if (buffer.numel() == 0) continue;
        const Tensor& place = packed_on_device[next++];
        pack ? place.copy_(buffer) : buffer.copy_(place);
      }
    };
    if (ranks.rank() == root) copy(/*pack=*/true);
    ranks.broadcast(all, root).wait();
    if (ranks.rank() != root) copy(/*pack=*/false);
    return;
  }
  const auto each = [&](auto copy) {
    std::byte* place = packed.data();
    for (const Tensor& buffer : buffers) {
      const auto bytes = static_cast<std::size_t>(buffer.numel()) * buffer.element_size();
      copy(place, static_cast<std::byte*>(buffer.data_ptr()), bytes);
      place += bytes;
    }
  };
  if (ranks.rank() == root)
    each([](std::byte* to, const std::byte* from, std::size_t n) { std::copy_n(from, n, to); });
  ranks.broadcast(all, root).wait();
  if (ranks.rank() != root)
    each([](const std::byte* from, std::byte* to, std::size_t n) { std::copy_n(from, n, to); });
}

/// Somebody's pass, without data. False when nobody has any left.
bool Reducer::State::take_part() {
  const torch::NoGradGuard no_grad;
  order.begin();
  const internal::CollectivesOn scope(ranks, order.stream());
  for (Bucket& bucket : buckets) bucket.zero();
  const auto anybody = [&] {
    for (int rank = 0; rank < ranks.size(); ++rank)
      if (buckets.front().active(rank)) return true;
    return false;
  };
  Bucket& first = buckets.front();
  if (options.hook) {
    first.launch_tail(/*active=*/false);
    first.wait_for_tail();
    first.look();
    if (!anybody()) return false;
    first.launch_hook(options.hook, buckets.size());
  } else {
    first.launch(options.hook, buckets.size(), /*active=*/false);
    first.wait();
    first.look();
    if (!anybody()) return false;
  }
  for (std::size_t i = 1; i < buckets.size(); ++i)
    buckets[i].launch(options.hook, buckets.size(), /*active=*/false);
  for (Bucket& bucket : buckets) {
    bucket.wait();
    bucket.look();
  }
  settle();
  return true;
}

Reducer::Reducer(comm::Communicator& ranks, const std::vector<NamedTensor>& parameters,
                 const std::vector<NamedTensor>& buffers, const ReducerOptions& options)
    : state_(std::make_unique<State>(ranks, options)) {
  const torch::NoGradGuard no_grad;
  std::vector<NamedTensor> trained;
  std::vector<Tensor> shared;
  std::vector<std::string> lines{
      fmt::format("options: buckets of {} and {} bytes, {} hook, buffers {}", options.bucket_bytes,
                  options.first_bucket_bytes, options.hook ? "with" : "without",
                  options.synchronize_buffers ? "synchronised" : "left alone")};
  for (const auto* tensors : {&parameters, &buffers}) {
    for (const NamedTensor& one : *tensors) {
      internal::check_place(one.name, one.tensor, state_->device);
      lines.push_back(internal::line_of(one.name, one.tensor));
      shared.push_back(one.tensor);
      if (tensors == &parameters && one.tensor.requires_grad()) {
        internal::data_type_of(one.tensor.scalar_type(), one.name);
        trained.push_back(one);
      }
    }
  }
  if (trained.empty()) {
    throw core::InvalidArgument("no parameter needs a gradient",
                                "call it after requires_grad was set on what is to be trained");
  }
  state_->attached.attach(trained);
  internal::check_agreement(ranks, lines);
  internal::broadcast(ranks, shared, 0);
  state_->make_buckets(trained);
  state_->make_buffers(buffers);
  state_->listen();
}

Reducer::~Reducer() = default;

Reducer::NoSync::NoSync(Reducer& reducer) noexcept : reducer_(reducer) {
  ++reducer_.state_->unsynchronized;
}
Reducer::NoSync::~NoSync() { --reducer_.state_->unsynchronized; }

void Reducer::join(const std::function<void()>& step) {
  while (state_->take_part()) step();
}

comm::Communicator& Reducer::ranks() noexcept { return state_->ranks; }

void Reducer::listen_on_current_stream() {
  state_->stop_listening();
  state_->listen();
}

void Reducer::count_replay() noexcept { ++state_->passes; }

void Reducer::look_at_replay() {
  for (Bucket& bucket : state_->buckets) bucket.look();
  state_->complain();
}

std::size_t Reducer::passes() const noexcept { return state_->passes; }
std::size_t Reducer::buckets() const noexcept { return state_->buckets.size(); }

}  // namespace mutirao::nn
