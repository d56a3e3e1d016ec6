// What an all-reduce between two ranks of one machine costs, beside Open MPI and Gloo in the same
// run. Buffers are rewritten before each call, as gradients are: benchmarks that reduce the same
// buffer again and again measure caches. Rounds of all sides take turns; each figure is the median
// of its rounds' p50.
// usage: comm_bench [--rounds N] [--ranks N] [--no-peers] [--mpi PROGRAM] [--gloo SCRIPT]

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "mutirao/comm/communicator.hpp"

namespace {

using namespace mutirao;
using Clock = std::chrono::steady_clock;

struct Size {
  std::size_t bytes;
  int calls;
};
constexpr Size kSizes[] = {
    {8, 2000}, {4096, 2000}, {404'440, 1000}, {4'000'000, 100}, {100'000'000, 9}};

using Figures = std::map<std::size_t, double>;  // bytes: p50 in microseconds

/// `call` is timed, after `rewrite` and a barrier.
template <class Rewrite, class Call>
double p50(comm::Communicator& ranks, int calls, Rewrite rewrite, Call call) {
  std::vector<double> taken;
  for (int i = 0; i < calls; ++i) {
    rewrite(1.0F + static_cast<float>(i));
    ranks.barrier().wait();
    const auto start = Clock::now();
    call();
    taken.push_back(std::chrono::duration<double, std::micro>(Clock::now() - start).count());
  }
  std::nth_element(taken.begin(), taken.begin() + calls / 2, taken.end());
  return taken[static_cast<std::size_t>(calls) / 2];
}

void measure(comm::Communicator& ranks, FILE* in_place, FILE* staged) {
  for (const auto& [bytes, calls] : kSizes) {
    const std::size_t count = bytes / sizeof(float);
    const comm::Buffer buffer = ranks.allocate(bytes);
    const auto part = buffer.part<float>(count);
    const auto values = buffer.as<float>();
    const float size = static_cast<float>(ranks.size());
    float last = 0;
    const double direct = p50(
        ranks, calls, [&](float value) { std::fill(values.begin(), values.end(), last = value); },
        [&] { ranks.all_reduce(part).wait(); });
    if (values.back() != last * size) std::abort();
    std::vector<float> own(count);
    const double copied = p50(
        ranks, calls, [&](float value) { std::fill(own.begin(), own.end(), last = value); },
        [&] { ranks.all_reduce(std::span(own)).wait(); });
    if (own.back() != last * size) std::abort();
    if (ranks.rank() == 0) {
      fmt::print(in_place, "{} {}\n", bytes, direct);
      fmt::print(staged, "{} {}\n", bytes, copied);
    }
  }
}

Figures read_figures(FILE* from) {
  Figures figures;
  std::rewind(from);
  unsigned long bytes = 0;
  for (double figure = 0; std::fscanf(from, "%lu %lf", &bytes, &figure) == 2;)
    figures[bytes] = figure;
  return figures;
}

std::vector<Figures> ours(int size, int round) {
  FILE* const files[] = {std::tmpfile(), std::tmpfile()};
  for (int rank = 0; rank < size; ++rank) {
    if (::fork() != 0) continue;
    comm::World world;
    world.rank = rank;
    world.size = world.local_size = size;
    world.run_id = fmt::format("bench {} {}", ::getppid(), round);
    try {
      comm::CommunicatorOptions options;
      options.world = world;
      comm::Communicator ranks(options);
      measure(ranks, files[0], files[1]);
      std::fflush(nullptr);
    } catch (const core::Error& error) {
      std::fprintf(stderr, "%s\n", error.what());
      ::_exit(1);
    }
    ::_exit(0);
  }
  int status = 0;
  while (::wait(&status) > 0) {
    if (status != 0) std::exit(1);
  }
  std::vector<Figures> found;
  for (FILE* file : files) {
    found.push_back(read_figures(file));
    std::fclose(file);
  }
  return found;
}

std::string sizes_text() {
  std::string text;
  for (const auto& [bytes, calls] : kSizes) text += fmt::format(" {},{}", bytes, calls);
  return text;
}

Figures of_command(const std::string& command) {
  FILE* const pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return {};
  Figures figures;
  unsigned long bytes = 0;
  for (double figure = 0; std::fscanf(pipe, "%lu %lf", &bytes, &figure) == 2;)
    figures[bytes] = figure;
  if (::pclose(pipe) != 0) std::fprintf(stderr, "failed: %s\n", command.c_str());
  return figures;
}

Figures gloo(const std::string& script, int size, int round) {
  std::string command;
  for (int rank = size - 1; rank >= 0; --rank)
    command += fmt::format(
        "MASTER_ADDR=127.0.0.1 MASTER_PORT={} RANK={} WORLD_SIZE={} OMP_NUM_THREADS=1 "
        "/usr/bin/python3 {}{} {}",
        29'600 + ::getpid() % 1000 + round, rank, size, script, sizes_text(), rank > 0 ? "& " : "");
  return of_command(command);
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  int rounds = 3;
  int ranks = 2;
  bool peers = true;
  std::string mpi = MUTIRAO_MPI_PEER;
  std::string gloo_script = MUTIRAO_GLOO_PEER;
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    if (option == "--no-peers") {
      peers = false;
    } else if (i + 1 < argc && option == "--rounds") {
      rounds = std::atoi(argv[++i]);
    } else if (i + 1 < argc && option == "--ranks") {
      ranks = std::atoi(argv[++i]);
    } else if (i + 1 < argc && option == "--mpi") {
      mpi = argv[++i];
    } else if (i + 1 < argc && option == "--gloo") {
      gloo_script = argv[++i];
    } else {
      std::fprintf(stderr, "comm_bench: error: what is %s?\n", argv[i]);
      return 2;
    }
  }

  std::map<std::string, std::map<std::size_t, std::vector<double>>> all;
  const auto add = [&all](const std::string& side, const Figures& figures) {
    for (const auto& [bytes, figure] : figures) all[side][bytes].push_back(figure);
  };
  for (int round = 0; round < rounds; ++round) {
    const std::vector<Figures> both = ours(ranks, round);
    add("in place", both[0]);
    add("staged", both[1]);
    if (!peers) continue;
    if (!mpi.empty())
      add("mpi", of_command(fmt::format("mpirun --allow-run-as-root --oversubscribe -np {} {}{}",
                                        ranks, mpi, sizes_text())));
    add("gloo", gloo(gloo_script, ranks, round));
  }

  fmt::print("| all-reduce, {} ranks, float32 | in place | a span | Open MPI | Gloo | ratio |\n",
             ranks);
  fmt::print("|---|--:|--:|--:|--:|--:|\n");
  for (const auto& [bytes, calls] : kSizes) {
    const auto figure = [&](const char* side) { return median(all[side][bytes]); };
    const double direct = figure("in place");
    fmt::print("| {} bytes | {:.1f} us | {:.1f} us | {:.1f} us | {:.1f} us | {:.1f}; {:.1f} |\n",
               bytes, direct, figure("staged"), figure("mpi"), figure("gloo"),
               figure("mpi") / direct, figure("gloo") / direct);
  }
}
