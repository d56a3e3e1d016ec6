#include "mutirao/nn/captured_step.hpp"

#include <optional>
#include <string>
#include <utility>

#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mutirao/core/error.hpp"
#include "mutirao/nn/internal/captured_optimizer.hpp"
#include "mutirao/nn/internal/cuda_graph.hpp"
#include "mutirao/nn/internal/device.hpp"

namespace mutirao::nn {
namespace {

using torch::Tensor;

std::string shape_of(const Tensor& tensor) {
  return fmt::format("{} [{}]", c10::toString(tensor.scalar_type()),
                     fmt::join(tensor.sizes(), ", "));
}

void check_shape(const char* what, const Tensor& given, const Tensor& first) {
  if (given.scalar_type() == first.scalar_type() && given.sizes() == first.sizes()) return;
  throw core::InvalidArgument(
      fmt::format("the {} is {}, that of the first step was {}", what, shape_of(given),
                  shape_of(first)),
      "a captured step is for batches of one shape: leave out a last, smaller one");
}

/// The first line: c10's errors bring a backtrace.
std::string first_line(const char* what) {
  const std::string text = what;
  return text.substr(0, text.find('\n'));
}

}  // namespace

// Note [Streams of a captured step]
// All steps, recorded or not, are on one stream of their own: the default stream cannot be
// recorded, and autograd runs a parameter's last node, and our hook on it, on the stream that was
// current when that node was made. So the Reducer makes its nodes anew there, before the first
// step. NCCL's stream becomes part of the recording by the events that order it behind the
// gradients and the rest of the step behind it. What the hosts tell each other in a collective is
// not recorded: each replay brings a barrier of the hosts instead, so a rank that stays away is
// still named.
struct CapturedStep::State {
  State(Reducer* given, Loss its_loss, torch::optim::Optimizer& its_optimizer,
        const CapturedStepOptions& options)
      : reducer(given),
        loss(std::move(its_loss)),
        warm_up(options.warm_up),
        optimizer(its_optimizer),
        device(optimizer.device()),
        stream(c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device)) {
    if (warm_up < 1)
      throw core::InvalidArgument(fmt::format("{} steps to warm up", warm_up),
                                  "take at least one before a step is captured");
  }

  void order(const c10::Stream& first, const c10::Stream& second) const {
    c10::Event queued(device.type());
    queued.record(first);
    queued.block(second);
  }
  void take(Tensor& place, const Tensor& given) const {
    // From the host it is copied at once: the caller may reuse its memory.
    place.copy_(given, /*non_blocking=*/given.is_cuda());
  }
  void step() {
    optimizer.clear_gradients();
    const Tensor found = loss(input, target);
    found.backward();
    optimizer.step();
    result = found.detach();
  }
  void record();
  void replay();

  Reducer* const reducer;
  const Loss loss;
  const int warm_up;
  internal::CapturedOptimizer optimizer;
  const torch::Device device;
  const c10::Stream stream;
  internal::CudaGraph graph;

  Tensor input, target, result;
  comm::Work met;  // the hosts, in the last replay
  int warmed_up = 0;
  bool recorded = false;
  bool failed = false;
  std::size_t replays = 0;
};

void CapturedStep::State::record() {
  failed = true;  // until it has ended well
  try {
    optimizer.record([&] { graph.capture([&] { step(); }); });
  } catch (const core::Error&) {
    throw;
  } catch (const std::exception& error) {
    throw core::Unsupported(
        fmt::format("the step cannot be captured: {}", first_line(error.what())),
        "it must look at no values (item(), cpu(), printing) and always do the same operations");
  }
  failed = false;
  recorded = true;
  graph.replay();
}

void CapturedStep::State::replay() {
  optimizer.prepare_replay();
  if (reducer != nullptr) met = reducer->ranks().barrier();
  graph.replay();
  optimizer.count_replay();
  if (reducer != nullptr) reducer->count_replay();
  ++replays;
}

CapturedStep::CapturedStep(Loss loss, torch::optim::Optimizer& optimizer,
                           const CapturedStepOptions& options)
    : state_(std::make_unique<State>(nullptr, std::move(loss), optimizer, options)) {}

CapturedStep::CapturedStep(Reducer& reducer, Loss loss, torch::optim::Optimizer& optimizer,
                           const CapturedStepOptions& options)
    : state_(std::make_unique<State>(&reducer, std::move(loss), optimizer, options)) {}

CapturedStep::~CapturedStep() = default;

Tensor CapturedStep::operator()(const Tensor& input, const Tensor& target) {
  State& state = *state_;
  if (state.failed)
    throw core::Unsupported("this step could not be captured", "make another CapturedStep");
  if (state.input.defined()) {
    check_shape("input", input, state.input);
    check_shape("target", target, state.target);
  }
  const c10::Stream callers = internal::current_stream(state.device);
  state.order(callers, state.stream);
  {
    const c10::StreamGuard guard(state.stream);
    if (!state.input.defined()) {
      state.input = torch::empty(input.sizes(), input.options().device(state.device));
      state.target = torch::empty(target.sizes(), target.options().device(state.device));
      if (state.reducer != nullptr) state.reducer->listen_on_current_stream();
    }
    state.take(state.input, input);
    state.take(state.target, target);
    if (state.recorded) {
      state.replay();
    } else if (state.warmed_up < state.warm_up) {
      state.step();
      ++state.warmed_up;
    } else {
      state.record();
    }
  }
  state.order(state.stream, callers);
  return state.result;
}

void CapturedStep::wait() {
  State& state = *state_;
  state.met.wait();
  c10::impl::VirtualGuardImpl(state.device.type()).synchronizeStream(state.stream);
  if (state.reducer == nullptr) return;
  const c10::StreamGuard guard(state.stream);
  state.reducer->look_at_replay();
}

std::size_t CapturedStep::replays() const noexcept { return state_->replays; }

}  // namespace mutirao::nn
