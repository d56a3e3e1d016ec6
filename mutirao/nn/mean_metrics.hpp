#pragma once

// Means over the examples of all ranks.
//
// Purpose: a loss or an accuracy that is that of the whole epoch, not of one rank's part. Each rank
// adds what it has seen; average() adds it all up. Ranks need not have seen the same names, or
// anything. Guarantees: float64, added in the order of the ranks: the same bytes on all of them.
// Thread safety: one object, one thread. Failure: comm::GroupFailed.
//
//   nn::MeanMetrics metrics;
//   metrics.add("loss", loss.item<double>(), batch_size);
//   const auto epoch = metrics.average(ranks);   // epoch.at("loss")

#include <map>
#include <string>
#include <utility>

#include "mutirao/comm/communicator.hpp"

namespace mutirao::nn {

class MeanMetrics {
 public:
  /// `value`: a mean over `weight` examples.
  void add(const std::string& name, double value, double weight = 1.0);
  /// The weighted means over all ranks; begins anew. Collective.
  std::map<std::string, double> average(comm::Communicator& ranks);

 private:
  struct Sum {
    double of_values = 0.0;
    double of_weights = 0.0;
  };
  std::map<std::string, Sum> sums_;
};

}  // namespace mutirao::nn
