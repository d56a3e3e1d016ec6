// Ranks that add up what they have: start it with mpirun -np N, srun -n N, or alone.

#include <cstdio>
#include <span>
#include <vector>

#include "mutirao/comm/communicator.hpp"

int main() {
  using namespace mutirao;
  comm::Communicator ranks;  // from the launcher's variables; alone, a world of one
  comm::Buffer gradients = ranks.allocate(404'440);
  auto part = gradients.part<float>(101'110);
  for (float& value : gradients.as<float>()) value = static_cast<float>(ranks.rank() + 1);
  comm::Work work = ranks.all_reduce(part, comm::Reduction::kMean);  // in place, nothing is copied

  std::vector<float> loss(1, 0.5F);
  ranks.all_reduce(std::span(loss), comm::Reduction::kMean).wait();  // copied in and out
  work.wait();

  if (ranks.rank() == 0) {
    std::printf("%s\n", ranks.description().c_str());
    std::printf("mean loss %.1f, mean gradient %.1f\n", static_cast<double>(loss[0]),
                static_cast<double>(gradients.as<float>()[101'109]));
  }
}
